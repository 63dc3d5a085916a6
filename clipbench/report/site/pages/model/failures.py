"""Where a model fails: worst classes, confusions and pictures of its first data sets, out of closed boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clipbench.report import grids
from clipbench.report.leaderboard import Cell, Column
from clipbench.report.pictures import Shown

_SETS = 3
_ROWS = 6
_PICTURES = 6


@dataclass(frozen=True)
class Failures:
    """What a model gets wrong on one data set."""

    column: Column
    cell: Cell
    tables: tuple[grids.Grid, ...]
    pictures: tuple[Shown, ...]


def failures(
    cells: Sequence[tuple[Column, Cell]], pictures: Callable[[Cell], tuple[Shown, ...]]
) -> tuple[Failures, ...]:
    """Return what goes wrong on the first data sets of the first task and regime that say so: the benchmark's."""
    found = [
        Failures(column, cell, tables, pictures(cell)[:_PICTURES])
        for column, cell in cells
        if cell.job.status == "done" and (tables := grids.failures(cell.job, _ROWS))
    ]
    alike = [made for made in found if _kind(made.column) == _kind(found[0].column)]
    return tuple({made.column.dataset: made for made in reversed(alike)}.values())[::-1][:_SETS]


def _kind(column: Column) -> tuple[str, str]:
    return column.task, column.regime
