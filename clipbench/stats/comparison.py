"""Two classifiers on the same examples: their difference, its interval, and a test of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbench.stats.intervals import Interval
from clipbench.stats.paired import paired_difference
from clipbench.stats.significance import mcnemar


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
    """Compare what two classifiers are right about.

    Args:
        first: (n,) whether the first is right.
        second: (n,) whether the second is right about the same examples.

    Raises:
        ValueError: no examples, or not the same number.
    """
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
    """Compare the best and the worst of several classifiers.

    Args:
        right: (n, K) whether each is right.
    """
    accuracy = right.mean(axis=0)
    best, worst = int(accuracy.argmax()), int(accuracy.argmin())
    difference, interval = paired_difference(right[:, best], right[:, worst])
    return Span(best, worst, difference, replace(interval, low=max(0.0, interval.low)))
