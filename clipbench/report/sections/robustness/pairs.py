"""Pairs of a zero-shot and a supervised classifier: where each stands on every shift, and the way between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clipbench.metrics.specs import TableSpec
from clipbench.report.figures import axes, figures
from clipbench.report.figures.curve import Curve
from clipbench.report.figures.figures import Figure
from clipbench.report.grids import Grid, of_result
from clipbench.report.measured import conditions, rows_of
from clipbench.report.sections.robustness.axes import axis, scale
from clipbench.report.text import numbers
from clipbench.report.text.claims import Claim
from clipbench.report.text.declared import declared
from clipbench.report.text.labels import short_names
from clipbench.results.records import AnalysisResult

_LABEL = 22
_STEP = 34
_HEIGHT = 300

Row = Mapping[str, Any]


@dataclass(frozen=True)
class ShownPair:
    """One pair."""

    result: AnalysisResult
    title: str
    """What stands beside what, on which reference."""
    gains: tuple[Claim, ...]
    """Of the second, on the reference and on the shifts; none where it is published."""
    figure: Figure | None
    grid: Grid | None
    """None where the pair could not be compared: its notes say why."""
    way: Curve | None
    """From zero-shot to supervised weights, in the plane of reference and shift."""


def pairs(results: Sequence[AnalysisResult], limit: int) -> tuple[ShownPair, ...]:
    """Set out pairs, with at most `limit` figures."""
    done = [result for result in results if result.status == "done"]
    words = conditions(done)
    shown = []
    for result in done:
        pair = _pair(result, words[result.hash], limit)
        limit -= (pair.figure is not None) + (pair.way is not None)
        shown.append(pair)
    return tuple(shown)


def _pair(result: AnalysisResult, condition: str, limit: int) -> ShownPair:
    rows, spec = rows_of(result, "pair"), declared(result).table("pair")
    assert spec is not None
    gains = (result.record(metric) for metric in ("reference_gain", "mean_shift_gain"))
    return ShownPair(
        result,
        title=", ".join(part for part in (result.about.reference, spec.caption, condition) if part),
        gains=tuple(Claim(gain) for gain in gains if gain),
        figure=_figure(rows, spec) if rows and limit > 0 else None,
        grid=of_result(replace(result, tables={"pair": result.tables["pair"]}))[0] if rows else None,
        way=_way(rows_of(result, "interpolation")) if limit > 1 else None,
    )


def _figure(rows: Sequence[Row], spec: TableSpec) -> Figure:
    ticks = [figures.text(name) for name in short_names([row["dataset"] for row in rows], _LABEL).values()]
    differences = [numbers.number(row["first_top1"] - row["second_top1"], "difference") for row in rows]
    columns = {name: column.heading for name in ("first_top1", "second_top1") if (column := spec.column(name))}
    values = [[row[name] for row in rows] for name in columns]
    hovers = [
        [figures.hover(name, f"{row['dataset']}: {numbers.with_unit(row[column])}") for row in rows]
        for column, name in columns.items()
    ]
    listed = "; ".join(
        f"{row['dataset']}: {' and '.join(numbers.with_unit(row[name]) for name in columns)}" for row in rows
    )
    summary = f"top-1 of {' and of '.join(columns.values())}: {listed}"
    traces = figures.pairs(list(columns.values()), values, hovers)
    return figures.rows(ticks, differences, traces, axes.whole_share(), summary, _STEP)


def _way(rows: Sequence[Row]) -> Curve | None:
    """Draw the interpolation as a line; None where there is none."""
    if len(rows) < 2:
        return None
    rows = sorted(rows, key=lambda row: row["alpha"])
    x, y = (scale([row[name] for row in rows]) for name in ("reference_top1", "mean_shift_top1"))
    ends = [row["alpha"] in (0, 1) for row in rows]
    sizes, symbols = [12 if end else 6 for end in ends], ["diamond" if end else "circle" for end in ends]
    line = figures.trace(
        [round(x.place(row["reference_top1"]), 4) for row in rows],
        [round(y.place(row["mean_shift_top1"]), 4) for row in rows],
        [figures.hover(f"alpha = {row['alpha']:g}", _both(row)) for row in rows],
        marker={"opacity": 1, "size": sizes, "symbol": symbols},
    )
    summary = "; ".join(f"alpha {row['alpha']:g}: {_both(row)}" for row in rows)
    figure = figures.plane(
        [line],
        axis(x, "reference top-1", 0.12),
        axis(y, "mean shift top-1", 0.08, upright=True),
        _HEIGHT,
        f"reference and mean shift top-1 by alpha: {summary}",
    )
    return Curve("From zero-shot to fitted weights", figure, "Diamonds: zero-shot (alpha 0) and fitted (alpha 1)")


def _both(row: Row) -> str:
    here, there = (numbers.with_unit(row[name]) for name in ("reference_top1", "mean_shift_top1"))
    return f"{here} on the reference, {there} on shifts"
