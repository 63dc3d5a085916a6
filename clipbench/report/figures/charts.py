"""Which figures a page has of its data sets, and which do not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clipbench.report.averages import Means
from clipbench.report.figures import figures, shots
from clipbench.report.leaderboard import Board, Column
from clipbench.report.text import labels
from clipbench.results.records import JobResult


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


def groups(board: Board) -> tuple[ColumnGroup, ...]:
    """Gather the columns of each task and regime."""
    found: dict[tuple[str, str], list[Column]] = {}
    for column in board.columns:
        found.setdefault(column.group, []).append(column)
    return tuple(ColumnGroup(_title(task, regime, board), tuple(columns)) for (task, regime), columns in found.items())


def charts(board: Board, findings: Sequence[JobResult], limit: int) -> Charts:
    """Draw each column, and few-shot at several numbers of shots as one curve, up to `limit` figures.

    Args:
        board: the leaderboard.
        findings: of analyses, which know what belongs into a curve.
        limit: most figures.
    """
    curves = shots.charts(board, findings)
    in_curves = {column.name for curve in curves for column in curve.columns}
    found, left, wanted = [], limit, 0
    for group in groups(board):
        names = {column.name for column in group.columns}
        of_group = tuple(curve for curve in curves if curve.columns[0].name in names)
        drawn = [_chart(column, board) for column in group.columns if column.name not in in_curves]
        bars = tuple(chart for chart in drawn if chart)
        wanted += len(of_group) + len(bars)
        kept = ChartGroup(group.title, bars[: max(0, left - len(of_group))], of_group[:left])
        left -= len(kept)
        if len(kept):
            found.append(kept)
    return Charts(tuple(found), wanted - (limit - left))


def gap(board: Board, group_means: Sequence[Means]) -> figures.Figure | None:
    """Set benchmark against shift, for the first task that has both."""
    by_group = {(group.task, group.condition, group.regime): group.by_model for group in group_means}
    for measured in dict.fromkeys((group.task, group.condition) for group in group_means):
        benchmark, shift = by_group.get((*measured, "benchmark"), {}), by_group.get((*measured, "shift"), {})
        pairs = [
            (benchmark[model], shift[model])
            for model in board.models
            if model in benchmark and model in shift and benchmark[model].complete and shift[model].complete
        ]
        if pairs:
            return figures.gap(pairs)
    return None


def _title(task: str, regime: str, board: Board) -> str:
    """Return e.g. 'Benchmark sets', with the task where there are several."""
    unnamed = "other sets" if any(column.regime for column in board.columns if column.task == task) else "data sets"
    name = f"{regime} sets" if regime else unnamed
    title = f"{labels.task(task)}: {name}" if len({column.task for column in board.columns}) > 1 else name
    return title[:1].upper() + title[1:]


def _chart(column: Column, board: Board) -> Chart | None:
    figure = figures.bars(column, board.models)
    if figure is None:
        return None
    absent = []
    for model in board.models:
        cell = column.cells.get(model)
        if cell is None or cell.value is None:
            reason = "not run" if cell is None else "failed" if cell.job.status == "failed" else "undefined"
            absent.append(f"{model} ({reason})")
    return Chart(column, figure, tuple(absent))
