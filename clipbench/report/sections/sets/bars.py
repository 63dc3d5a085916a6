"""Figures of the leaderboard: a bar a model for each column, and benchmark sets beside shift sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clipbench.report.averages import Average, Means
from clipbench.report.figures import axes, figures
from clipbench.report.leaderboard import Cell, Column, Leaderboard
from clipbench.report.text import labels, numbers
from clipbench.report.text.labels import short_names

MANY = 12
"""Above so many models dots stand for bars."""

_LABEL = 22
_WIDE_LABEL = 34


@dataclass(frozen=True)
class Chart:
    """A figure of one data set with what its caption says."""

    column: Column
    figure: figures.Figure
    absent: tuple[str, ...]
    """Models without a value, with the reason."""


def chart(column: Column, models: Sequence[str]) -> Chart | None:
    """Draw the models' values on one data set, with their intervals; None where no model has a value."""
    cells = {model: column.cells.get(model) for model in models}
    shown = {model: cell for model, cell in cells.items() if cell and cell.value is not None}
    if not shown:
        return None
    absent = (f"{model} ({_reason(cell)})" for model, cell in cells.items() if model not in shown)
    return Chart(column, _bars(column, models, shown), tuple(absent))


def _reason(cell: Cell | None) -> str:
    return "not run" if cell is None else "failed" if cell.job.status == "failed" else "undefined"


def _bars(column: Column, models: Sequence[str], shown: dict[str, Cell]) -> figures.Figure:
    series, names, many = figures.series_of(models), short_names(models, _LABEL), len(shown) > MANY
    x, errors = [cell.value for cell in shown.values()], figures.errors([cell.record for cell in shown.values()])
    hovers = [_hover(model, cell) for model, cell in shown.items()]
    meta = {"series": [series[model] for model in shown]}
    opacity = [0.4 if cell.footnote else 1.0 for cell in shown.values()]
    if many:
        drawn = figures.dots(x, range(len(x)), hovers, meta, error_x=errors, marker={"opacity": opacity, "size": 6})
    else:
        drawn = figures.bars(x, hovers, meta, errors, opacity=opacity)
    marks = (f" <sup>†{cell.footnote}</sup>" if cell.footnote else "" for cell in shown.values())
    ticks = [figures.text(names[model]) + mark for model, mark in zip(shown, marks, strict=True)]
    values = [numbers.with_unit(value, column.unit) for value in x]
    listed = [f"{model} {value}" for model, value in zip(shown, values, strict=True)][:MANY]
    listed += [f"and {len(shown) - MANY} more"] if many else []
    summary = f"{column.spec.label} on {column.name}: {'; '.join(listed)}"
    return figures.rows(ticks, values, [drawn], _axis(column.unit), summary, 19 if many else 30)


def _axis(unit: str) -> dict[str, Any]:
    if unit == "fraction":
        return axes.whole_share() | {"range": [0, 1]}
    return {"fixedrange": True, "zeroline": False, "rangemode": "tozero", "nticks": 5}


def _hover(model: str, cell: Cell) -> str:
    record = cell.record
    n = f"n = {numbers.count(record.n)}" if record and record.n else ""
    note = f"not ranked, see note {cell.footnote}" if cell.footnote else ""
    return figures.hover(model, numbers.with_interval(record) if record else "", n, note)


def gap(leaderboard: Leaderboard, group_means: Sequence[Means]) -> figures.Figure | None:
    """Set benchmark against shift, for the first measurement of which some models have both means complete."""
    by_group = {(group.measurement, group.regime): group.by_model for group in group_means}
    for measurement in dict.fromkeys(group.measurement for group in group_means):
        benchmark, shift = (by_group.get((measurement, regime), {}) for regime in ("benchmark", "shift"))
        both = [(benchmark[model], shift[model]) for model in leaderboard.models if model in benchmark.keys() & shift]
        if complete := [pair for pair in both if all(mean.complete for mean in pair)]:
            return _gap(complete)
    return None


def _gap(pairs: Sequence[tuple[Average, Average]]) -> figures.Figure:
    sides = list(zip(*pairs, strict=True))
    sets = [labels.sets(side[0].total, side[0].regime) for side in sides]
    hovers = [
        [figures.hover(mean.model, numbers.with_interval(mean), f"mean {mean.metric} over {over}") for mean in side]
        for side, over in zip(sides, sets, strict=True)
    ]
    values = [[mean.value for mean in side] for side in sides]
    legend = [f"mean over {over}" for over in sets]
    traces = figures.pairs(legend, values, hovers, error_x=[figures.errors(side) for side in sides])
    names = short_names([benchmark.model for benchmark, _ in pairs], _WIDE_LABEL)
    gaps = [numbers.number(benchmark.value - shift.value, "gap") for benchmark, shift in pairs]
    summary = "; ".join(
        f"{b.model}: {numbers.with_unit(b.value)} on benchmark sets, {numbers.with_unit(s.value)} on shift sets"
        for b, s in pairs[:MANY]
    )
    ticks, step = [figures.text(name) for name in names.values()], 32 if len(pairs) <= MANY else 20
    return figures.rows(ticks, gaps, traces, axes.whole_share(), summary, step)
