"""Findings of the robustness analysis, gathered by what one figure shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clipbench.report.findings import findings_of
from clipbench.report.leaderboard import Board
from clipbench.report.text import labels
from clipbench.results.records import JobResult, Record


@dataclass(frozen=True)
class Measured:
    """One model on one shift beside its reference."""

    finding: JobResult
    records: Mapping[str, Record]

    @property
    def model(self) -> str:
        """Its name."""
        return self.finding.model

    def value(self, metric: str) -> float | None:
        """Return a metric's value; None where there is none."""
        return self.records[metric].value if metric in self.records else None

    def row(self, table: str) -> Mapping[str, Any]:
        """Return the first row of a table of the finding; empty where there is none."""
        found = self.finding.tables.get(table)
        return dict(zip(found.columns, found.rows[0], strict=False)) if found and found.rows else {}


@dataclass(frozen=True)
class Shift:
    """The models on one shift, measured alike."""

    reference: str
    dataset: str
    split: str
    variant: str
    """What tells it from the same shift with other prompts; often ''."""
    subset: str
    models: tuple[Measured, ...]

    @property
    def baseline(self) -> str:
        """The source of the line: a published one, `OF_THE_RUN`, or ''."""
        named = (_param(measured.finding, "baseline") for measured in self.models)
        return next((str(name) for name in named if name), "")

    @property
    def condition(self) -> str:
        """Prompts and subset, as far as they need saying."""
        return ", ".join(part for part in (self.variant, self.subset) if part)


@dataclass(frozen=True)
class Summary:
    """One model over all the shifts of one reference."""

    finding: JobResult
    records: Mapping[str, Record]

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        return self.finding.notes[0] if self.finding.notes else ""

    @property
    def worst(self) -> str:
        """The shift with the lowest top-1; '' where it is not said."""
        record = self.records.get("worst_shift_top1")
        return str(record.params.get("dataset") or "") if record else ""

    @property
    def condition(self) -> str:
        """Prompts and subset, as far as they need saying."""
        _, _, prompts = self.finding.variant.partition(", ")
        return ", ".join(part for part in (prompts, self.finding.pedigree.subset) if part)


@dataclass(frozen=True)
class Robustness:
    """All findings of the analysis."""

    summaries: tuple[Summary, ...]
    shifts: tuple[Shift, ...]
    silent: tuple[JobResult, ...]
    """Findings without a number: their notes say why."""
    errors: tuple[str, ...]
    """Why the analysis broke, where it did."""


def gather(findings: Sequence[JobResult], board: Board) -> Robustness:
    """Gather the findings of task 'robustness'; models in the leaderboard's order."""
    ours = findings_of("robustness", findings, board)
    shifts: list[Shift] = []
    summaries: list[Summary] = []
    for finding, records in ours.sound:
        if any(metric.startswith("mean_") for metric in records):
            summaries.append(Summary(finding, records))
        else:
            _join(shifts, Measured(finding, records))
    return Robustness(
        summaries=tuple(summaries),
        shifts=tuple(sorted(shifts, key=_place)),
        silent=ours.silent,
        errors=ours.errors,
    )


def _join(shifts: list[Shift], measured: Measured) -> None:
    """Add a model to the shift that it was measured on; to another one of that name where a study repeats it."""
    finding = measured.finding
    reference = str(_param(finding, "reference") or "")
    variant = finding.variant.removeprefix(f"against {reference}").removeprefix(", ")
    alone = Shift(reference, finding.dataset, finding.split, variant, finding.pedigree.subset, (measured,))
    for place, shift in enumerate(shifts):
        alike = replace(shift, models=()) == replace(alone, models=())
        if alike and measured.model not in {other.model for other in shift.models}:
            shifts[place] = replace(shift, models=(*shift.models, measured))
            return
    shifts.append(alone)


def _place(shift: Shift) -> tuple[object, ...]:
    names = (labels.natural(shift.reference), labels.natural(shift.dataset))
    return (*names, shift.split, shift.variant, shift.subset)


def _param(finding: JobResult, name: str) -> Any:
    return next((record.params[name] for record in finding.records if name in record.params), None)
