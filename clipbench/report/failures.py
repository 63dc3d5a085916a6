"""Where the best models fail on the main benchmarks: their worst classes, what these are taken for, and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from clipbench.report import grids
from clipbench.report.details import picture_words, role_of
from clipbench.report.grids import Grid
from clipbench.report.leaderboard import Cell, Column
from clipbench.report.pictures import Shown, thumbs_of
from clipbench.report.sections.base import PageData

MODELS, SETS = 2, 3
"""So many are shown: the first models of the leaderboard, on the first benchmark sets."""

CLASSES, PICTURES = 5, 6


@dataclass(frozen=True)
class Failure:
    """One job's mistakes."""

    column: Column
    cell: Cell
    tables: tuple[Grid, ...]
    pictures: tuple[Shown, ...]

    @property
    def role(self) -> str:
        """What the pictures are."""
        return role_of(self.cell.job)

    @property
    def words(self) -> tuple[str, str]:
        """What stands before what a picture shows, and before what was answered."""
        return picture_words(self.cell.job)


def find_failures(data: PageData) -> tuple[Failure, ...]:
    """Return the mistakes of the first models on the first benchmark sets; at chance there is nothing to learn of."""
    board = data.leaderboard
    known = [column for column in board.columns if column.task == "zero_shot"] or list(board.columns)
    first = [column for column in known if column.regime == "benchmark"] or known
    shown: dict[str, list[Failure]] = {}
    for column in sorted(first, key=lambda column: not any(cell.job.pictures for cell in column.cells.values())):
        if len(shown) < SETS and (found := list(_on(column, data))):
            shown.setdefault(column.dataset, found)
    return tuple(failure for found in shown.values() for failure in found)


def _on(column: Column, data: PageData) -> Iterator[Failure]:
    cells = [cell for cell in data.leaderboard.cells(column) if cell.record and not cell.at_chance]
    for cell in cells[:MODELS]:
        tables = grids.failures(cell.job, CLASSES)
        pictures = data.album.show(cell.job.pictures[:PICTURES], thumbs_of(data.results, cell.job.hash))
        seen = tuple(picture for picture in pictures if picture.uri)
        if tables or seen:
            yield Failure(column, cell, tables, seen)
