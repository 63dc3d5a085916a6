"""The section 'Data sets': a figure of each column, few-shot at several numbers of shots as one curve."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import ClassVar

from clipbench.report.leaderboard import Column, Leaderboard
from clipbench.report.sections.base import PageData
from clipbench.report.sections.sets import shots
from clipbench.report.sections.sets.bars import Chart, chart
from clipbench.report.text import labels


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
        """Draw each column, and few-shot at several numbers of shots as one curve."""
        board = data.leaderboard
        shot_charts = shots.charts(board)
        in_curves = {column.name for drawn in shot_charts for column in drawn.columns}
        found, left, wanted = [], figures, 0
        for group in groups(board):
            of_shots = tuple(drawn for drawn in shot_charts if drawn.columns[0] in group.columns)
            single = (column for column in group.columns if column.name not in in_curves)
            bars = tuple(drawn for column in single if (drawn := chart(column, board.models)))
            wanted += len(of_shots) + len(bars)
            kept = ChartGroup(group.title, bars[: max(0, left - len(of_shots))], of_shots[:left])
            left -= len(kept)
            if len(kept):
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
