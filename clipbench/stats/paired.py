"""Two classifiers on the same examples: their difference, its interval, and a test of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clipbench.arrays import BoolArray, Float64Array, IntArray
from clipbench.metrics.accuracy import mean_per_class_recall
from clipbench.stats.bootstrap import RESAMPLES, SEED, bootstrap_multinomial
from clipbench.stats.clusters import MIN_CLUSTERS, cluster_interval, cluster_test, standard_error
from clipbench.stats.intervals import Interval, ends
from clipbench.stats.significance import NORMAL, score_test
from clipbench.stats.simultaneous import level_of

KIND = "paired bootstrap"

_HALVINGS = 60
"""After which the ends of an interval are found to the last bit that matters."""


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
    found = []
    for outermost, sign in ((-1.0, 1.0), (1.0, -1.0)):
        inside, outside = value.copy(), np.full(size.shape, outermost)
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            fits = sign * statistic(middle) <= critical
            inside, outside = np.where(fits, middle, inside), np.where(fits, outside, middle)
        found.append(np.asarray(np.where(value == outermost, outermost, outside)))
    return found[0], found[1]


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
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> tuple[float, Interval]:
    """Return the mean per-class recall of the first minus that of the second, and its interval over examples.

    A resample draws how many examples of each class only the first is right about, only the second, and both or
    neither, so its cost does not depend on n. Where every resample repeats the value, Tango's score intervals
    of the classes with one difference, -1, 0 or 1, are combined by square-and-add (Newcombe 1998, "Interval
    estimation for the difference between independent proportions"), into an interval of kind 'score'.
    """
    if not len(labels) == len(first) == len(second) or not len(first):
        raise ValueError(f"needs the same examples of both, got {len(first)} and {len(second)}")
    classes = int(labels.max()) + 1
    outcome = np.select([first & ~second, second & ~first], [0, 1], default=2)
    cells = np.bincount(3 * labels + outcome, minlength=3 * classes)

    def difference(drawn: IntArray) -> Float64Array:
        counts = drawn.reshape(len(drawn), classes, 3)
        return mean_per_class_recall(counts.sum(axis=2), counts[:, :, 0] - counts[:, :, 1])

    value = float(difference(cells[None])[0])
    level = level_of(critical)
    interval = bootstrap_multinomial(cells, difference, resamples=resamples, seed=seed, level=level)
    if interval.low == interval.high:
        return value, _without_variation(cells.reshape(classes, 3), value)
    return value, replace(interval, kind=KIND)


def _without_variation(cells: IntArray, value: float) -> Interval:
    """Return the interval of a mean over classes, each of which has one difference in all its examples."""
    counts = cells.sum(axis=1)
    below = above = 0.0
    for share, down, up in _distances(cells[counts > 0]):
        below += (share * down) ** 2
        above += (share * up) ** 2
    return Interval(max(-1.0, value - math.sqrt(below)), min(1.0, value + math.sqrt(above)), "score")


def _distances(cells: IntArray) -> Iterator[tuple[float, float, float]]:
    """Yield, of the classes with one difference, their share and how far Tango's ends lie below and above it."""
    z2 = NormalDist().inv_cdf((1 + 0.95) / 2) ** 2
    counts = cells.sum(axis=1)
    differences = np.sign(cells[:, 0] - cells[:, 1])
    for difference in np.unique(differences).tolist():
        together = counts[differences == difference]
        # As many examples as give a mean of recalls the variance of a proportion.
        n = len(together) ** 2 / float(np.sum(1 / together))
        # Tango's equation solved for n pairs of one kind; a difference of 1 cannot be exceeded.
        down, up = {-1: (0.0, 2.0), 0: (1.0, 1.0), 1: (2.0, 0.0)}[difference]
        yield len(together) / len(counts), down * z2 / (n + z2), up * z2 / (n + z2)


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
    clusters: int | None = None
    """How many clusters the examples come in; None: each is by itself."""
    error: float = 0.0
    """The cluster-robust standard error of the difference, where they come in clusters."""

    @property
    def difference(self) -> float:
        """In accuracy."""
        return (self.only_first - self.only_second) / self.n

    @cached_property
    def interval(self) -> Interval | None:
        """Tango's, which inverts the test; of clusters, Student's t, or None if they are too few."""
        if self.clusters and self.error:
            found = cluster_interval(self.difference, self.error, self.clusters, self.critical)
            return found and replace(found, low=max(-1.0, found.low), high=min(1.0, found.high), family=self.family)
        if not self._enough:
            return None
        low, high = score_interval(*self._counts, self.critical)
        return Interval(float(low), float(high), "score", family=self.family)

    @property
    def p(self) -> float | None:
        """Of the test, not corrected: what a table decides stands in the interval."""
        if self.clusters and self.error:
            return cluster_test(self.difference, self.error, self.clusters)
        return float(score_test(*self._counts[:2])) if self._enough else None

    @property
    def numbers(self) -> tuple[float, float | None, float | None, float | None]:
        """Difference, its interval's ends, and p."""
        return self.difference, *ends(self.interval), self.p

    @property
    def _enough(self) -> bool:
        return self.clusters is None or self.clusters >= MIN_CLUSTERS

    @property
    def _counts(self) -> tuple[float, float, float]:
        """Only the first right, only the second, and all; clusters without any variation count as one example each."""
        scale = self.clusters / self.n if self.clusters else 1.0
        return self.only_first * scale, self.only_second * scale, self.n * scale


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
    if len(first) != len(second) or not len(first):
        raise ValueError(f"needs the same examples of both, got {len(first)} and {len(second)}")
    only_first, only_second = np.count_nonzero(first & ~second), np.count_nonzero(second & ~first)
    found = Comparison(len(first), int(only_first), int(only_second), critical, family)
    if clusters is None:
        return found
    error, count = standard_error(first.astype(np.float64) - second, clusters)
    return replace(found, clusters=count, error=error)
