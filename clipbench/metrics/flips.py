"""How often the predictions for one example differ from each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import IntArray

_CELLS = 1 << 20
"""Predictions that are sorted at a time."""


@dataclass(frozen=True)
class Flips:
    """One row an example; of predictions that are as frequent, the lower class comes first."""

    different: IntArray
    """(n,) how many different predictions there are, 1 if all agree."""
    first: IntArray
    """(n,) the most frequent prediction."""
    first_count: IntArray
    """(n,) how many predictions are that."""
    second: IntArray
    """(n,) the second most frequent prediction; -1 where all agree."""
    second_count: IntArray
    """(n,) how many predictions are that; 0 where all agree."""


def flips(predictions: NDArray[Any]) -> Flips:
    """Count the different predictions of each example among (n, T) classes, 0 or more, that T > 0 classifiers gave."""
    size = max(1, _CELLS // predictions.shape[1])
    starts = range(0, max(1, len(predictions)), size)
    parts = [_of_block(predictions[start : start + size].astype(np.int64)) for start in starts]
    return Flips(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _of_block(predictions: IntArray) -> tuple[IntArray, IntArray, IntArray, IntArray, IntArray]:
    n, columns = predictions.shape
    ordered = np.sort(predictions, axis=1)
    # Equal predictions stand beside each other; each run of them has a number in its row.
    run = np.zeros((n, columns), np.int64)
    run[:, 1:] = np.cumsum(ordered[:, 1:] != ordered[:, :-1], axis=1)
    cells = run + columns * np.arange(n)[:, None]
    counts = np.bincount(cells.ravel(), minlength=n * columns).reshape(n, columns)
    value = np.full((n, columns), -1, np.int64)
    np.put_along_axis(value, run, ordered, axis=1)
    rows = np.arange(n)
    most = counts.argmax(axis=1)
    first, first_count = value[rows, most], counts[rows, most]
    counts[rows, most] = 0
    next_most = counts.argmax(axis=1)
    second_count = counts[rows, next_most]
    second = np.where(second_count > 0, value[rows, next_most], -1)
    return run[:, -1] + 1, first, first_count, second, second_count
