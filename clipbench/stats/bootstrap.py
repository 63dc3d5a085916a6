"""Percentile bootstrap intervals; memory does not grow with the number of resamples.

Throughout, `resamples` is their number, `seed` that of the random draws and `level` the coverage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import Float64Array, IntArray
from clipbench.stats.intervals import Interval

RESAMPLES = 2000
SEED = 0

_BLOCK = 1 << 20
"""Elements of one block of resamples."""

_FEW = 256
"""Cells up to which drawing their counts is faster than drawing examples."""


def percentile(samples: Float64Array, level: float = 0.95) -> Interval:
    """Return the percentile interval of (B,) bootstrap samples, NaN where a resample leaves the statistic undefined.

    Raises:
        ValueError: every sample is undefined.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    defined = samples[~np.isnan(samples)]
    if not len(defined):
        raise ValueError("the statistic is undefined in every resample")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), "bootstrap", level)


def bootstrap_multinomial(
    counts: NDArray[Any],
    statistic: Callable[[IntArray], Float64Array],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    level: float = 0.95,
) -> Interval:
    """Return the interval of a statistic of cell counts.

    Drawing n examples with replacement draws the cells' counts from a multinomial, so neither time nor
    memory depends on n.

    Args:
        counts: (K,) examples a cell, e.g. a cell for each class and outcome.
        statistic: (b, K) resampled counts -> (b,) values.
        resamples: drawn with `seed`, for an interval of this `level`.

    Raises:
        ValueError: no examples.
    """
    n = int(counts.sum())
    if n < 1:
        raise ValueError("needs at least one example")
    random = np.random.default_rng(seed)
    filled = np.flatnonzero(counts)
    samples = []
    for size in _blocks(resamples, len(counts)):
        drawn = np.zeros((size, len(counts)), np.int64)
        drawn[:, filled] = random.multinomial(n, counts[filled] / n, size)
        samples.append(statistic(drawn))
    return percentile(np.concatenate(samples), level)


def bootstrap_units(
    n: int,
    statistic: Callable[[IntArray], Float64Array],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    level: float = 0.95,
    elements: int | None = None,
    centre: Float64Array | None = None,
    clusters: IntArray | None = None,
) -> tuple[Interval, ...]:
    """Return the intervals of statistics of n resampled units, all from the same resamples.

    Args:
        n: units, e.g. images with everything that belongs to them.
        statistic: (b, n) how often each unit was drawn -> (b, m) values of m statistics.
        resamples: drawn with `seed`, for intervals of this `level`.
        elements: numbers that `statistic` holds for each resample, if more than n; blocks shrink with it.
        centre: (m,) values of the statistics. The resamples are shifted so that these are their means; for
            statistics that drawing with replacement biases, as ties do to average precision.
        clusters: (n,) codes from 0; whole clusters are drawn. None: units are independent.

    Raises:
        ValueError: no units.
    """
    if n < 1:
        raise ValueError("needs at least one unit")
    drawn = resampled_units(
        n if clusters is None else int(clusters.max()) + 1,
        resamples=resamples,
        seed=seed,
        elements=max(n, elements or 0),
    )
    values = np.concatenate([statistic(weights if clusters is None else weights[:, clusters]) for weights in drawn])
    if centre is not None:
        values += centre - np.nanmean(values, axis=0)
    found = (percentile(values[:, column], level) for column in range(values.shape[1]))
    return tuple(found if clusters is None else (replace(one, kind="cluster bootstrap") for one in found))


def resampled_units(
    n: int, *, resamples: int = RESAMPLES, seed: int = SEED, elements: int | None = None
) -> Iterator[IntArray]:
    """Iterate over blocks of resamples, (b, n): how often each of n units was drawn.

    Blocks are small enough for what is made of them, `elements` numbers for each resample if that is more than n.
    """
    random = np.random.default_rng(seed)
    for size in _blocks(resamples, max(n, elements or 0)):
        cells = random.integers(0, n, (size, n)) + np.arange(size)[:, None] * n
        yield np.bincount(cells.ravel(), minlength=size * n).reshape(size, n)


def bootstrap_mean(
    values: NDArray[Any], *, resamples: int = RESAMPLES, seed: int = SEED, level: float = 0.95
) -> Interval:
    """Return the interval of the mean of (n,) values.

    Raises:
        ValueError: no values.
    """
    distinct, counts = np.unique(values, return_counts=True)
    n = len(values)
    if len(distinct) > _FEW:
        (interval,) = bootstrap_units(
            n, lambda weights: (weights @ values / n)[:, None], resamples=resamples, seed=seed, level=level
        )
        return interval
    return bootstrap_multinomial(
        counts, lambda drawn: drawn @ distinct / n, resamples=resamples, seed=seed, level=level
    )


def _blocks(resamples: int, elements: int) -> Iterator[int]:
    size = max(1, _BLOCK // max(1, elements))
    for start in range(0, resamples, size):
        yield min(size, resamples - start)
