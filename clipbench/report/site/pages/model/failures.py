"""Where a model fails: worst classes, confusions and pictures of its first data sets, out of closed boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from clipbench.report import grids
from clipbench.report.failures import Failure
from clipbench.report.leaderboard import Cell, Column
from clipbench.report.pictures import Shown
from clipbench.results.records import JobResult

_SETS = 3
_ROWS = 6
_PICTURES = 6


def failures(
    cells: Sequence[tuple[Column, Cell]], pictures: Callable[[JobResult], tuple[Shown, ...]]
) -> tuple[Failure, ...]:
    """Return what goes wrong on the first data sets of the first task and regime that say so: the benchmark's."""
    found = [
        Failure(column, cell, tables, pictures(cell.job)[:_PICTURES])
        for column, cell in cells
        if cell.job.status == "done" and (tables := grids.failures(cell.job, _ROWS))
    ]
    alike = [made for made in found if _kind(made.column) == _kind(found[0].column)]
    return tuple({made.column.dataset: made for made in reversed(alike)}.values())[::-1][:_SETS]


def _kind(column: Column) -> tuple[str, str]:
    return column.task, column.regime
