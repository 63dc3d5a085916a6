"""Examples that come in clusters, e.g. the frames of a track: what repeats within a cluster is no further evidence.

Standard errors are cluster-robust, quantiles those of Student's t with clusters - 1 degrees of freedom (Cameron and
Miller 2015, "A practitioner's guide to cluster-robust inference").
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import Float64Array, IntArray
from clipbench.stats.intervals import Interval
from clipbench.stats.significance import NORMAL

MIN_CLUSTERS = 20
"""Fewer leave a standard error too uncertain for any interval or test."""

KIND = "cluster t"


def cluster_residuals(values: NDArray[Any], clusters: IntArray) -> Float64Array:
    """Return (G, ...) for each of G clusters the sum of what its (n, ...) values differ from their mean."""
    _, place = np.unique(clusters, return_inverse=True)
    apart = np.asarray(values, np.float64) - np.mean(values, axis=0, dtype=np.float64)
    sums = np.zeros((int(place.max()) + 1, *apart.shape[1:]))
    np.add.at(sums, place, apart)
    return sums


def standard_error(values: NDArray[Any], clusters: IntArray) -> tuple[float, int]:
    """Return the cluster-robust standard error of the mean of (n,) values, and G, the number of clusters.

    Formula: sqrt(G / (G - 1) * sum of squared `cluster_residuals`) / n; infinite for one cluster.
    """
    residuals = cluster_residuals(values, clusters)
    count = len(residuals)
    if count < 2:
        return math.inf, count
    return math.sqrt(count / (count - 1) * float(residuals @ residuals)) / len(values), count


def t_critical(critical: float, clusters: int) -> float:
    """Return the quantile of Student's t that has the level of a critical value of the normal distribution."""
    from scipy.special import ndtr, stdtrit

    # The upper tail keeps its digits where the level is close to 1.
    return float(-stdtrit(clusters - 1, ndtr(-critical)))


def cluster_interval(value: float, error: float, clusters: int, critical: float = NORMAL) -> Interval | None:
    """Return value +- t * error; None for fewer than MIN_CLUSTERS clusters."""
    if clusters < MIN_CLUSTERS:
        return None
    half = t_critical(critical, clusters) * error
    return Interval(value - half, value + half, KIND)


def cluster_test(value: float, error: float, clusters: int) -> float | None:
    """Return the two-sided p value of a mean being zero, from an error above 0; None for too few clusters."""
    from scipy.special import stdtr

    return None if clusters < MIN_CLUSTERS else float(2 * stdtr(clusters - 1, -abs(value) / error))
