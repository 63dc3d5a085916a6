"""The test of a difference, and the level at which one is called."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from clipbench.arrays import Float64Array

ALPHA = 0.05
"""How often one of the statements of a table may be made where nothing differs."""

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
