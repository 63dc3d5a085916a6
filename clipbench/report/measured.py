"""Tables of measured numbers with one model a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clipbench.report.cells import Head
from clipbench.report.sections.comparisons.section import Number, heading, number
from clipbench.results.records import JobResult, Record


@dataclass(frozen=True)
class MeasuredRow:
    """One model's numbers."""

    model: str
    remark: str
    """What tells it from the model's other rows; often ''."""
    cells: tuple[Number, ...]
    """As many as the table has heads."""


@dataclass(frozen=True)
class MeasuredTable:
    """Models by metrics, each number with its interval."""

    caption: str
    heads: tuple[Head, ...]
    rows: tuple[MeasuredRow, ...]


@dataclass(frozen=True)
class Remark:
    """A note of findings, with the models that it is about; none where it is about all of them."""

    text: str
    models: tuple[str, ...]


def table(
    caption: str,
    rows: Sequence[tuple[str, str, Mapping[str, Record]]],
    metrics: Sequence[str],
    names: Mapping[str, str] | None = None,
) -> MeasuredTable:
    """Set out records.

    Args:
        caption: of the table.
        rows: for each row the model, a remark and its records by metric.
        metrics: the columns, in order; those that no row has are left out.
        names: headings of columns that have another one than their metric's.
    """
    firsts = {name: next((of[name] for _, _, of in rows if name in of), None) for name in metrics}
    shown = {name: record for name, record in firsts.items() if record is not None}
    heads = tuple(Head((names or {}).get(name) or heading(record), numeric=True) for name, record in shown.items())
    return MeasuredTable(
        caption,
        heads,
        tuple(MeasuredRow(model, remark, tuple(number(of.get(name)) for name in shown)) for model, remark, of in rows),
    )


def remarks(findings: Sequence[JobResult], *, after: int = 0) -> tuple[Remark, ...]:
    """Return each note of some findings once.

    Args:
        findings: of one or many models.
        after: how many of each finding's first notes are said elsewhere.
    """
    found: dict[str, dict[str, None]] = {}
    for finding in findings:
        for note in finding.notes[after:]:
            found.setdefault(note, {})[finding.model] = None
    everyone = {finding.model for finding in findings}
    return tuple(Remark(note, () if set(models) == everyone else tuple(models)) for note, models in found.items())
