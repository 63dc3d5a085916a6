"""The section 'Data sets': a figure of each column, few-shot at several numbers of shots as one curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from clipbench.report.averages import Means
from clipbench.report.figures import figures
from clipbench.report.leaderboard import Column, Leaderboard, Measurement
from clipbench.report.sections.base import PageData
from clipbench.report.sections.sets import shots
from clipbench.report.text import labels


@dataclass(frozen=True)
class ColumnGroup:
    """Columns that stand together: one task and regime."""

    title: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Chart:
    """A figure of one data set with what its caption says."""

    column: Column
    figure: figures.Figure
    absent: tuple[str, ...]
    """Models without a value, with the reason."""


@dataclass(frozen=True)
class ChartGroup:
    """The figures of one group of columns."""

    title: str
    bars: tuple[Chart, ...]
    shots: tuple[shots.ShotsChart, ...]

    def __len__(self) -> int:
        return len(self.bars) + len(self.shots)


@dataclass(frozen=True)
class Charts:
    """All figures of data sets."""

    groups: tuple[ChartGroup, ...]
    left_out: int
    """Figures for which there was no room."""

    def __len__(self) -> int:
        return sum(map(len, self.groups))


class SetsSection:
    """Draws what the leaderboard holds."""

    name: ClassVar[str] = "sets"
    title: ClassVar[str] = "Data sets"
    order: ClassVar[int] = 40
    analyses: ClassVar[tuple[str, ...]] = ()
    template: ClassVar[str] = "sets.html.j2"

    def show(self, data: PageData, figures: int) -> Charts | None:
        """Draw each column, up to so many figures."""
        drawn = charts(data.leaderboard, figures)
        return drawn if len(drawn) else None


def groups(leaderboard: Leaderboard) -> tuple[ColumnGroup, ...]:
    """Gather the columns of each task and regime."""
    found: dict[tuple[str, str], list[Column]] = {}
    for column in leaderboard.columns:
        found.setdefault((column.task, column.regime), []).append(column)
    return tuple(ColumnGroup(_title(columns[0], leaderboard), tuple(columns)) for columns in found.values())


def charts(leaderboard: Leaderboard, limit: int) -> Charts:
    """Draw each column, and few-shot at several numbers of shots as one curve, up to `limit` figures."""
    shot_charts = shots.charts(leaderboard)
    in_curves = {column.name for chart in shot_charts for column in chart.columns}
    found, left, wanted = [], limit, 0
    for group in groups(leaderboard):
        of_shots = tuple(chart for chart in shot_charts if chart.columns[0] in group.columns)
        drawn = [_chart(column, leaderboard) for column in group.columns if column.name not in in_curves]
        bars = tuple(chart for chart in drawn if chart)
        wanted += len(of_shots) + len(bars)
        kept = ChartGroup(group.title, bars[: max(0, left - len(of_shots))], of_shots[:left])
        left -= len(kept)
        if len(kept):
            found.append(kept)
    return Charts(tuple(found), wanted - (limit - left))


def gap(leaderboard: Leaderboard, group_means: Sequence[Means]) -> figures.Figure | None:
    """Set benchmark against shift, for the first measurement that has both."""
    by_group: dict[Measurement, dict[str, Means]] = {}
    for group in group_means:
        by_group.setdefault(group.measurement, {})[group.regime] = group
    for regimes in by_group.values():
        if "benchmark" not in regimes or "shift" not in regimes:
            continue
        benchmark, shift = regimes["benchmark"].by_model, regimes["shift"].by_model
        both = [model for model in leaderboard.models if model in benchmark and model in shift]
        pairs = [(benchmark[model], shift[model]) for model in both]
        if pairs := [pair for pair in pairs if all(mean.complete for mean in pair)]:
            return figures.gap(pairs)
    return None


def _title(column: Column, leaderboard: Leaderboard) -> str:
    """Return e.g. 'Benchmark sets', with the task where there are several."""
    known = any(other.regime for other in leaderboard.columns if other.task == column.task)
    name = f"{column.regime} sets" if column.regime else "other sets" if known else "data sets"
    several = len({other.task for other in leaderboard.columns}) > 1
    return labels.capitalised(f"{column.measurement.label}: {name}" if several else name)


def _chart(column: Column, leaderboard: Leaderboard) -> Chart | None:
    figure = figures.bars(column, leaderboard.models)
    if figure is None:
        return None
    absent = []
    for model in leaderboard.models:
        cell = column.cells.get(model)
        if cell is None or cell.value is None:
            reason = "not run" if cell is None else "failed" if cell.job.status == "failed" else "undefined"
            absent.append(f"{model} ({reason})")
    return Chart(column, figure, tuple(absent))
