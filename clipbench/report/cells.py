"""What a small table of a page is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One cell: its text, an interval or a remark in smaller print, and a bar's length in [0, 1]."""

    text: str
    small: str = ""
    bar: float | None = None


@dataclass(frozen=True)
class Head:
    """One column's heading."""

    text: str
    numeric: bool = False


@dataclass(frozen=True)
class Grid:
    """A small table; the first column heads its rows."""

    caption: str
    heads: tuple[Head, ...]
    rows: tuple[tuple[Entry, ...], ...]
    note: str = ""
    name: str = ""
    """Of the job's table that it shows, where a curve may be drawn of it too."""
