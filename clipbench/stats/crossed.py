"""Variance components of a crossed layout: every row, e.g. an example, meets every column, e.g. a template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbench.stats.bootstrap import RESAMPLES, SEED, bootstrap_units
from clipbench.stats.intervals import Interval

FEWEST = 5
"""Fewer rows or columns are too few to resample."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Component:
    """The variance that one source adds to a response, with intervals over other rows and other columns."""

    value: float
    """An estimate; may be negative where the component is small."""
    over_rows: Interval | None
    """None: too few rows, or every resample repeats the value."""
    over_columns: Interval | None


@dataclass(frozen=True)
class Components:
    """The three components of a two-way layout without replication."""

    columns: Component
    rows: Component
    residual: Component
    """The interaction of row and column, together with error: without replication they cannot be told apart."""


def crossed_components(responses: NDArray[Any], *, resamples: int = RESAMPLES, seed: int = SEED) -> Components:
    """Estimate the variance components of (n, T) responses by the method of moments.

    Model: y_ij = mean + row_i + column_j + residual_ij, all random and independent. With the mean squares MS of the
    two-way analysis of variance, column = (MS_columns - MS_residual) / n, row = (MS_rows - MS_residual) / T and
    residual = MS_residual. Negative estimates are left as they are.

    Source: Searle, Casella and McCulloch 1992, "Variance Components", chapter 4. Intervals are percentile bootstraps
    over rows or over columns. A resample repeats some rows: on average its residual and row components are (n - 1) / n
    of the estimates and its column component is too large by residual / n. Each resample is corrected for that, after
    Wiley 2000 as told in Brennan 2007, "Unbiased estimates of variance components with bootstrap procedures".

    Args:
        responses: numbers, or whether each is right.
        resamples: number of resamples.
        seed: of the random draws.

    Raises:
        ValueError: fewer than two rows or two columns.
    """
    y = np.asarray(responses, np.float64)
    if y.ndim != 2 or min(y.shape) < 2:
        raise ValueError(f"needs at least two rows and two columns, got {y.shape}")
    columns, rows, residual = _moments(np.ones((1, len(y))), y)[0].tolist()
    over_rows = _intervals(y, resamples, seed)
    rows_of_transposed = _intervals(np.ascontiguousarray(y.T), resamples, seed)
    # In the transposed layout rows and columns have changed places.
    over_columns = rows_of_transposed[1], rows_of_transposed[0], rows_of_transposed[2]
    values = columns, rows, residual
    return Components(*(Component(*parts) for parts in zip(values, over_rows, over_columns, strict=True)))


def _moments(weights: NDArray[Any], y: Floats) -> Floats:
    """Return (b, 3) components of columns, rows and residual where row i counts weights[b, i] times."""
    n, columns = y.shape
    sums = weights.astype(np.float64) @ np.column_stack([y, y.mean(axis=1) ** 2, (y**2).sum(axis=1)])
    of_columns = sums[:, :columns] / n
    mean = of_columns.mean(axis=1)
    columns_squares = n * ((of_columns - mean[:, None]) ** 2).sum(axis=1)
    rows_squares = columns * (sums[:, -2] - n * mean**2)
    total_squares = sums[:, -1] - n * columns * mean**2
    residual = (total_squares - rows_squares - columns_squares) / ((n - 1) * (columns - 1))
    column = (columns_squares / (columns - 1) - residual) / n
    row = (rows_squares / (n - 1) - residual) / columns
    return np.column_stack([column, row, residual])


def _intervals(y: Floats, resamples: int, seed: int) -> tuple[Interval | None, ...]:
    """Return the intervals of columns, rows and residual over resampled rows."""
    n, columns = y.shape
    if n < FEWEST:
        return None, None, None

    def statistic(weights: Ints) -> Floats:
        drawn = _moments(weights, y)
        column = drawn[:, 0] - drawn[:, 2] / (n - 1)
        return np.column_stack([column, drawn[:, 1] * n / (n - 1), drawn[:, 2] * n / (n - 1)])

    found = bootstrap_units(n, statistic, resamples=resamples, seed=seed, elements=columns)
    return tuple(None if interval.low == interval.high else interval for interval in found)
