"""Tests of differences, and their correction where several are made."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from clipbench.arrays import Float64Array

ALPHA = 0.05
"""A difference is called significant where its p value, corrected where several are tested, is below this."""


NORMAL = NormalDist().inv_cdf(1 - ALPHA / 2)
"""The critical value of the standard normal distribution that goes with it, two-sided."""


def score_test(only_first: ArrayLike, only_second: ArrayLike) -> Float64Array:
    """Return p values of the score test of two paired accuracies, McNemar's without a continuity correction.

    From (...) counts of examples about which only the first is right, and only the second; 1 where there are none. Its
    statistic, (b - c) / sqrt(b + c), is the one that Tango's interval inverts (`clipbench.stats.paired`).
    """
    from scipy.special import ndtr

    first, second = np.asarray(only_first, np.float64), np.asarray(only_second, np.float64)
    statistic = np.abs(first - second) / np.sqrt(np.maximum(first + second, 1))
    return np.asarray(2 * ndtr(-statistic))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p values after Holm's step-down correction for all that are known; None stays None.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        corrected[place] = largest
    return corrected
