"""Findings of the corruption analysis, gathered by what was corrupted and how."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from clipbench.report.findings import findings_of
from clipbench.report.leaderboard import Board
from clipbench.report.points import Row, is_number
from clipbench.report.text import labels
from clipbench.results.records import JobResult, Record, Table

_NEEDED = {"severities": ("severity", "top1"), "corruptions": ("top1",)}


@dataclass(frozen=True)
class Corrupted:
    """One model on one corrupted data set."""

    finding: JobResult
    records: Mapping[str, Record]

    @property
    def model(self) -> str:
        """Its name."""
        return self.finding.model

    @property
    def clean(self) -> Record | None:
        """Top-1 on the images as they are; None where it is undefined."""
        record = self.records.get("clean_top1")
        return record if record and record.value is not None else None

    def rows(self, name: str) -> tuple[Row, ...]:
        """Return the rows of the table of this name that name a corruption and hold its numbers."""
        table = self.finding.tables.get(name)
        return tuple(_sound(table, _NEEDED[name])) if table else ()


@dataclass(frozen=True)
class CorruptedSet:
    """The models on one data set, corrupted alike."""

    dataset: str
    split: str
    variant: str
    """Protocol, and prompts where there are several."""
    subset: str
    models: tuple[Corrupted, ...]

    @property
    def condition(self) -> str:
        """Protocol, prompts and subset."""
        return ", ".join(part for part in (self.variant, self.subset) if part)

    @property
    def corruptions(self) -> Mapping[str, str]:
        """Names of the corruptions with their kinds, in the order of the tables."""
        return {
            str(row["corruption"]): str(row.get("kind") or "")
            for corrupted in self.models
            for row in corrupted.rows("severities")
        }


@dataclass(frozen=True)
class CorruptionFindings:
    """All findings of the analysis."""

    sets: tuple[CorruptedSet, ...]
    silent: tuple[JobResult, ...]
    """Findings without a number: their notes say why."""
    errors: tuple[str, ...]
    """Why the analysis broke, where it did."""


def gather(findings: Sequence[JobResult], board: Board) -> CorruptionFindings:
    """Gather the findings of task 'corruption_error'; models in the leaderboard's order."""
    ours = findings_of("corruption_error", findings, board)
    found: dict[tuple[str, str, str, str], list[Corrupted]] = defaultdict(list)
    for finding, records in ours.sound:
        key = (finding.dataset, finding.split, finding.variant, finding.pedigree.subset)
        found[key].append(Corrupted(finding, records))
    sets = (CorruptedSet(*key, tuple(found[key])) for key in sorted(found, key=_place))
    return CorruptionFindings(tuple(sets), ours.silent, ours.errors)


def _place(key: tuple[str, str, str, str]) -> tuple[object, ...]:
    return (labels.natural(key[0]), key[1:])


def _sound(table: Table, needed: Sequence[str]) -> Iterator[Row]:
    for cells in table.rows:
        row = dict(zip(table.columns, cells, strict=False))
        if isinstance(row.get("corruption"), str) and all(is_number(row.get(name)) for name in needed):
            yield row
