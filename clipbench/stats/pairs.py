"""Differences of all pairs of several models on the same examples, and of their means over several sets of examples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import Float64Array, IntArray
from clipbench.stats.clusters import cluster_residuals, design
from clipbench.stats.combined import KIND
from clipbench.stats.crossed import LARGEST_SHARE, crossed_mean
from clipbench.stats.intervals import MIN_EXAMPLES, Interval
from clipbench.stats.paired import compare_pair, mean_difference, paired_recall_difference, score_interval
from clipbench.stats.significance import NORMAL
from clipbench.stats.simultaneous import Largest, bonferroni, critical_value, largest_of_pairs


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
    """(n,) where the mean of truth values is taken within strata first, e.g. classes."""
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

    @cached_property
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
        found = design(apart, self.clusters)
        return float(np.mean(apart**2)) * (found.effect if found else 1.0)

    def largest(self) -> Largest:
        """Return the largest |t| of all pairs, see `clipbench.stats.simultaneous`."""
        return largest_of_pairs(self.flat, clusters=self.clusters)

    def differences(self, critical: float = NORMAL) -> Differences:
        """Return the first minus the second of all pairs of models, in the order of `numpy.triu_indices(M, 1)`."""
        first, second = np.triu_indices(len(self.numbers), 1)
        apart = self.values[first] - self.values[second]
        if self.counted and self.n >= MIN_EXAMPLES:
            # As `compare_pair` has it, for all at once.
            right = self.numbers.astype(np.float32)
            both = (right @ right.T).astype(np.float64)
            counts, shared = np.diag(both), both[first, second]
            low, high = score_interval(counts[first] - shared, counts[second] - shared, self.n, critical)
            return Differences(apart, low, high, "score")
        pairs = zip(first.tolist(), second.tolist(), strict=True)
        found = [self._interval(*pair, critical) for pair in pairs]
        low, high = (np.array([getattr(one, end, np.nan) for one in found]) for end in ("low", "high"))
        return Differences(apart, low, high, next((one.kind for one in found if one), ""))

    def _interval(self, first: int, second: int, critical: float) -> Interval | None:
        one, other = self.numbers[first], self.numbers[second]
        if one.ndim == 2:
            apart = one.astype(np.float64) - other
            found = crossed_mean(apart, self.strata, self.pool_share, self.clusters)
            return found.interval(critical) if self.pool_share <= LARGEST_SHARE else None
        if self.strata is not None:
            return paired_recall_difference(self.strata, one, other, critical, self.clusters)[1]
        if one.dtype == np.bool_:
            return compare_pair(one, other, critical, clusters=self.clusters).interval
        apart = one.astype(np.float64) - other
        if self.clusters is None and np.abs(apart).max() <= 1:
            return effective_score_interval(apart, critical)
        return mean_difference(one, other, critical, self.clusters)[1]


def effective_score_interval(differences: Float64Array, critical: float = NORMAL) -> Interval | None:
    """Return an interval of the mean of (n,) differences between -1 and 1; None for too few.

    It is Tango's of as many pairs of right and wrong answers as have the same gains, losses and variance, so that it
    also holds where only a few examples differ, which Student's does not.
    """
    if len(differences) < MIN_EXAMPLES:
        return None
    n = float(len(differences))
    gained, lost = float(np.maximum(differences, 0).mean()), float(np.maximum(-differences, 0).mean())
    if gained + lost:
        n *= (gained + lost) / float(np.mean(differences**2))
    low, high = score_interval(gained * n, lost * n, n, critical)
    return Interval(float(low), float(high), "effective score")


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
    return Differences(values, low, high, KIND)


def largest_of_sets(parts: Sequence[PairedValues]) -> Largest:
    """Return the largest |t| of all pairs of models in their means over independent sets of examples."""
    if len(parts) == 1:
        return parts[0].largest()
    # Side by side the sets have the covariance of the means, if each is scaled by how much it says of them.
    return largest_of_pairs(np.vstack([part.units / part.n for part in parts]).T)


def differences_of_means(parts: Sequence[PairedValues]) -> Differences:
    """Return the differences of all pairs of models in their means over independent sets, which hold together.

    Random draws have no joint distribution here, so that with them Bonferroni's critical value stands in for max-t.
    """
    drawn = any(part.numbers.ndim == 3 for part in parts)
    pairs = math.comb(len(parts[0].numbers), 2)
    critical = bonferroni(pairs) if drawn else critical_value([largest_of_sets(parts)])
    return mean_of_sets([part.differences(critical) for part in parts])


def better_and_worse(directions: IntArray, models: int) -> tuple[list[int], list[int]]:
    """Return for each model how many others are surely better, and how many surely worse.

    Args:
        directions: (P,) of all pairs, as `Differences.directions` has them.
        models: M, of which these are the pairs.
    """
    signs = np.zeros((models, models), np.int64)
    signs[np.triu_indices(models, 1)] = directions
    signs -= signs.T
    return (signs < 0).sum(axis=1).tolist(), (signs > 0).sum(axis=1).tolist()
