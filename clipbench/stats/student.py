"""Student's t interval of a mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from clipbench.stats.intervals import Interval


def student(values: Sequence[float], level: float = 0.95) -> Interval:
    """Return the interval of the mean that independent draws have, from some of them.

    Args:
        values: at least two, taken as normally distributed.
        level: coverage.

    Raises:
        ValueError: fewer than two values, or a level outside 0 to 1.

    Formula: mean +- t * s / sqrt(n), with the (1 + level) / 2 quantile of Student's t with n - 1 degrees of
    freedom (Student 1908).
    """
    from scipy.special import stdtrit  # type: ignore[import-untyped]

    if len(values) < 2:
        raise ValueError(f"needs at least two values, got {len(values)}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    mean = fmean(values)
    half = float(stdtrit(len(values) - 1, (1 + level) / 2)) * stdev(values) / math.sqrt(len(values))
    return Interval(mean - half, mean + half, "student", level)
