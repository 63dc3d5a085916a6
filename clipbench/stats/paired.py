"""Two classifiers on the same examples: their difference, its interval, and a test of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clipbench.arrays import BoolArray, Float64Array, IntArray
from clipbench.stats.clusters import INDEPENDENT, Design, design, mean_interval
from clipbench.stats.intervals import Interval, ends
from clipbench.stats.recalls import ClassMeans
from clipbench.stats.significance import NORMAL

_HALVINGS = 48
"""After which the ends of an interval are found to 1e-14."""


def score_interval(
    only_first: ArrayLike, only_second: ArrayLike, n: ArrayLike, critical: float = NORMAL
) -> tuple[Float64Array, Float64Array]:
    """Return (...) lower and upper ends of Tango's score interval of a difference of two paired accuracies.

    It holds zero just where `score_test` finds no difference at the same critical value.

    Args:
        only_first: (...) examples about which only the first is right; `only_second` those of the second.
        n: (...) examples in all.
        critical: of the standard normal distribution: 1.96 for 95 %, more where several intervals hold together
            (`clipbench.stats.simultaneous`).

    Source: Tango 1998, "Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design": the differences d for which |b - c - n d| <= critical * sqrt(n (2 q + d (1 - d))), where q
    is the likeliest share of examples that only the second is right about, given d.
    """
    first, second, size = np.broadcast_arrays(*(np.asarray(part, np.float64) for part in (only_first, only_second, n)))

    def statistic(difference: Float64Array) -> Float64Array:
        linear = (2 * size - first + second) * difference - first - second
        constant = second * difference * (1 - difference)
        share = (np.sqrt(np.maximum(linear**2 + 8 * size * constant, 0)) - linear) / (4 * size)
        variance = size * (2 * share + difference * (1 - difference))
        apart = first - second - size * difference
        return np.asarray(apart / np.sqrt(np.maximum(variance, np.finfo(np.float64).tiny)))

    value = (first - second) / size
    outermost = np.stack([np.full(size.shape, -1.0), np.full(size.shape, 1.0)])
    inside, outside = np.stack([value, value]), outermost
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        fits = -outermost * statistic(middle) <= critical
        inside, outside = np.where(fits, middle, inside), np.where(fits, outside, middle)
    lower, upper = np.where(value == outermost, outermost, outside)
    return np.asarray(lower), np.asarray(upper)


def paired_difference(
    first: BoolArray, second: BoolArray, critical: float = NORMAL, clusters: IntArray | None = None
) -> tuple[float, Interval | None]:
    """Return the accuracy of the first minus that of the second, and its interval over (n,) the same examples.

    As `compare_pair` makes it, with its arguments and errors.
    """
    found = compare_pair(first, second, critical, clusters=clusters)
    return found.difference, found.interval


def paired_recall_difference(
    labels: IntArray,
    first: BoolArray,
    second: BoolArray,
    critical: float = NORMAL,
    clusters: IntArray | None = None,
    family: int = 1,
) -> tuple[float, Interval | None]:
    """Return the mean per-class recall of the first minus that of the second, and its interval over examples.

    Args:
        labels: (n,) classes.
        first: (n,) which answers are right; so is `second`.
        critical: of the normal distribution.
        clusters: (n,) codes; None: the examples are independent.
        family: with how many intervals it holds together.

    Raises:
        ValueError: no examples, or not the same number.
    """
    _require_same(first, second)
    values = first.astype(np.int8) - second
    means = ClassMeans.of(labels, values)
    value, of_clusters = means.gained - means.lost, design(means.influence, clusters, values)
    if of_clusters is None:
        return value, None
    n = means.n / of_clusters.effect
    low, high = score_interval(means.gained * n, means.lost * n, n, of_clusters.critical(critical))
    kind = "cluster score" if of_clusters.clustered else "effective score"
    return value, Interval(float(low), float(high), kind, family=family)


def mean_difference(
    first: NDArray[Any], second: NDArray[Any], critical: float = NORMAL, clusters: IntArray | None = None
) -> tuple[float, Interval | None]:
    """Return the mean of first minus second, (n,) values of any kind of the same examples, and Student's interval.

    None for too few examples or clusters, or where no difference varies; arguments and errors as of `compare_pair`.
    """
    _require_same(first, second)
    values = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    return float(values.mean()), mean_interval(values, critical, clusters)


@dataclass(frozen=True)
class Comparison:
    """The accuracy of the first minus that of the second, on n the same examples."""

    n: int
    only_first: int
    """Examples about which only the first is right."""
    only_second: int
    critical: float = NORMAL
    """Of the standard normal distribution, for test and interval."""
    family: int = 1
    """How many comparisons' intervals hold together at this critical value."""
    design: Design | None = INDEPENDENT
    """What clusters take from the examples; None: too few are left for an interval."""

    @property
    def difference(self) -> float:
        """In accuracy."""
        return (self.only_first - self.only_second) / self.n

    @cached_property
    def interval(self) -> Interval | None:
        """Tango's, which inverts the test."""
        if self.design is None:
            return None
        only_first, only_second, n = (
            count / self.design.effect for count in (self.only_first, self.only_second, self.n)
        )
        low, high = score_interval(only_first, only_second, n, self.design.critical(self.critical))
        kind = "cluster score" if self.design.clustered else "score"
        return Interval(float(low), float(high), kind, family=self.family)

    @property
    def p(self) -> float | None:
        """Of the score test, not corrected: what a table decides stands in the interval."""
        if self.design is None:
            return None
        discordant = max(1, self.only_first + self.only_second)
        return self.design.p((self.only_first - self.only_second) / math.sqrt(discordant * self.design.effect))

    @property
    def numbers(self) -> tuple[float, float | None, float | None, float | None]:
        """Difference, its interval's ends, and p."""
        return self.difference, *ends(self.interval), self.p


def compare_pair(
    first: NDArray[Any],
    second: NDArray[Any],
    critical: float = NORMAL,
    family: int = 1,
    clusters: IntArray | None = None,
) -> Comparison:
    """Compare what two classifiers are right about, (n,) the same examples.

    Args:
        first: (n,) truth values; so is `second`.
        critical: of the normal distribution; clusters have the quantile of Student's t with the same level.
        family: how many comparisons' intervals hold together at this critical value.
        clusters: (n,) the cluster of each example, e.g. its track; None: the examples are independent.

    Raises:
        ValueError: no examples, or not the same number.
    """
    _require_same(first, second)
    only_first, only_second = np.count_nonzero(first & ~second), np.count_nonzero(second & ~first)
    of_clusters = design(first.astype(np.int8) - second, clusters)
    return Comparison(len(first), int(only_first), int(only_second), critical, family, of_clusters)


def _require_same(first: NDArray[Any], second: NDArray[Any]) -> None:
    if len(first) != len(second) or not len(first):
        raise ValueError(f"needs the same examples of both, got {len(first)} and {len(second)}")
