"""The section 'Data sets': a figure of each column, few-shot at several numbers of shots as one curve."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from clipbench.report.averages import Average, Means
from clipbench.report.figures import axes, figures
from clipbench.report.leaderboard import STANDINGS, Cell, Column, Leaderboard
from clipbench.report.sections.base import PageData
from clipbench.report.sections.sets import shots
from clipbench.report.text import labels, numbers
from clipbench.report.text.claims import floor
from clipbench.report.text.labels import short_names

MANY = 12
"""Above so many models dots stand for bars."""

_LABEL = 22
_WIDE_LABEL = 34


@dataclass(frozen=True)
class Chart:
    """A figure of one data set, or of one model on several, with what its caption says."""

    title: str
    told: tuple[str, ...]
    figure: figures.Figure
    absent: tuple[str, ...] = ()
    """Models without a value, with the reason."""


@dataclass(frozen=True)
class ColumnGroup:
    """Columns that stand together: one task and regime."""

    title: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class ChartGroup:
    """The figures of one group of columns."""

    title: str
    bars: tuple[Chart, ...]
    shots: tuple[shots.ShotsChart, ...]


@dataclass(frozen=True)
class Charts:
    """All figures of data sets."""

    groups: tuple[ChartGroup, ...]
    left_out: int
    """Figures for which there was no room."""


class SetsSection:
    """Draws what the leaderboard holds."""

    name: ClassVar[str] = "sets"
    title: ClassVar[str] = "Data sets"
    order: ClassVar[int] = 40
    analyses: ClassVar[tuple[str, ...]] = (STANDINGS,)
    template: ClassVar[str] = "sets.html.j2"

    def show(self, data: PageData, figures: int) -> Charts | None:
        """Draw each column, and few-shot at several numbers of shots as one curve."""
        board = data.leaderboard
        shot_charts = shots.charts(board)
        in_curves = {column.name for drawn in shot_charts for column in drawn.columns}
        found, left, wanted = [], figures, 0
        for group in groups(board):
            of_shots = tuple(drawn for drawn in shot_charts if drawn.columns[0] in group.columns)
            single = (column for column in group.columns if column.name not in in_curves)
            bars = _of_one(board.models[0], [*single]) if len(board.models) == 1 else _of_many(board.models, single)
            wanted += len(of_shots) + len(bars)
            kept = ChartGroup(group.title, bars[: max(0, left - len(of_shots))], of_shots[:left])
            left -= len(kept.bars) + len(kept.shots)
            if kept.bars or kept.shots:
                found.append(kept)
        return Charts(tuple(found), wanted - (figures - left)) if found else None


def groups(leaderboard: Leaderboard) -> tuple[ColumnGroup, ...]:
    """Gather the columns of each task and regime."""
    found: dict[tuple[str, str], list[Column]] = defaultdict(list)
    for column in leaderboard.columns:
        found[column.task, column.regime].append(column)
    return tuple(ColumnGroup(_title(columns[0], leaderboard), tuple(columns)) for columns in found.values())


def _title(column: Column, leaderboard: Leaderboard) -> str:
    """Return e.g. 'Benchmark sets', with the task where there are several."""
    known = any(other.regime for other in leaderboard.columns if other.task == column.task)
    name = f"{column.regime} sets" if column.regime else "other sets" if known else "data sets"
    several = len({other.task for other in leaderboard.columns}) > 1
    return labels.capitalised(f"{column.measurement.label}: {name}" if several else name)


def _of_many(models: Sequence[str], columns: Iterable[Column]) -> tuple[Chart, ...]:
    several = (column for column in columns if sum(cell.value is not None for cell in column.cells.values()) > 1)
    return tuple(drawn for column in several if (drawn := chart(column, models)))


def _of_one(model: str, columns: Sequence[Column]) -> tuple[Chart, ...]:
    """Draw one model with a row for each column, one figure a metric; none where that is a single row."""
    by_metric: dict[tuple[str, str], dict[str, Cell]] = defaultdict(dict)
    for column in columns:
        cell = column.cells.get(model)
        if cell and cell.record and cell.value is not None:
            by_metric[column.heading, column.unit][column.label] = cell
    return tuple(
        Chart(model, (heading,), rows_of_one(unit, cells))
        for (heading, unit), cells in by_metric.items()
        if len(cells) > 1
    )


def rows_of_one(unit: str, cells: Mapping[str, Cell]) -> figures.Figure:
    """Draw a row for each of one model's cells, by name, with what has to be exceeded to be above chance."""
    names, records = short_names(list(cells), _LABEL), [cell.record for cell in cells.values()]
    hovers = [_hover(name, cell) for name, cell in cells.items()]
    opacity = [0.4 if cell.at_chance else 1.0 for cell in cells.values()]
    x = [cell.value for cell in cells.values()]
    traces = [figures.bars(x, hovers, {"series": [0] * len(x)}, figures.errors(records), opacity=opacity)]
    known = [(floor(record), place) for place, record in enumerate(records) if record and floor(record) is not None]
    if known:
        mark = {"symbol": "line-ns-open", "size": 15, "line": {"width": 2}}
        told = {"name": "to be exceeded to be above chance", "showlegend": True, "hoverinfo": "skip"}
        levels, places = zip(*known, strict=True)
        traces.append(figures.dots(levels, places, (), {"role": "baseline"}, marker=mark, **told))
    values = [numbers.with_unit(value, unit) for value in x]
    summary = "; ".join(f"{name} {value}" for name, value in zip(cells, values, strict=True))
    return figures.rows([figures.text(name) for name in names.values()], values, traces, _axis(unit), summary, 30)


