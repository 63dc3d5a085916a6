"""What a figure of one job's table is, and what such figures share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clipbench.report.figures.figures import Figure
from clipbench.report.points import Row


@dataclass(frozen=True)
class Curve:
    """A figure of one job's table."""

    title: str
    figure: Figure
    legend: str
    """What its marks mean."""
    flag: str = ""
    """What a reader must not miss."""


def errors_of(rows: Sequence[Row], column: str) -> dict[str, Any]:
    """Return plotly's error bars of a column from the ends `low` and `high`, without one where there is no interval."""
    above = [None if row.get("high") is None else row["high"] - row[column] for row in rows]
    below = [None if row.get("low") is None else row[column] - row["low"] for row in rows]
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "thickness": 1.3, "width": 3}


def reach(rows: Sequence[Row], column: str) -> list[float]:
    """Return all values of a column with the ends of their intervals."""
    return [row[name] for row in rows for name in (column, "low", "high") if row.get(name) is not None]
