"""Differences of two classifiers on the same examples."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from clipbench.metrics.accuracy import mean_per_class_recall
from clipbench.stats.bootstrap import RESAMPLES, SEED, bootstrap_multinomial
from clipbench.stats.intervals import Interval

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

KIND = "paired bootstrap"


def paired_difference(
    first: Bools, second: Bools, *, resamples: int = RESAMPLES, seed: int = SEED, level: float = 0.95
) -> tuple[float, Interval]:
    """Return the accuracy of the first minus that of the second, and its interval over examples.

    Args:
        first: (n,) whether the first is right.
        second: (n,) whether the second is right about the same examples.
        resamples: number of resamples.
        seed: of the random draws.
        level: coverage.

    Where the two are right about the same examples, every resample repeats the value; then the interval is
    Tango's score interval, which for no discordant pair is +-z^2 / (n + z^2) (Tango 1998, "Equivalence test and
    confidence interval for the difference in proportions for the paired-sample design").

    Raises:
        ValueError: no examples, or not the same number.
    """
    _require_same(first, second)
    gains, losses = int(np.count_nonzero(first & ~second)), int(np.count_nonzero(second & ~first))
    n = len(first)
    if gains + losses == 0:
        return 0.0, _tango_without_discordant(n, level)
    cells = np.array([gains, losses, n - gains - losses])
    interval = bootstrap_multinomial(
        cells, lambda drawn: (drawn[:, 0] - drawn[:, 1]) / n, resamples=resamples, seed=seed, level=level
    )
    return (gains - losses) / n, replace(interval, kind=KIND)


def paired_recall_difference(
    labels: Ints, first: Bools, second: Bools, *, resamples: int = RESAMPLES, seed: int = SEED, level: float = 0.95
) -> tuple[float, Interval]:
    """Return the mean per-class recall of the first minus that of the second, and its interval over examples.

    Args:
        labels: (n,) true classes.
        first: (n,) whether the first is right.
        second: (n,) whether the second is right about the same examples.
        resamples: number of resamples.
        seed: of the random draws.
        level: coverage.

    A resample draws the counts of each class's four outcomes, so its cost does not depend on n.

    Raises:
        ValueError: no examples, or not the same number.
    """
    _require_same(first, second)
    classes = int(labels.max()) + 1
    outcome = 2 * first.astype(np.int64) + second
    cells = np.bincount(4 * labels + outcome, minlength=4 * classes).reshape(classes, 4)

    def difference(drawn: Ints) -> NDArray[np.float64]:
        counts = drawn.reshape(len(drawn), classes, 4)
        total = counts.sum(axis=2)
        of_first, of_second = counts[:, :, 2] + counts[:, :, 3], counts[:, :, 1] + counts[:, :, 3]
        found: NDArray[np.float64] = mean_per_class_recall(total, of_first) - mean_per_class_recall(total, of_second)
        return found

    value = float(difference(cells.ravel()[None])[0])
    if (first == second).all():
        filled = cells.sum(axis=1)
        filled = filled[filled > 0]
        # As many examples as give a mean of recalls the variance of a proportion.
        return 0.0, _tango_without_discordant(len(filled) ** 2 / float(np.sum(1 / filled)), level)
    interval = bootstrap_multinomial(cells.ravel(), difference, resamples=resamples, seed=seed, level=level)
    return value, replace(interval, kind=KIND)


def _tango_without_discordant(n: float, level: float) -> Interval:
    z = NormalDist().inv_cdf((1 + level) / 2)
    half = z * z / (n + z * z)
    return Interval(-half, half, "score", level)


def _require_same(first: Bools, second: Bools) -> None:
    if len(first) != len(second) or not len(first):
        raise ValueError(f"needs the same examples of both, got {len(first)} and {len(second)}")
