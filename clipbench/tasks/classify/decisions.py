"""What a classifier decides for each labelled image, computed in chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from clipbench.arrays import BoolArray, Float32Array, IntArray
from clipbench.errors import UserError
from clipbench.metrics.accuracy import true_class_ranks
from clipbench.metrics.vectors import refuse_directionless, unit_rows
from clipbench.tasks.base import ImageSet
from clipbench.tasks.classify.classifier import ClassColumns, TextClassifier

if TYPE_CHECKING:
    from clipbench.models.base import ModelInfo

NEAR = 1e-5
"""Cosine: what embeddings may differ by between machines (see Determinism in the docs)."""

_SCORES_AT_A_TIME = 1 << 20


@dataclass(frozen=True)
class Decisions:
    """One row a labelled image."""

    rows: IntArray
    """(n,) the image's place in its set."""
    labels: IntArray
    predictions: IntArray
    """(n,) class indices; where the true class ties with another, the other."""
    ranks: IntArray
    """(n,) 1 + the classes that rank before the true one; ties do."""
    strict: BoolArray
    """(n,) right even if classes with equal prompt strings count as ties."""
    margins: Float32Array
    """(n,) score (zero-shot: cosine) of the true class minus the best other one; NaN where there is none."""
    scores: Float32Array
    """(n,) softmax probability of the true class."""
    confidences: Float32Array
    """(n,) softmax probability of the prediction."""
    near_ties: int
    """Predictions whose lead is smaller than `NEAR`."""

    @property
    def correct(self) -> BoolArray:
        """(n,) whether the true class ranks first."""
        return np.asarray(self.ranks == 1)


def require_images(images: ImageSet, where: str) -> None:
    """Raise a UserError that names a set without readable images."""
    if not len(images):
        raise UserError("has no readable images", where=where, fix="check the data set's files")


def labelled_rows(images: ImageSet, classes: int, where: str) -> IntArray:
    """Return the rows whose label is a class; -1 stands for no label.

    Raises:
        UserError: there are no images, a label is out of range, or no image has one.
    """
    require_images(images, where)
    labels = images.labels
    if labels is None:
        raise UserError("not every image has a label", where=where, fix="classification needs one label an image")
    strange = np.flatnonzero((labels < -1) | (labels >= classes))
    if len(strange):
        first = int(strange[0])
        problem = (
            f"labels outside the {classes} classes: {len(strange):,}, "
            f"the first {labels[first]}, of {images.ids[first]!r}"
        )
        raise UserError(problem, where=where, fix=f"labels must be 0 to {classes - 1}, in the order of the class names")
    rows = np.flatnonzero(labels >= 0)
    if not len(rows):
        raise UserError("no image has a label", where=where, fix="choose a split that has labels")
    return rows


def decide(images: ImageSet, classifier: TextClassifier, model: ModelInfo, where: str) -> Decisions:
    """Classify every labelled image of a set by the cosine of its 'projected' features with each class.

    Logits are scale * cosine + bias in float32, for some images at a time: what is held of an image does not depend on
    the number of classes. `where` names data set and split in messages.
    """
    chunks = unit_chunks(images, rows_at_a_time(len(classifier.vectors)), model, where)
    logits = ((start, class_logits(vectors, classifier, model)) for start, vectors in chunks)
    return decide_scores(images, logits, classifier, where, model.logit_scale)


def unit_chunks(images: ImageSet, rows: int, model: ModelInfo, where: str) -> Iterator[tuple[int, Float32Array]]:
    """Iterate over (first row, (<= rows, D) projected features of length 1), refusing at the end what has none."""
    unusable: list[str] = []
    for start, chunk in images.features["projected"].chunks(rows):
        vectors, bad = unit_rows(chunk)
        unusable += [images.ids[start + place] for place in np.flatnonzero(bad).tolist()]
        yield start, vectors
    refuse_directionless(unusable, f"images of {where}", model.name)


