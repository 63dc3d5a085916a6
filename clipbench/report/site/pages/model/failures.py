"""Where a model fails: worst classes, confusions and pictures of its first data sets, out of closed boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clipbench.report import grids
from clipbench.report.leaderboard import Cell, Column
from clipbench.report.pictures import Shown
from clipbench.report.text import labels
from clipbench.results.records import JobResult

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

    @property
    def role(self) -> str:
        """What the pictures are."""
        return role_of(self.cell.job)


def failures(
    cells: Sequence[tuple[Column, Cell]], pictures: Callable[[JobResult], tuple[Shown, ...]]
) -> tuple[Failures, ...]:
    """Return what goes wrong on the first data sets of the first task and regime that say so: the benchmark's."""
    found = [
        Failures(column, cell, tables, pictures(cell.job)[:_PICTURES])
        for column, cell in cells
        if cell.job.status == "done" and (tables := grids.failures(cell.job, _ROWS))
    ]
    alike = [made for made in found if _kind(made.column) == _kind(found[0].column)]
    return tuple({made.column.dataset: made for made in reversed(alike)}.values())[::-1][:_SETS]


def _kind(column: Column) -> tuple[str, str]:
    return column.task, column.regime


def role_of(job: JobResult) -> str:
    """Return what a job's pictures are, e.g. 'Confident mistakes'."""
    role = labels.capitalised(str(job.pictures[0].get("role") or "picture"))
    return role if role[-1:] == "s" else f"{role}s"
