"""Accuracies of single-label classification; a tie never counts as right."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import BoolArray, Float64Array, IntArray


def true_class_ranks(scores: NDArray[Any], labels: IntArray, sizes: IntArray | None = None) -> IntArray:
    """Return each true class's rank: 1 + the number of other classes that score as high or higher.

    Args:
        scores: (n, C).
        labels: (n,) column of the true class.
        sizes: (C,) how many classes share a column; by default 1 each. The others that share the true
            class's own column are not counted.
    """
    # The true class is as high as itself, which is the 1 of the rank.
    as_high = scores >= np.take_along_axis(scores, labels[:, None], axis=1)
    ranks: IntArray = np.count_nonzero(as_high, axis=1).astype(np.int64)
    if sizes is not None:
        for column in np.flatnonzero(sizes > 1):
            ranks += (sizes[column] - 1) * (as_high[:, column] & (labels != column))
    return ranks


def class_counts(labels: IntArray, correct: BoolArray, classes: int) -> tuple[IntArray, IntArray]:
    """Return (C,) examples and (C,) right answers of each class."""
    counts = np.bincount(labels, minlength=classes)
    return counts.astype(np.int64), np.bincount(labels[correct], minlength=classes).astype(np.int64)


def mean_per_class_recall(counts: IntArray, correct: IntArray) -> Float64Array:
    """Return the mean over classes of the share that is right; classes without examples are left out.

    (..., C) examples of each class and those of them that are right give (...) values, NaN where no class has examples.
    """
    filled = counts > 0
    recalls = np.divide(correct, counts, out=np.zeros(counts.shape), where=filled)
    classes = filled.sum(axis=-1)
    return np.asarray(np.divide(recalls.sum(axis=-1), classes, out=np.full(classes.shape, np.nan), where=classes > 0))