def class_logits(vectors: Float32Array, classifier: TextClassifier, model: ModelInfo) -> Float32Array:
    """Return (n, U) float32 logits of (n, D) unit vectors: scale * cosine + bias."""
    logits: Float32Array = np.float32(model.logit_scale) * (vectors @ classifier.vectors.T)
    return logits + np.float32(model.logit_bias)


def predict(labels: IntArray, logits: Float32Array, columns: ClassColumns) -> IntArray:
    """Return the predictions that `decide` makes of (n, U) logits: the label where, and only where, it is right."""
    ranks = true_class_ranks(logits, columns.column[labels], columns.sizes) + columns.ahead[labels]
    return _predictions(labels, logits, np.argmax(logits, axis=1), ranks, columns)


def rows_at_a_time(classes: int) -> int:
    """Return for how many images scores are computed at once, so that memory does not grow with the classes."""
    return int(np.clip(_SCORES_AT_A_TIME // classes, 64, 4096))


def decide_scores(
    images: ImageSet,
    scores: Iterable[tuple[int, Float32Array]],
    columns: ClassColumns,
    where: str,
    scale: float = 1.0,
) -> Decisions:
    """Classify every labelled image of a set by scores that some classifier gave.

    Args:
        images: with labels.
        scores: (first row, (rows, U) float32 logits), in order, for every image.
        columns: which of the C classes has which of the U columns.
        where: data set and split, for messages.
        scale: what a difference of logits is divided by to be a margin.
    """
    rows = labelled_rows(images, len(columns.column), where)
    labels = images.labels
    assert labels is not None
    parts: list[Decisions] = []
    for start, chunk in scores:
        wanted = np.flatnonzero(labels[start : start + len(chunk)] >= 0)
        parts.append(_decide(start + wanted, labels[start + wanted], chunk[wanted], columns, scale))
    assert sum(len(part.rows) for part in parts) == len(rows)
    return _joined(parts)


def _decide(rows: IntArray, labels: IntArray, logits: Float32Array, columns: ClassColumns, scale: float) -> Decisions:
    column = columns.column[labels]
    true = logits[np.arange(len(rows)), column]
    ranks = true_class_ranks(logits, column, columns.sizes)
    top = np.argmax(logits, axis=1)
    best, second = _two_best(logits, top)
    tied = columns.tied_columns
    margins = (true - np.where(top == column, second, best)) / np.float32(scale)
    margins = np.where(np.isinf(margins), np.float32(np.nan), margins)
    total = np.exp(logits - best[:, None]) @ columns.sizes.astype(np.float32)
    ranks_with_twins = ranks + columns.ahead[labels]
    return Decisions(
        rows=rows,
        labels=labels,
        predictions=_predictions(labels, logits, top, ranks_with_twins, columns),
        ranks=ranks_with_twins,
        strict=ranks + columns.sizes[column] == 2,
        margins=np.where(tied[column], np.fmin(margins, 0), margins).astype(np.float32),
        scores=np.exp(true - best) / total,
        confidences=1 / total,
        near_ties=int(np.count_nonzero(((best - second) / scale < NEAR) | tied[top])),
    )


def _two_best(logits: Float32Array, top: IntArray) -> tuple[Float32Array, Float32Array]:
    rows = np.arange(len(logits))
    best = logits[rows, top]
    rest = logits.copy()
    rest[rows, top] = -np.inf
    return best, rest.max(axis=1, initial=-np.inf)


def _predictions(
    labels: IntArray, logits: Float32Array, top: IntArray, ranks: IntArray, columns: ClassColumns
) -> IntArray:
    predictions = columns.first[top]
    for row in np.flatnonzero((predictions == labels) & (ranks > 1)):
        label = labels[row]
        equal = logits[row, columns.column] == logits[row, top[row]]
        others = np.flatnonzero(equal & (columns.twin != columns.twin[label]))
        predictions[row] = others[0]
    return predictions


def _joined(parts: Sequence[Decisions]) -> Decisions:
    arrays = [field.name for field in fields(Decisions) if field.name != "near_ties"]
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in arrays}
    return Decisions(**joined, near_ties=sum(part.near_ties for part in parts))
