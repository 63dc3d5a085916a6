"""Accuracies of single-label classification; a tie never counts as right."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import BoolArray, Float64Array, IntArray


def check_labels(labels: NDArray[Any], classes: int) -> None:
    """Check that labels are class indices.

    Raises:
        ValueError: labels are not one-dimensional, or one lies outside 0 ... classes - 1.
    """
    if labels.ndim != 1:
        raise ValueError(f"labels must have one dimension, got {labels.ndim}")
    if len(labels) and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError(f"labels must be 0 to {classes - 1}, got {labels.min()} to {labels.max()}")


def check_scores(scores: NDArray[Any], labels: NDArray[Any]) -> None:
    """Check that there is one row of finite scores for each label.

    Raises:
        ValueError: wrong shape, or a score that is NaN or infinite.
    """
    if scores.ndim != 2 or len(scores) != len(labels):
        raise ValueError(f"scores must be ({len(labels)}, classes), got {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")
    check_labels(labels, scores.shape[1])


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


def top_k_accuracy(scores: NDArray[Any], labels: IntArray, k: int = 1) -> float:
    """Return the share of rows whose true class is among the k best.

    Args:
        scores: (n, C).
        labels: (n,) class indices.
        k: 1 to C - 1; with k = C every row would count.

    Raises:
        ValueError: shapes, labels or k do not fit, or there are no rows.
    """
    check_scores(scores, labels)
    if not 1 <= k < scores.shape[1]:
        raise ValueError(f"k must be 1 to {scores.shape[1] - 1}, got {k}")
    if not len(labels):
        raise ValueError("needs at least one row")
    return float(np.mean(true_class_ranks(scores, labels) <= k))


def class_counts(labels: IntArray, correct: BoolArray, classes: int) -> tuple[IntArray, IntArray]:
    """Return (C,) examples and (C,) right answers of each class.

    Raises:
        ValueError: a label lies outside 0 ... classes - 1.
    """
    check_labels(labels, classes)
    counts = np.bincount(labels, minlength=classes)
    return counts.astype(np.int64), np.bincount(labels[correct], minlength=classes).astype(np.int64)


def mean_per_class_recall(counts: IntArray, correct: IntArray) -> Float64Array:
    """Return the mean over classes of the share that is right; classes without examples are left out.

    Args:
        counts: (..., C) examples of each class.
        correct: (..., C) of them right.

    Returns:
        (...) values; NaN where no class has examples.
    """
    filled = counts > 0
    recalls = np.divide(correct, counts, out=np.zeros(counts.shape), where=filled)
    classes = filled.sum(axis=-1)
    mean: Float64Array = np.divide(recalls.sum(axis=-1), classes, out=np.full(classes.shape, np.nan), where=classes > 0)
    return mean
