"""Examples that come in clusters, e.g. the frames of a track: what repeats within a cluster is no further evidence.

A mean of clustered examples is as uncertain as one of fewer independent examples, by the design effect (Kish 1965,
"Survey Sampling"; Korn and Graubard 1998, "Confidence intervals for proportions with small expected number of positive
counts estimated from survey data"). Its variance is the delete-a-cluster jackknife's (MacKinnon, Nielsen and Webb 2023,
"Cluster-robust inference: A guide to empirical practice"), its quantiles are those of Student's t with one degree of
freedom less than there are clusters; of unequal sizes by their effective number, n^2 / sum of squared sizes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import Float64Array, IntArray
from clipbench.stats.intervals import MIN_EXAMPLES, Interval, wilson_ends
from clipbench.stats.significance import NORMAL

MIN_CLUSTERS = 20
"""Fewer, by their effective number, leave a variance too uncertain for any interval or test."""

EVEN = 0.6
"""Where clusters are worth less than this share of their number, a few large ones decide, and each counts as one
example; so does each where fewer than `MIN_CLUSTERS` hold either outcome: how alike examples are is not known then."""


@dataclass(frozen=True)
class Design:
    """What clusters take from examples, of which there are enough for an interval."""

    effect: float = 1.0
    """How many times the variance of a mean is that of independent examples; 1 or more."""
    clusters: float = math.inf
    """Their effective number; infinite where each example is independent."""

    @property
    def clustered(self) -> bool:
        """Whether examples come in clusters."""
        return math.isfinite(self.clusters)

    def critical(self, normal: float = NORMAL) -> float:
        """Return the quantile of Student's t that has the level of one of the normal distribution."""
        return t_critical(normal, self.clusters) if self.clustered else normal

    def p(self, statistic: float) -> float:
        """Return the two-sided p value of a standardised mean."""
        from scipy.special import ndtr, stdtr

        below = stdtr(self.clusters - 1, -abs(statistic)) if self.clustered else ndtr(-abs(statistic))
        return float(2 * below)


def t_critical(critical: float, clusters: float) -> float:
    """Return the quantile of Student's t that has the level of a critical value of the normal distribution."""
    from scipy.special import ndtr, stdtrit

    # The upper tail keeps its digits where the level is close to 1.
    return float(-stdtrit(clusters - 1, ndtr(-critical)))


INDEPENDENT = Design()


def design(
    values: NDArray[Any], clusters: IntArray | None = None, outcome: NDArray[Any] | None = None
) -> Design | None:
    """Return what clusters take from the mean of (n,) values; None where too few examples or clusters are left.

    Args:
        values: (n,) that are averaged, or what each adds to a statistic to first order.
        clusters: (n,) codes; None: each example is independent.
        outcome: (n,) what is 0 where an example's outcome is the usual one, by default the values themselves.
    """
    if len(values) < MIN_EXAMPLES:
        return None
    if clusters is None:
        return INDEPENDENT
    sizes = cluster_sizes(clusters)
    effective = effective_clusters(sizes)
    if effective < MIN_CLUSTERS:
        return None
    plain = float(np.var(values)) / len(values)
    effect = max(1.0, _jackknife(values, clusters) / plain) if plain > 0 else 1.0
    happened = np.asarray(values if outcome is None else outcome) != 0
    few = min(_holding(clusters, happened), _holding(clusters, ~happened)) < MIN_CLUSTERS
    if few or effective < EVEN * len(sizes):
        effect = max(effect, len(values) / effective)
    return Design(effect, effective)


def share_interval(
    share: float, n: float, found: Design | None, kind: str = "wilson", critical: float = NORMAL, family: int = 1
) -> Interval | None:
    """Return Wilson's interval of a share of n independent examples, fewer by the design effect.

    `kind` is what it is called where examples are independent; None where `found` is. At a critical value of the
    normal distribution it holds together with those of a family.
    """
    if found is None:
        return None
    effective = n / found.effect
    low, high = wilson_ends(share * effective, effective, found.critical(critical))
    return Interval(float(low), float(high), "cluster wilson" if found.clustered else kind, family=family)


def cluster_sizes(clusters: IntArray) -> IntArray:
    """Return how many examples each of (n,) clusters has."""
    return np.asarray(np.unique(clusters, return_counts=True)[1], np.int64)


def effective_clusters(sizes: IntArray) -> float:
    """Return n^2 / sum of squared sizes: how many clusters of one size are as good."""
    return float(sizes.sum()) ** 2 / float((sizes.astype(np.float64) ** 2).sum())


def _holding(clusters: IntArray, happened: NDArray[Any]) -> float:
    """Return the effective number of the clusters in which something happened to any example."""
    holding = np.isin(clusters, clusters[happened])
    return effective_clusters(cluster_sizes(clusters[holding])) if holding.any() else 0.0


def cluster_residuals(values: NDArray[Any], clusters: IntArray) -> Float64Array:
    """Return (G, ...) for each of G clusters the sum of what its (n, ...) values differ from their mean."""
    _, place = np.unique(clusters, return_inverse=True)
    apart = np.asarray(values, np.float64) - np.mean(values, axis=0, dtype=np.float64)
    sums = np.zeros((int(place.max()) + 1, *apart.shape[1:]))
    np.add.at(sums, place, apart)
    return sums


def _jackknife(values: NDArray[Any], clusters: IntArray) -> float:
    """Return the variance of a mean of (n,) values, from the means without a cluster."""
    sizes = cluster_sizes(clusters)
    moved = cluster_residuals(values, clusters) / (sizes.sum() - sizes)
    return (len(sizes) - 1) / len(sizes) * float(moved @ moved)


def mean_interval(
    values: NDArray[Any], critical: float = NORMAL, clusters: IntArray | None = None, family: int = 1
) -> Interval | None:
    """Return Student's interval of the mean of (n,) values of any kind; None for too few, or if all are the same.

    Args:
        values: (n,)
        critical: of the normal distribution; Student's t has its quantile of the same level.
        clusters: (n,) codes; None: each value is independent.
        family: with how many intervals it holds together.
    """
    if design(values, clusters) is None or np.min(values) == np.max(values):
        return None
    codes = np.arange(len(values)) if clusters is None else clusters
    quantile = t_critical(critical, effective_clusters(cluster_sizes(codes)))
    mean, half = float(np.mean(values)), quantile * math.sqrt(_jackknife(values, codes))
    return Interval(mean - half, mean + half, "student" if clusters is None else "cluster t", family=family)
