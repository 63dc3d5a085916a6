"""Models by their number on a data set: those measured here with intervals, published ones behind them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from clipbench.report.site.data.board import Cell, Column
from clipbench.report.site.pages.base import SiteData
from clipbench.report.text import numbers

_STEP = 0.05
"""Ends of a scale of shares are multiples of it."""


@dataclass(frozen=True)
class Row:
    """One model."""

    name: str
    page: str
    evidence: str
    cell: Cell
    rank: str = ""
    """The ranks that it may have among the measured: '2–4'."""


@dataclass(frozen=True)
class Ranking:
    """A column of the board, best first; failures last."""

    column: Column
    measured: tuple[Row, ...]
    published: tuple[Row, ...]
    first: float
    last: float
    """Ends of the scale that all intervals are drawn on."""

    @property
    def best(self) -> tuple[Row, ...]:
        """Models that no other one is surely ahead of, where some are surely behind."""
        return self._marked("b")

    @property
    def at_chance(self) -> tuple[Row, ...]:
        """Compared models that are not above chance."""
        return self._marked("c")

    @property
    def compared(self) -> tuple[Row, ...]:
        """Measured models with a number that may stand beside the others'."""
        return tuple(row for row in self.measured if row.cell.value is not None and row.cell.footnote is None)

    def _marked(self, mark: str) -> tuple[Row, ...]:
        return tuple(row for row in self.compared if mark in row.cell.marks)

    @property
    def median(self) -> float:
        """Of the published figures."""
        return median(row.cell.value for row in self.published if row.cell.value is not None)

    @property
    def drawn(self) -> bool:
        """Whether there is a number to draw."""
        return any(row.cell.value is not None for row in (*self.measured, *self.published))

    @property
    def ends(self) -> tuple[str, str]:
        """Of the scale, in words."""
        return numbers.number(self.first, self.column.unit), numbers.with_unit(self.last, self.column.unit)


def rankings(data: SiteData, dataset: str) -> tuple[Ranking, ...]:
    """Return the columns of a data set in the board's order."""
    return tuple(_ranking(data, column) for column in data.board.columns if column.dataset == dataset)


def _ranking(data: SiteData, column: Column) -> Ranking:
    sign = 1 if column.higher_is_better is False else -1
    cells = sorted(column.cells, key=lambda cell: math.inf if cell.value is None else sign * cell.value)
    ranks = {model: numbers.ranks(low, high) for model, low, high in column.ranks or ()}
    rows = [
        Row(
            data.board.models[cell.model].name,
            data.model_path(cell.model),
            data.evidence_path(column, cell),
            cell,
            ranks.get(cell.model, ""),
        )
        for cell in cells
    ]
    return Ranking(
        column,
        tuple(row for row in rows if row.cell.job),
        tuple(row for row in rows if not row.cell.job),
        *_scale(column, cells),
    )


def _scale(column: Column, cells: Sequence[Cell]) -> tuple[float, float]:
    known = [end for cell in cells for end in cell[1:4] if end is not None]
    known += [floor for floor in (column.chance,) if floor is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    if column.unit != "fraction":
        return low, high
    return math.floor(low / _STEP + 1e-9) * _STEP, math.ceil(high / _STEP - 1e-9) * _STEP
