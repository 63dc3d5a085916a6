"""Average precision of one class, plain and for resamples of the images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import BoolArray, Float64Array, IntArray


class PrecisionRecall:
    """Precision and recall of one class at its positives, for any weighting of the images.

    Images with equal scores enter together, so their order does not matter.

    Args:
        scores: (n,) finite.
        positive: (n,) bool, at least one.

    Raises:
        ValueError: a score is not finite.
    """

    def __init__(self, scores: NDArray[Any], positive: BoolArray) -> None:
        if not np.isfinite(scores).all():
            raise ValueError("scores must be finite")
        self._order = np.argsort(-scores, kind="stable")
        ranked = scores[self._order]
        # For each place, the last place with the same score.
        last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
        ends = last[np.searchsorted(last, np.arange(len(ranked)))]
        self._all_ends = ends
        self._places = np.flatnonzero(positive[self._order])
        self._ends = ends[self._places]
        self._positives_until = np.searchsorted(self._places, self._ends, side="right") - 1

    def averages(self, weights: NDArray[Any]) -> tuple[Float64Array, Float64Array]:
        """Return (b,) average precisions and (b,) 11-point ones; NaN where no positive has weight.

        Each of the (n, b) weights says how often an image counts, one column a resample.
        """
        ranked = weights[self._order]
        positives = ranked[self._places]
        seen = np.cumsum(ranked, axis=0, dtype=ranked.dtype)[self._ends]
        true = np.cumsum(positives, axis=0, dtype=positives.dtype)[self._positives_until]
        precision = np.divide(true, seen, out=np.zeros(true.shape), where=seen > 0)
        total = positives.sum(axis=0)
        steps = np.divide((positives * precision).sum(axis=0), total, out=np.full(total.shape, np.nan), where=total > 0)
        return steps, np.where(total > 0, _eleven_points(true, total, precision), np.nan)

    @property
    def contributions(self) -> Float64Array:
        """(n,) values whose mean is the average precision and whose scatter is its sampling error.

        An image's is the average precision plus n times its derivative by the image's weight (the infinitesimal
        jackknife; Efron 1982, "The Jackknife, the Bootstrap and Other Resampling Plans", chapter 6).
        """
        n, positives = len(self._order), len(self._places)
        true, seen = self._positives_until + 1, self._ends + 1
        precision = true / seen
        average = precision.sum() / positives
        # What an image adds to the counts of all positives that score no higher than itself.
        first = np.searchsorted(self._ends, np.searchsorted(self._all_ends, self._all_ends))
        gained, lost = (np.append(np.cumsum(part[::-1])[::-1], 0.0)[first] for part in (1 / seen, true / seen**2))
        ranked = -lost
        ranked[self._places] += precision - average + gained[self._places]
        found = np.empty(n)
        found[self._order] = average + n / positives * ranked
        return found


def _eleven_points(true: IntArray, total: IntArray, precision: Float64Array) -> Float64Array:
    best_from_here = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    points = np.zeros(len(total))
    for tenth in range(11):
        # Compared as integers: 3 of 10 must reach the recall 0.3.
        first = np.count_nonzero(10 * true < tenth * total, axis=0)
        reached = np.minimum(first, len(true) - 1)
        points += best_from_here[reached, np.arange(len(total))]
    return points / 11


def average_precision(scores: NDArray[Any], positive: BoolArray) -> float:
    """Return the area under the precision-recall curve as a sum of steps.

    AP = sum over positives of the precision at their score / number of positives; as
    scikit-learn's `average_precision_score`.
    """
    return float(PrecisionRecall(scores, positive).averages(np.ones((len(scores), 1), np.int64))[0][0])


def average_precision_11point(scores: NDArray[Any], positive: BoolArray) -> float:
    """Return PASCAL VOC 2007's average precision.

    The mean over the recalls t = 0, 0.1, ..., 1 of the best precision at any recall of t or more
    (Everingham et al. 2010, section 4.2).
    """
    return float(PrecisionRecall(scores, positive).averages(np.ones((len(scores), 1), np.int64))[1][0])
