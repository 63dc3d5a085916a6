"""Intervals for single numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True)
class Interval:
    """An interval around a value: its ends in the value's own unit, its level and how it was made."""

    low: float
    high: float
    kind: str
    level: float = 0.95


def wilson(correct: float, n: float, level: float = 0.95) -> Interval:
    """Return the Wilson score interval of a proportion.

    Args:
        correct: successes, 0 to n.
        n: trials, more than 0; may be an effective number.
        level: coverage, e.g. 0.95.

    Raises:
        ValueError: no trials, or more successes than trials.

    Formula: Wilson 1927; equation 4 of Brown, Cai and DasGupta 2001, without continuity correction.
    """
    if not 0 <= correct <= n or n <= 0:
        raise ValueError(f"needs 0 <= correct <= n and n > 0, got correct={correct}, n={n}")
    z = NormalDist().inv_cdf(_tail(level))
    p = correct / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # At the ends the formula gives exactly 0 and 1; rounding must not leave a value outside its interval.
    low = 0.0 if correct == 0 else max(0.0, centre - half)
    high = 1.0 if correct == n else min(1.0, centre + half)
    return Interval(low, high, "wilson", level)


def _tail(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    return (1 + level) / 2
