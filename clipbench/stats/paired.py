"""Two classifiers on the same examples: their difference, its interval, and a test of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import BoolArray, Float64Array, IntArray
from clipbench.metrics.accuracy import mean_per_class_recall
from clipbench.stats.bootstrap import RESAMPLES, SEED, bootstrap_multinomial
from clipbench.stats.intervals import Interval
from clipbench.stats.significance import mcnemar

KIND = "paired bootstrap"


def paired_difference(
    first: BoolArray, second: BoolArray, *, resamples: int = RESAMPLES, seed: int = SEED
) -> tuple[float, Interval]:
    """Return the accuracy of the first minus that of the second, and its 95 % interval over (n,) the same examples.

    Where every resample repeats the value, because the two are right about the same examples or one is right
    about all and the other about none, the interval is Tango's score interval (Tango 1998, "Equivalence test and
    confidence interval for the difference in proportions for the paired-sample design"), of kind 'score'.

    Raises:
        ValueError: no examples, or not the same number.
    """
    return paired_recall_difference(np.zeros(len(first), np.int64), first, second, resamples=resamples, seed=seed)


def paired_recall_difference(
    labels: IntArray, first: BoolArray, second: BoolArray, *, resamples: int = RESAMPLES, seed: int = SEED
) -> tuple[float, Interval]:
    """Return the mean per-class recall of the first minus that of the second, and its 95 % interval over examples.

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
    interval = bootstrap_multinomial(cells, difference, resamples=resamples, seed=seed)
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
        ends = {-1: (0.0, 2.0), 0: (1.0, 1.0), 1: (2.0, 0.0)}[difference]
        yield len(together) / len(counts), ends[0] * z2 / (n + z2), ends[1] * z2 / (n + z2)


@dataclass(frozen=True)
class Comparison:
    """The accuracy of the first minus that of the second."""

    difference: float
    interval: Interval
    p: float
    """Of McNemar's exact test."""

    @property
    def numbers(self) -> tuple[float, float, float, float]:
        """Difference, its interval's ends, and p."""
        return self.difference, self.interval.low, self.interval.high, self.p


def compare_pair(first: NDArray[Any], second: NDArray[Any]) -> Comparison:
    """Compare what two classifiers are right about, (n,) the same examples."""
    difference, interval = paired_difference(first, second)
    p = mcnemar(np.count_nonzero(first & ~second), np.count_nonzero(second & ~first))
    return Comparison(difference, interval, float(p))


@dataclass(frozen=True)
class Span:
    """How far several classifiers lie apart: the best on these examples beside the worst."""

    best: int
    worst: int
    """Their places; of equals the first."""
    difference: float
    interval: Interval
    """Of these two, not below 0, since no other two are further apart."""


def span(right: NDArray[Any]) -> Span:
    """Compare the best and the worst of K classifiers, by what each is right about: (n, K)."""
    accuracy = right.mean(axis=0)
    best, worst = int(accuracy.argmax()), int(accuracy.argmin())
    difference, interval = paired_difference(right[:, best], right[:, worst])
    return Span(best, worst, difference, replace(interval, low=max(0.0, interval.low)))
