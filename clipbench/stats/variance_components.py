"""Variance components of a fully crossed layout: every example meets every template, perhaps under several names.

Model: a response is the mean plus one effect for each axis and one for each set of axes that interact, all random and
independent. With the mean squares MS of the analysis of variance, the component of the set A of axes is the sum over
all sets B that hold A of (-1)^(|B| - |A|) MS(B), divided by the number of cells that share an effect of A (Searle,
Casella and McCulloch 1992, "Variance Components", chapter 4; for more axes Brennan 2001, "Generalizability Theory",
chapter 3).

Intervals are percentile bootstraps over the examples, the levels of the first axis. A resample repeats some of its n
levels, so that on average a component without that axis is too large by 1 / n of the component that has the axis
besides, and each resample is corrected for that (Wiley 2000 and Brennan 2007, "Unbiased estimates of variance
components with bootstrap procedures"). An interval leaves the levels of the other axes as they are: it says nothing of
other templates. None are made where they would not cover: of components with the first axis (in simulations 91 % where
few answers are wrong), and over the few levels of another axis (74 % with 5 templates, 89 % with 20).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import Float64Array, IntArray
from clipbench.stats.bootstrap import RESAMPLES, SEED, bootstrap_units
from clipbench.stats.intervals import MIN_EXAMPLES, Interval

RESIDUAL = "residual"
"""The interaction of all axes, together with error: without replication they cannot be told apart."""

_ROUNDING = 1e-12
"""Part of the largest component below which a component, or the width of an interval, is rounding and means none."""

Source = tuple[int, ...]
"""What a component belongs to: one axis, or several whose interaction it is, ascending."""


@dataclass(frozen=True)
class Component:
    """The variance that one source adds to a response."""

    value: float
    """An estimate; may be negative where the component is small."""
    interval: Interval | None
    """Over examples. None: it would not cover, there are too few, or every resample repeats the value."""


def variance_components(
    responses: NDArray[Any],
    axes: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Mapping[str, Component]:
    """Estimate the variance components of two or three crossed random factors, one response a cell.

    By the method of moments, with bootstrap intervals, as told at the head of this module; estimates may be negative.

    Args:
        responses: (n, T) or (n, T, W) numbers, or whether each is right.
        axes: a name for each axis, which has two levels or more; the first is that of the examples.

    Returns:
        By source: each axis, each pair of three axes as "first x second", and "residual".
    """
    y = np.asarray(responses, np.float64)
    # Less one of them: a large common part costs no digits, and whole numbers stay whole.
    y = y - y.flat[0]
    levels = _levels(y)
    values = {source: float(drawn[0]) for source, drawn in _estimates(np.ones((1, len(y))), levels).items()}
    intervals = _intervals(levels, resamples, seed)
    least = _ROUNDING * max(map(abs, values.values()))
    found = {}
    for source, value in values.items():
        interval = intervals.get(source)
        wide = interval if interval and interval.high - interval.low > least else None
        name = RESIDUAL if len(source) == len(axes) else " x ".join(axes[axis] for axis in source)
        found[name] = Component(value if abs(value) > least else 0.0, wide)
    return found


@dataclass(frozen=True)
class _Levels:
    """The n levels of the first axis, each with the effects of the others, and of their interactions, within it."""

    shape: tuple[int, ...]
    widths: Mapping[Source, int]
    """Set of other axes, () included -> how many columns hold its effects, in the columns' order."""
    columns: Float64Array
    """(n, ...): all effects, then for each set the sum of their squares."""


def _levels(y: Float64Array) -> _Levels:
    others = range(1, y.ndim)
    effects = {}
    for source in _subsets(others):
        part = y
        for other in others:
            mean = part.mean(axis=other, keepdims=True)
            part = part - mean if other in source else mean
        effects[source] = _turned(part.reshape(len(part), -1))
    squares = [np.square(rows).sum(axis=1, keepdims=True) for rows in effects.values()]
    widths = {source: rows.shape[1] for source, rows in effects.items()}
    return _Levels(y.shape, widths, np.hstack([*effects.values(), *squares]))


def _turned(rows: Float64Array) -> Float64Array:
    """Return n rows of at most n numbers with the inner products of (n, k) ones; the lengths of sums need no more."""
    n, k = rows.shape
    if k <= n:
        return rows
    squares, directions = np.linalg.eigh(rows @ rows.T)
    return np.asarray(directions * np.sqrt(np.maximum(squares, 0)))


def _subsets(axes: Sequence[int]) -> Iterator[Source]:
    """Iterate over all subsets by size, the empty one first."""
    for size in range(len(axes) + 1):
        yield from combinations(axes, size)


def _sources(axes: int) -> list[Source]:
    return [source for source in _subsets(range(axes)) if source]


def _mean_squares(weights: NDArray[Any], levels: _Levels) -> dict[Source, Float64Array]:
    """Return (b,) mean squares of each source where example i counts weights[b, i] times, n in all."""
    shape, n, start = levels.shape, levels.shape[0], 0
    sums = weights.astype(np.float64) @ levels.columns
    squares = sums[:, sums.shape[1] - len(levels.widths) :]
    found = {}
    for place, (source, width) in enumerate(levels.widths.items()):
        freedom = math.prod(shape[axis] - 1 for axis in source)
        repeats = math.prod(shape) / n / math.prod(shape[axis] for axis in source)
        of_means = np.square(sums[:, start : start + width]).sum(axis=1) / n
        found[source] = repeats * of_means / freedom
        found[0, *source] = repeats * (squares[:, place] - of_means) / (freedom * (n - 1))
        start += width
    return found


def _estimates(weights: NDArray[Any], levels: _Levels) -> dict[Source, Float64Array]:
    """Return (b,) components of each source, main effects first, in the order of the axes."""
    shape, squares = levels.shape, _mean_squares(weights, levels)
    found = {}
    for source in _sources(len(shape)):
        holders = [other for other in squares if set(source) <= set(other)]
        signed = sum((-1) ** (len(other) - len(source)) * squares[other] for other in holders)
        found[source] = signed * math.prod(shape[axis] for axis in source) / math.prod(shape)
    return found


def _intervals(levels: _Levels, resamples: int, seed: int) -> dict[Source, Interval]:
    """Return the intervals of the components without the examples' axis; none where examples are too few."""
    n = levels.shape[0]
    sources = [source for source in _sources(len(levels.shape)) if 0 not in source]
    if n < MIN_EXAMPLES:
        return {}

    def statistic(weights: IntArray) -> Float64Array:
        drawn = _estimates(weights, levels)
        # Repeated examples bring a bias.
        return np.column_stack([drawn[source] - drawn[0, *source] / (n - 1) for source in sources])

    found = bootstrap_units(n, statistic, resamples=resamples, seed=seed, elements=levels.columns.shape[1])
    return dict(zip(sources, found, strict=True))
