"""A model's accuracy by corruption and severity, as a table whose shade is what was lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clipbench.report.points import Row
from clipbench.report.sections.corruptions.curves import words
from clipbench.report.sections.corruptions.findings import Corrupted
from clipbench.report.text import numbers


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


def heat(corrupted: Corrupted) -> HeatTable | None:
    """Set out one model's corruptions by severity; None where there are none."""
    rows = corrupted.rows("severities")
    if not rows:
        return None
    clean = corrupted.clean.value if corrupted.clean else None
    severities = tuple(sorted({int(row["severity"]) for row in rows}))
    means = {str(row["corruption"]): row for row in corrupted.rows("corruptions")}
    errors = any(row.get("ce") is not None for row in means.values())
    by_name: dict[str, dict[int, Row]] = {}
    for row in rows:
        by_name.setdefault(str(row["corruption"]), {})[int(row["severity"])] = row
    kinds = {str(row["corruption"]): str(row.get("kind") or "") for row in rows}
    return HeatTable(
        model=corrupted.model,
        clean=numbers.with_unit(clean),
        severities=severities,
        rows=tuple(
            HeatRow(
                words(name),
                kinds[name],
                (
                    *(_cell(of.get(severity), clean) for severity in severities),
                    *_over_severities(means.get(name, {}), clean, errors),
                ),
            )
            for name, of in by_name.items()
        ),
        errors=errors,
    )


def _over_severities(row: Mapping[str, object], clean: float | None, errors: bool) -> tuple[HeatCell, ...]:
    mean = _cell(row, clean)
    return (mean, _percent(row.get("ce")), _percent(row.get("relative_ce"))) if errors else (mean,)


def _cell(row: Mapping[str, object] | None, clean: float | None) -> HeatCell:
    value = _share(row, "top1") if row else None
    if row is None or value is None:
        return HeatCell(numbers.MISSING)
    lost = min(max(1 - value / clean, 0.0), 1.0) if clean else None
    return HeatCell(numbers.number(value), numbers.ends(_share(row, "low"), _share(row, "high")), lost)


def _share(row: Mapping[str, object], name: str) -> float | None:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else None


def _percent(value: object) -> HeatCell:
    return HeatCell(numbers.number(float(value)) if isinstance(value, int | float) else numbers.MISSING)
