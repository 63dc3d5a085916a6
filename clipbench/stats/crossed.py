"""Means over test images and over random draws of training examples, where both could have been others.

Images and draws are two crossed random factors: each draw's head answers every image. The variance that other images
would bring and the one that other draws would bring are estimated apart and added (Owen 2007, "The pigeonhole
bootstrap", has the variance of such a mean); each has its own quantile, the normal one over images and Student's over
draws, which are few, and the half-widths are squared and added (Zou and Donner 2008).

Draws from one small pool share examples, so that they are more alike than draws from all that could have been
collected. With a share f of the pool in each draw their variance is multiplied by 1 / S + f / (1 - f) instead of 1 / S
(Nadeau and Bengio 2003, "Inference for the generalization error").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import Float64Array, IntArray
from clipbench.stats.clusters import MIN_CLUSTERS, cluster_residuals, cluster_sizes, effective_clusters, t_critical
from clipbench.stats.intervals import MIN_EXAMPLES, Interval, wilson_ends
from clipbench.stats.significance import NORMAL

KIND = "images and draws"

LARGEST_SHARE = 0.5
"""Of a pool in each draw: above it draws are so alike that their spread says too little of other ones."""

_ROUNDING = 1e-20
"""A variance that is no more than this is none."""


@dataclass(frozen=True)
class CrossedMean:
    """The mean of what S draws make of n images, and how uncertain either leaves it."""

    value: float
    n: int
    draws: int
    of_images: float
    """Variance of the mean over other images."""
    of_draws: float
    """Variance of the mean over other draws; 0 for one draw, which says nothing of others."""
    clusters: float | None = None
    """The effective number of clusters that the images come in; None: each is by itself."""
    trials: float | None = None
    """Images of which a plain mean has the variance that this one has where all share one probability; None: n."""

    @property
    def _trials(self) -> float:
        return self.clusters or self.trials or self.n

    @property
    def has_interval(self) -> bool:
        """Whether there are images enough, and clusters if they come in any."""
        return self.n >= MIN_EXAMPLES and (self.clusters is None or self.clusters >= MIN_CLUSTERS)

    def half_width(self, critical: float = NORMAL) -> float:
        """Return half the interval's length at a critical value of the standard normal distribution."""
        over_images = critical if self.clusters is None else t_critical(critical, self.clusters)
        squared = over_images**2 * self.of_images
        if self.of_draws:
            squared += t_critical(critical, self.draws) ** 2 * self.of_draws
        return math.sqrt(squared)

    def interval(self, critical: float = NORMAL, family: int = 1) -> Interval | None:
        """Return the interval of a difference, symmetric about it and within -1 and 1; None for too few images.

        It is no shorter than Tango's of n pairs that do not differ, where the estimated variance is nothing.
        """
        if not self.has_interval:
            return None
        half = max(self.half_width(critical), critical**2 / (self._trials + critical**2))
        return Interval(max(-1.0, self.value - half), min(1.0, self.value + half), KIND, family=family)

    def of_a_share(self) -> Interval | None:
        """Return the interval of a share; None for too few images.

        It is Wilson's, at as many trials as give a proportion this half-width.
        """
        if not self.has_interval:
            return None
        variance = self.of_images + self.of_draws
        trials, critical = self._trials, NORMAL
        if variance > _ROUNDING and 0 < self.value < 1:
            trials = min(self.value * (1 - self.value) / variance, trials * self.draws)
            critical = self.half_width() / math.sqrt(variance)
        return Interval(*wilson_ends(self.value * trials, trials, critical), KIND)


def crossed_mean(
    values: NDArray[np.generic],
    strata: IntArray | None = None,
    pool_share: float = 0,
    clusters: IntArray | None = None,
) -> CrossedMean:
    """Return the mean of (n, S) values of n images under S draws: right answers, or differences of them.

    Args:
        values: any numbers.
        strata: (n,) of each image, if the mean is one over strata, such as mean per-class recall.
        pool_share: which part of the examples there are each draw holds, less than 1.
        clusters: (n,) of each image, if images come in clusters.
    """
    y = np.asarray(values, np.float64)
    n, draws = y.shape
    stratum = np.zeros(n, np.int64) if strata is None else np.unique(strata, return_inverse=True)[1]
    sizes = np.bincount(stratum)
    weights = 1 / (len(sizes) * sizes[stratum])
    # An only image of its stratum differs from the mean over all, since it cannot differ from its stratum's.
    alone = sizes[stratum] == 1
    of_each = y.mean(axis=1)
    value = float((np.bincount(stratum, of_each) / sizes).mean())
    apart = of_each - np.where(alone, value, _means(of_each, stratum, sizes))
    reactions = y - of_each[:, None]
    of_draws = float((weights @ y).var(ddof=1)) if draws > 1 else 0.0
    reactions -= np.column_stack([_means(column, stratum, sizes) for column in reactions.T])
    rows = weights[:, None] * np.column_stack([apart, reactions])
    if clusters is None:
        scale = np.where(alone, 1, sizes[stratum] / np.maximum(sizes[stratum] - 1, 1))
        squares, effective = scale @ np.square(rows), None
    else:
        rows, effective = cluster_residuals(rows, clusters), effective_clusters(cluster_sizes(clusters))
        squares = np.square(rows).sum(axis=0) * len(rows) / max(len(rows) - 1, 1)
    # Part of both: what each draw makes of each image, beside what holds for all images or all draws.
    shared = float(squares[1:].sum()) / max(1, draws * (draws - 1))
    of_draws *= 1 / draws + pool_share / (1 - pool_share)
    return CrossedMean(
        value, n, draws, max(0.0, float(squares[0]) - shared), of_draws, effective, 1 / float(weights @ weights)
    )


def _means(values: Float64Array, stratum: IntArray, sizes: IntArray) -> Float64Array:
    return np.asarray((np.bincount(stratum, values) / sizes)[stratum])
