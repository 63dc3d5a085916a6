"""A table with a model a row, whose numbers link to their evidence and sort it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from clipbench.report.text import numbers
from clipbench.report.text.claims import Claim, at_chance
from clipbench.results.records import Record


@dataclass(frozen=True)
class Number:
    """One cell."""

    text: str = numbers.MISSING
    small: str = ""
    """Its interval."""
    value: float | None = None
    """What it sorts by."""
    href: str = ""
    """Where its evidence is, below the site's folder."""
    clear: bool = False
    """Whether it is a difference whose interval leaves out zero."""
    at_chance: bool = False
    heat: float | None = None
    """Share of the full tint."""
    note: str = ""
    """What stands below it in words."""


@dataclass(frozen=True)
class Reach:
    """A range with a mark in it and a tick, on a scale that all rows of a table have."""

    value: float
    low: float
    high: float
    tick: float | None
    said: str
    ends: tuple[float, float]
    """Of the scale."""


@dataclass(frozen=True)
class Head:
    """One column."""

    text: str
    sub: tuple[str, ...] = ()
    lower_first: bool = False


@dataclass(frozen=True)
class Row:
    """One model."""

    model: str
    href: str
    cells: tuple[Number | Reach, ...]
    remark: str = ""


@dataclass(frozen=True)
class Listing:
    """The table."""

    caption: str
    heads: tuple[Head, ...]
    rows: tuple[Row, ...]
    first: str = "Model"


def tens(shares: Sequence[float | None]) -> tuple[float, float]:
    """Return the whole tens of percent that hold some shares."""
    known = [share for share in shares if share is not None] or [0.0, 1.0]
    low, high = math.floor(round(10 * min(known), 6)) / 10, math.ceil(round(10 * max(known), 6)) / 10
    return low, max(high, low + 0.1)


def told(ends: tuple[float, float]) -> str:
    """Return a scale's ends: '10 to 70 %'."""
    return f"{100 * ends[0]:.0f} to {100 * ends[1]:.0f}\u202f%"


def number(record: Record | None, unit: str, href: str = "", *, note: str = "") -> Number:
    """Set out a record in a unit; a dash where there is none or no value."""
    if record is None or record.value is None:
        return Number(href=href)
    text, small = numbers.number(record.value, unit), numbers.ends(record.low, record.high, unit)
    return Number(text, small, round(record.value, 6), href, at_chance=at_chance(record), note=note)


def difference(claim: Claim | None, unit: str, href: str = "") -> Number:
    """Set out a difference, bold where its interval leaves out zero."""
    if claim is None:
        return Number()
    return replace(number(claim.record, unit, href), clear=claim.verdict in ("higher", "lower"))


def filled(heads: Sequence[Head], rows: Sequence[Row]) -> tuple[tuple[Head, ...], tuple[Row, ...]]:
    """Return heads and rows without the columns in which no row has a number."""
    kept = [place for place in range(len(heads)) if any(_known(row.cells[place]) for row in rows)]
    cut = (replace(row, cells=tuple(row.cells[place] for place in kept)) for row in rows)
    return tuple(heads[place] for place in kept), tuple(cut)


def _known(cell: Number | Reach) -> bool:
    return isinstance(cell, Reach) or cell.text != numbers.MISSING
