"""Differences of all pairs of several models on the same examples, and of their means over several sets of examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import Float64Array, IntArray
from clipbench.stats.clusters import MIN_CLUSTERS, cluster_residuals, t_critical
from clipbench.stats.crossed import KIND as CROSSED
from clipbench.stats.crossed import LARGEST_SHARE, crossed_mean
from clipbench.stats.paired import score_interval
from clipbench.stats.significance import NORMAL
from clipbench.stats.simultaneous import Largest, largest_of_pairs

SUM = "square and add"
"""Kind of the interval of a mean over sets of examples."""


@dataclass(frozen=True)
class Differences:
    """Of P differences the values and intervals; the ends are NaN where there is no interval."""

    values: Float64Array
    low: Float64Array
    high: Float64Array
    kind: str

    @property
    def directions(self) -> IntArray:
        """(P,) 1 where the interval lies above zero, -1 where it lies below, else 0."""
        return (self.low > 0).astype(np.int64) - (self.high < 0).astype(np.int64)


@dataclass(frozen=True)
class PairedValues:
    """What M models make of the same n examples: of each model a value is the mean of these numbers."""

    numbers: NDArray[Any]
    """(M, n) truth values or numbers; (M, n, S) under S random draws."""
    clusters: IntArray | None = None
    """(n,) where the examples come in clusters."""
    strata: IntArray | None = None
    """(n,) where the mean is taken within strata first, e.g. classes."""
    pool_share: float = 0.0
    """Which part of the examples there are each draw holds (`clipbench.stats.crossed`)."""

    @property
    def n(self) -> int:
        """How many examples there are."""
        return int(self.numbers.shape[1])

    @property
    def counted(self) -> bool:
        """Whether the examples are independent and each is right or wrong, so that the score test applies."""
        whole = self.numbers.ndim == 2 and self.strata is None and self.clusters is None
        return whole and self.numbers.dtype == np.bool_

    @cached_property
    def flat(self) -> Float64Array:
        """(M, n) numbers whose plain means are the models' values: over draws, and with the weights of strata."""
        each = np.asarray(self.numbers, np.float64)
        each = each.mean(axis=2) if each.ndim == 3 else each
        if self.strata is None:
            return each
        _, stratum, sizes = np.unique(self.strata, return_inverse=True, return_counts=True)
        return np.asarray(each * (self.n / (len(sizes) * sizes[stratum])))

    @property
    def values(self) -> Float64Array:
        """(M,) the models' values."""
        return np.asarray(self.flat.mean(axis=1))

    @cached_property
    def units(self) -> Float64Array:
        """(U, M) how far each example, or each cluster together, lies from the models' values; they are independent."""
        apart = self.flat.T - self.values
        return apart if self.clusters is None else cluster_residuals(apart, self.clusters)

    def reordered(self, order: IntArray) -> PairedValues:
        """Return the same with the examples in another order."""
        clusters, strata = (codes if codes is None else codes[order] for codes in (self.clusters, self.strata))
        return replace(self, numbers=self.numbers[:, order], clusters=clusters, strata=strata)

    def spread(self, first: int, second: int) -> float:
        """Return the mean squared difference of two models, as `clipbench.stats.power` has it.

        In clusters it is that of as many independent examples as would be as uncertain.
        """
        apart = self.flat[first] - self.flat[second]
        if self.clusters is None:
            return float(np.mean(apart**2))
        return float(np.sum(np.bincount(self.clusters, apart) ** 2)) / self.n

    def largest(self) -> Largest:
        """Return the largest |t| of all pairs, see `clipbench.stats.simultaneous`."""
        return largest_of_pairs(self.flat, clusters=self.clusters)

    def differences(self, critical: float = NORMAL) -> Differences:
        """Return the first minus the second of all pairs of models, in the order of `numpy.triu_indices(M, 1)`."""
        first, second = np.triu_indices(len(self.numbers), 1)
        means = self.values
        apart = means[first] - means[second]
        if self.counted:
            right = self.numbers.astype(np.float32)
            both = (right @ right.T).astype(np.float64)
            counts = np.diag(both)
            shared = both[first, second]
            low, high = score_interval(counts[first] - shared, counts[second] - shared, self.n, critical)
            return Differences(apart, low, high, "score")
        if self.numbers.ndim == 3 or self.strata is not None:
            pairs = zip(first.tolist(), second.tolist(), strict=True)
            low, high = np.array([self._crossed(*pair, critical) for pair in pairs]).reshape(-1, 2).T
            return Differences(apart, low, high, CROSSED if self.numbers.ndim == 3 else "stratified")
        return self._student(apart, first, second, critical)

    def _student(self, apart: Float64Array, first: IntArray, second: IntArray, critical: float) -> Differences:
        kind, fewest = ("student", 2) if self.clusters is None else ("cluster t", MIN_CLUSTERS)
        units, count = self.units, len(self.units)
        if count < fewest:
            nothing = np.full(len(apart), np.nan)
            return Differences(apart, nothing, nothing, kind)
        covariance = units.T @ units * (count / (count - 1) / self.n**2)
        variances = np.diag(covariance)
        errors = np.sqrt(np.maximum(0, variances[first] + variances[second] - 2 * covariance[first, second]))
        # Without any variation, no shorter than Tango's of as many pairs that do not differ.
        halves = np.where(errors > 0, t_critical(critical, count) * errors, critical**2 / (count + critical**2))
        return Differences(apart, apart - halves, apart + halves, kind)

    def _crossed(self, first: int, second: int, critical: float) -> tuple[float, float]:
        """Return the ends of an interval over images and draws; NaN where it would not cover."""
        if self.pool_share > LARGEST_SHARE:
            return np.nan, np.nan
        apart = self.numbers[first].astype(np.float64) - self.numbers[second]
        found = crossed_mean(apart.reshape(self.n, -1), self.strata, self.pool_share, self.clusters)
        interval = found.interval(critical)
        return (interval.low, interval.high) if interval else (np.nan, np.nan)


def mean_of_sets(parts: Sequence[Differences]) -> Differences:
    """Return the means of differences over sets of examples that have nothing to do with each other.

    The distances to the ends of the sets' intervals are squared and added (Zou and Donner 2008, "Construction of
    confidence limits about effect measures").
    """
    if len(parts) == 1:
        return parts[0]
    below = sum((part.values - part.low) ** 2 for part in parts)
    above = sum((part.high - part.values) ** 2 for part in parts)
    values = np.asarray(sum(part.values for part in parts)) / len(parts)
    low, high = (values - np.sqrt(below) / len(parts), values + np.sqrt(above) / len(parts))
    return Differences(values, low, high, SUM)
