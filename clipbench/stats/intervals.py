"""Intervals for single numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """An interval around a value: its ends in the value's own unit, its level and how it was made."""

    low: float
    high: float
    kind: str
    level: float = 0.95
