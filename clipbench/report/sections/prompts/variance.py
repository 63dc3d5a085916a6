"""Figure of where the variance of right and wrong answers comes from: template, image, names, and what is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clipbench.report.figures import axes
from clipbench.report.figures.curve import Curve, reach
from clipbench.report.figures.figures import text
from clipbench.report.points import CAPTIONS, Row
from clipbench.report.sections.prompts.rows import dots, row_figure, row_names
from clipbench.report.text import numbers
from clipbench.results.records import JobResult

_APART = 0.3
"""Between the two marks of a row, as a part of the row."""

_TICKS = 4
"""With more than that every second one has a label, so that they fit a phone."""

_OVER = {"images": ("low", "high"), "templates": ("low_over_templates", "high_over_templates")}


def variance(job: JobResult, rows: Sequence[Row]) -> Curve | None:
    """Draw each component as a share of their sum, with intervals over images and over templates.

    None where the sum is not above zero. An estimate below zero is drawn as it is: it says that the component is too
    small to be told from none.
    """
    total = sum(row["value"] for row in rows)
    if total <= 0:
        return None
    names = [str(row["component"]).replace(" x ", " × ") for row in rows]
    over = [of for of, (low, _) in _OVER.items() if any(row.get(low) is not None for row in rows)] or ["images"]
    marks = [_marks(rows, names, total, of, place - (len(over) - 1) / 2) for place, of in enumerate(over)]
    shares = [_signed(row["value"] / total) for row in rows]
    axis = _axis([value for _, values in marks for value in values])
    summary = "variance of right and wrong answers: " + "; ".join(
        f"{name} {share}\u202f%" for name, share in zip(names, shares, strict=True)
    )
    figure = row_figure(row_names(names), shares, [trace for trace, _ in marks], axis, summary, 34)
    told = "filled: over images, hollow: over templates" if len(over) > 1 else f"over {over[0]}"
    return Curve(CAPTIONS["variance"], figure, f"Components as shares of their sum, with intervals; {told}")


def _marks(
    rows: Sequence[Row], names: Sequence[str], total: float, over: str, place: float
) -> tuple[dict[str, Any], list[float]]:
    """Return the dots with their intervals over images or over templates, and all values that they reach.

    place is below the middle of the row, in distances between marks.
    """
    low, high = _OVER[over]
    scaled: list[dict[str, float | None]] = [
        {"share": row["value"] / total, "low": _scaled(row.get(low), total), "high": _scaled(row.get(high), total)}
        for row in rows
    ]
    hover = []
    for name, row in zip(names, scaled, strict=True):
        ends = "" if row["low"] is None else f"<br>[{_signed(row['low'])}, {_signed(row['high'])}] over {over}"
        hover.append(f"{text(name)}<br><b>{_signed(row['share'])}\u202f%</b>{ends}")
    trace = dots(scaled, "share", hover)
    trace["y"] = [row + place * _APART for row in range(len(rows))]
    trace["meta"]["hollow"] = [over == "templates"] * len(rows)
    return trace, reach(scaled, "share")


def _axis(values: Sequence[float]) -> dict[str, Any]:
    axis = axes.differences(values)
    ticks: list[str] = axis["ticktext"]
    if len(ticks) > _TICKS:
        zero = axis["tickvals"].index(0)
        ticks = [tick if (place - zero) % 2 == 0 else "" for place, tick in enumerate(ticks)]
    last = max(place for place, tick in enumerate(ticks) if tick)
    ticks[last] += "\u202f%"
    return axis | {"ticktext": ticks}


def _scaled(value: float | None, total: float) -> float | None:
    return None if value is None else value / total


def _signed(share: float | None) -> str:
    return numbers.number(share).replace("-", "−")