def chart(column: Column, models: Sequence[str]) -> Chart | None:
    """Draw the models' values on one data set, with their intervals; None where no model has a value."""
    cells = {model: column.cells.get(model) for model in models}
    shown = {model: cell for model, cell in cells.items() if cell and cell.value is not None}
    if not shown:
        return None
    absent = (f"{model} ({_reason(cell)})" for model, cell in cells.items() if model not in shown)
    told = tuple(part for part in (column.heading, column.basis, column.chance) if part)
    return Chart(column.label, told, _bars(column, models, shown), tuple(absent))


def _reason(cell: Cell | None) -> str:
    return "not run" if cell is None else "failed" if cell.job.status == "failed" else "undefined"


def _bars(column: Column, models: Sequence[str], shown: dict[str, Cell]) -> figures.Figure:
    series, names, many = figures.series_of(models), short_names(models, _LABEL), len(shown) > MANY
    x, errors = [cell.value for cell in shown.values()], figures.errors([cell.record for cell in shown.values()])
    hovers = [_hover(model, cell) for model, cell in shown.items()]
    meta = {"series": [series[model] for model in shown]}
    opacity = [0.4 if cell.footnote or cell.at_chance else 1.0 for cell in shown.values()]
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
    lines = [figures.upright(column.floor, len(shown), "baseline")] if column.floor is not None else []
    return figures.rows(ticks, values, [drawn, *lines], _axis(column.unit), summary, 19 if many else 30)


def _axis(unit: str) -> dict[str, Any]:
    if unit == "fraction":
        return axes.whole_share() | {"range": [0, 1]}
    return {"fixedrange": True, "zeroline": False, "rangemode": "tozero", "nticks": 5}


def _hover(model: str, cell: Cell) -> str:
    record = cell.record
    n = f"n = {numbers.count(record.n)}" if record and record.n else ""
    note = f"not ranked, see note {cell.footnote}" if cell.footnote else ""
    chance = "not above chance" if cell.at_chance else ""
    return figures.hover(model, numbers.with_interval(record) if record else "", n, chance, note)


def gap(leaderboard: Leaderboard, group_means: Sequence[Means]) -> figures.Figure | None:
    """Set the first models' benchmark means against those on shifts, in the first measurement that ranks both."""
    by_group = {(group.measurement, group.regime): group.by_model for group in group_means}
    for measurement in dict.fromkeys(group.measurement for group in group_means):
        benchmark, shift = (by_group.get((measurement, regime), {}) for regime in ("benchmark", "shift"))
        both = [(benchmark[model], shift[model]) for model in leaderboard.models if model in benchmark.keys() & shift]
        if ranked := [pair for pair in both if all(mean.ranked for mean in pair)]:
            return _gap(ranked[:MANY])
    return None


def _gap(pairs: Sequence[tuple[Average, Average]]) -> figures.Figure:
    sides = list(zip(*pairs, strict=True))
    sets = [labels.sets(len(side[0].datasets), side[0].regime) for side in sides]
    hovers = [
        [figures.hover(mean.model, numbers.with_interval(mean), f"{mean.metric}, mean over {over}") for mean in side]
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
