"""A model's accuracy by corruption and severity, as a table whose shade is what was lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clipbench.report.measured import rows_of
from clipbench.report.sections.corruptions.curves import words
from clipbench.report.text import numbers
from clipbench.results.records import AnalysisResult


@dataclass(frozen=True)
class HeatCell:
    """One number and how dark it stands."""

    text: str
    interval: str = ""
    shade: float | None = None
    """Share of the clean accuracy that is lost, in [0, 1]; None for no shade."""


@dataclass(frozen=True)
class HeatRow:
    """One corruption."""

    name: str
    kind: str
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True)
class HeatTable:
    """One model."""

    model: str
    clean: str
    severities: tuple[int, ...]
    rows: tuple[HeatRow, ...]
    """Their cells: one a severity, the mean, and the corruption errors where there is a reference model."""
    errors: bool
    """Whether there are corruption errors."""


def heat(result: AnalysisResult) -> HeatTable:
    """Set out one model's corruptions by severity."""
    record = result.record("clean_top1")
    clean = record.value if record else None
    cells: dict[str, dict[int, HeatCell]] = {}
    for row in rows_of(result, "severities"):
        cells.setdefault(row["corruption"], {})[row["severity"]] = _cell(row, clean)
    means = rows_of(result, "corruptions")
    errors = any(row["ce"] is not None for row in means)
    severities = tuple(sorted({severity for by_severity in cells.values() for severity in by_severity}))
    rows = []
    for row in means:
        by_severity = [cells[row["corruption"]][severity] for severity in severities]
        shares = [HeatCell(numbers.number(row[error])) for error in ("ce", "relative_ce") if errors]
        rows.append(HeatRow(words(row["corruption"]), row["kind"], (*by_severity, _cell(row, clean), *shares)))
    return HeatTable(result.about.model, numbers.with_unit(clean), severities, tuple(rows), errors)


def _cell(row: Mapping[str, Any], clean: float | None) -> HeatCell:
    lost = min(max(1 - row["top1"] / clean, 0.0), 1.0) if clean else None
    return HeatCell(numbers.number(row["top1"]), numbers.ends(row["low"], row["high"]), lost)
