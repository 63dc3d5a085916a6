"""What a metric is without a look at the images: by guessing, and by always answering the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import IntArray


@dataclass(frozen=True)
class Baseline:
    """What an accuracy is compared with."""

    chance: float
    """Of an answer drawn at random, every class as likely."""
    commonest: float
    """Of always answering with the commonest classes."""


def top_k_baseline(counts: IntArray, k: int = 1) -> Baseline:
    """Return that of top-k accuracy, from (C,) labelled examples of each class."""
    return Baseline(k / len(counts), float(np.sort(counts)[-k:].sum() / counts.sum()))


def recall_baseline(counts: IntArray) -> Baseline:
    """Return that of mean per-class recall, from (C,) labelled examples of each class."""
    return Baseline(1 / len(counts), 1 / int(np.count_nonzero(counts)))


def random_recall(right: NDArray[np.integer], candidates: int, k: int) -> float:
    """Return the expected recall at k where candidates are ranked at random, `right` (Q,) of them right for each query.

    Formula: 1 - C(candidates - right, k) / C(candidates, k), averaged over queries.
    """
    above = np.arange(k)
    missed = np.clip((candidates - right[:, None] - above) / (candidates - above), 0, None).prod(axis=1)
    return float(1 - missed.mean())
