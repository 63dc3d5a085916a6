"""Tables of a classification: per class, per group, what is confused with what, and one row an example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import BoolArray, IntArray
from clipbench.metrics.accuracy import class_counts
from clipbench.metrics.specs import ColumnSpec, TableSpec
from clipbench.stats.clusters import INDEPENDENT, Design, design, share_interval
from clipbench.stats.intervals import MIN_EXAMPLES, ends
from clipbench.tasks.base import ImageSet, Picture
from clipbench.tasks.classify.decisions import Decisions

if TYPE_CHECKING:
    import pandas as pd

CONFUSIONS = 50
GROUP_VALUES = 50
PICTURES = 12
PICTURES_A_PAIR = 2

_N = ColumnSpec("n", unit="count")
_ACCURACY = ColumnSpec("accuracy", unit="fraction", low="low", high="high")

_PRECISION = ColumnSpec("average_precision", unit="fraction")

PER_CLASS = TableSpec("per_class", "Classes, worst first", (ColumnSpec("class"), _N, _ACCURACY, _PRECISION))
PER_GROUP = TableSpec("per_group", "Groups", (ColumnSpec("group"), ColumnSpec("value"), _N, _ACCURACY))
CONFUSED = TableSpec(
    "confusions",
    "Most confused",
    (
        ColumnSpec("true", "is"),
        ColumnSpec("predicted", "taken for"),
        ColumnSpec("count", "images", "count"),
        ColumnSpec("share", "of the class", "fraction"),
    ),
)
SINGLE_LABEL_TABLES = (PER_CLASS, CONFUSED, PER_GROUP)


def per_class(
    counts: NDArray[Any],
    correct: NDArray[Any],
    classes: Sequence[str],
    designs: Sequence[Design | None] | None = None,
) -> pd.DataFrame:
    """Return one row a class in label order, with Wilson's intervals at 95 %.

    Args:
        counts: (C,) images of each class.
        correct: (C,) how many of them are right; fractions where the answer is a mean of several.
        classes: C names.
        designs: for each class what clusters take from its images; by default they are independent.
    """
    import pandas as pd

    cells = zip(classes, counts.tolist(), correct.tolist(), designs or _independent(counts), strict=True)
    frame = pd.DataFrame([(name, *_proportion(*cell)) for name, *cell in cells], columns=_CLASS_COLUMNS)
    return frame.assign(label=range(len(classes)))


_CLASS_COLUMNS = ["class", "n", "correct", "accuracy", "low", "high"]


def _proportion(
    n: int, correct: float, found: Design | None
) -> tuple[int, float, float | None, float | None, float | None]:
    if n == 0:
        return 0, correct, None, None, None
    # A sum of fractions may be a rounding error above the count.
    correct = min(correct, float(n))
    return n, correct, correct / n, *ends(share_interval(correct / n, n, found))


def _independent(counts: NDArray[Any]) -> list[Design | None]:
    return [INDEPENDENT if count >= MIN_EXAMPLES else None for count in counts.tolist()]


def cell_designs(place: IntArray, right: BoolArray, counts: IntArray, clusters: IntArray | None) -> list[Design | None]:
    """Return for each cell what clusters take from the answers in it, of (n,) answers at these places."""
    if clusters is None:
        return _independent(counts)
    inside = (place == cell for cell in range(len(counts)))
    return [design(right[mask], clusters[mask]) for mask in inside]


def confusions(decisions: Decisions, classes: Sequence[str]) -> pd.DataFrame:
    """Return true, predicted, count and share (of the true class's images), the most frequent pairs first."""
    import pandas as pd

    wrong = ~decisions.correct
    pairs = decisions.labels[wrong] * len(classes) + decisions.predictions[wrong]
    distinct, counts = np.unique(pairs, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:CONFUSIONS]
    true, predicted = np.divmod(distinct[order], len(classes))
    names = np.asarray(classes, object)
    share = counts[order] / np.bincount(decisions.labels, minlength=len(classes))[true]
    return pd.DataFrame({"true": names[true], "predicted": names[predicted], "count": counts[order], "share": share})


def per_group(
    decisions: Decisions, groups: Mapping[str, Sequence[str]], clusters: IntArray | None
) -> tuple[pd.DataFrame | None, tuple[str, ...]]:
    """Return the accuracy for each value of each group (Wilson, 95 %), and the groups with too many values for it."""
    rows = []
    left_out = []
    for group, column in groups.items():
        values, place = np.unique(np.asarray(column)[decisions.rows], return_inverse=True)
        if len(values) > GROUP_VALUES:
            left_out.append(group)
            continue
        counts, correct = class_counts(place.astype(np.int64), decisions.correct, len(values))
        designs = cell_designs(place, decisions.correct, counts, clusters)
        for value, *cell in zip(values, counts.tolist(), correct.tolist(), designs, strict=True):
            n, _, *accuracy = _proportion(*cell)
            rows.append((group, str(value), n, *accuracy))
    return PER_GROUP.frame(rows) if rows else None, tuple(left_out)


def confident_mistakes(
    decisions: Decisions, ids: Sequence[str], split: str, classes: Sequence[str]
) -> tuple[Picture, ...]:
    """Return the mistakes of largest softmax probability, at most two of each pair of classes."""
    wrong = np.flatnonzero(~decisions.correct)
    pictures: list[Picture] = []
    shown: dict[tuple[int, int], int] = {}
    # Many probabilities round to 1; the margin tells those apart.
    for place in wrong[np.lexsort((decisions.margins[wrong], -decisions.confidences[wrong]))]:
        pair = (int(decisions.labels[place]), int(decisions.predictions[place]))
        if shown.get(pair, 0) == PICTURES_A_PAIR:
            continue
        shown[pair] = shown.get(pair, 0) + 1
        true, prediction = classes[pair[0]], f"{classes[pair[1]]} ({decisions.confidences[place]:.2f})"
        caption = f"true: {true}; predicted: {prediction}"
        pictures.append(Picture(ids[decisions.rows[place]], split, "confident mistake", caption, true, prediction))
        if len(pictures) == PICTURES:
            break
    return tuple(pictures)


def examples(decisions: Decisions, images: ImageSet, split: str, classes: Sequence[str]) -> pd.DataFrame:
    """Return one row a labelled image; margin is a cosine where scores are, score the softmax of the true class."""
    import pandas as pd

    names = np.asarray(classes, object)
    columns = {
        "id": [images.ids[row] for row in decisions.rows],
        "split": split,
        "label": decisions.labels,
        "label_name": names[decisions.labels],
        "prediction": decisions.predictions,
        "prediction_name": names[decisions.predictions],
        "correct": decisions.correct,
        "margin": decisions.margins,
        "score": decisions.scores,
    }
    return pd.DataFrame(columns | images.attributes(decisions.rows))
