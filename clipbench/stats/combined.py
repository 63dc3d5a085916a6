"""Intervals of what several proportions make together: sums, means and ratios, from the interval of each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from clipbench.stats.intervals import Interval

KIND = "square-and-add"


def combined(
    values: ArrayLike, intervals: Sequence[Interval | None], weights: ArrayLike, correlations: ArrayLike | None = None
) -> Interval | None:
    """Return the interval of a weighted sum of (K,) estimates from the interval of each, squared and added.

    None where one of them has none.

    Args:
        values: (K,) estimates; `intervals` theirs, all at one level.
        weights: (K,) of the sum: (1, -1) for a difference.
        correlations: (K, K) of the estimates; by default they are independent.

    Source: Newcombe 1998 for two proportions; Zou and Donner 2008 for any sum, https://doi.org/10.1002/sim.3095; with
    correlations Zou 2007, "Toward using confidence intervals to compare correlations".
    """
    known = [interval for interval in intervals if interval is not None]
    if len(known) < len(intervals):
        return None
    value, weight = np.asarray(values, np.float64), np.asarray(weights, np.float64)
    ends = np.array([(interval.low, interval.high) for interval in known])
    between = np.eye(len(value)) if correlations is None else np.asarray(correlations, np.float64)
    total = float(weight @ value)
    # What lowers a difference is a lower first estimate, or a higher second one.
    below = weight * (value - np.where(weight > 0, ends[:, 0], ends[:, 1]))
    above = weight * (np.where(weight > 0, ends[:, 1], ends[:, 0]) - value)
    together = between * np.outer(np.sign(weight), np.sign(weight))
    low, high = (math.sqrt(max(0.0, float(distance @ together @ distance))) for distance in (below, above))
    first = known[0]
    return Interval(total - low, total + high, KIND, first.level, first.family)


def ratio(first: float, second: float, of_first: Interval, of_second: Interval) -> Interval | None:
    """Return the interval of the ratio of two independent positive estimates; None where it has no upper end.

    Source: Donner and Zou 2012, "Closed-form confidence intervals for functions of the normal mean and standard
    deviation", https://doi.org/10.1177/0962280210383082.
    """
    product = first * second
    largest, smallest = (end * (2 * second - end) for end in (of_second.high, of_second.low))
    if largest <= 0 or smallest <= 0:
        return None
    least, most = (end * (2 * first - end) for end in (of_first.low, of_first.high))
    low = (product - math.sqrt(max(0.0, product**2 - least * largest))) / largest
    high = (product + math.sqrt(max(0.0, product**2 - most * smallest))) / smallest
    return Interval(low, high, KIND, of_first.level, of_first.family)
