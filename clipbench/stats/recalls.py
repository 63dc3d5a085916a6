"""Means over classes, e.g. mean per-class recall: how uncertain they are, with few examples a class too.

The variance within a class is that of its share moved towards the mean of all classes, as if one more example had been
seen (an empirical Bayes estimate), scaled so that it is unbiased where all classes share one probability. So neither a
class of one example nor one that is all right is taken as certain. The interval is that of a proportion, or of a
paired difference, among as many examples as have this variance (the effective number: Korn and Graubard 1998).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import BoolArray, Float64Array, IntArray
from clipbench.stats.clusters import design, share_interval
from clipbench.stats.intervals import Interval


@dataclass(frozen=True)
class ClassMeans:
    """The mean over classes of what examples gain (1), lose (-1) or neither (0)."""

    gained: float
    """Mean over classes of the share of examples that gain."""
    lost: float
    n: float
    """Independent examples of which such a mean has the same variance."""
    influence: Float64Array
    """(n,) what each example adds to the difference."""

    @classmethod
    def of(cls, labels: IntArray, values: NDArray[Any]) -> ClassMeans:
        """Take the means of (n,) values, 1, -1 or 0, of examples with these (n,) labels."""
        place = np.unique(labels, return_inverse=True)[1]
        sizes = np.bincount(place).astype(np.float64)
        counts = np.stack([np.bincount(place, values == sign, len(sizes)) for sign in (1, -1)])
        means = (counts / sizes).mean(axis=1)
        # One example more of each class, which is as all classes are on average.
        shares = (counts + means[:, None]) / (sizes + 1)
        spread = _spread(shares) / (1 - sizes / (sizes + 1) ** 2)
        alike, variance = float(_spread(means)), float(np.sum(spread / sizes)) / len(sizes) ** 2
        equal = len(sizes) ** 2 / float(np.sum(1 / sizes))
        n = alike / variance if alike > 0 and variance > 0 else equal
        apart = values - (shares[0] - shares[1])[place]
        weights = (sizes + 1) / np.sqrt(sizes**2 + sizes - 1) / sizes
        return cls(float(means[0]), float(means[1]), n, apart * weights[place])


def _spread(shares: Float64Array) -> Float64Array:
    """Return the variance of one example that gains and loses with these (2, ...) probabilities."""
    gained, lost = shares
    return np.asarray(gained + lost - (gained - lost) ** 2)


def recall_interval(labels: IntArray, right: BoolArray, clusters: IntArray | None = None) -> Interval | None:
    """Return the interval of the mean per-class recall of (n,) answers; None for too few examples or clusters.

    Classes are those among the (n,) labels; `clusters`: (n,) codes, None: the examples are independent.
    """
    means = ClassMeans.of(labels, right.astype(np.int8))
    return share_interval(means.gained, means.n, design(means.influence, clusters, right), "effective wilson")
