"""What further names of the classes make of the labelled images: list by list, together, and one class at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clipbench.tasks.base import FloatArray, ImageSet, IntArray
from clipbench.tasks.class_columns import ClassColumns
from clipbench.tasks.classifier import TextClassifier, text_classifier
from clipbench.tasks.decisions import class_logits, predict, rows_at_a_time, unit_chunks
from clipbench.tasks.template_scores import Answered, answers_of, template_classifiers
from clipbench.tasks.wording_layout import Layout

if TYPE_CHECKING:
    from clipbench.models.base import ModelInfo

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Renamed:
    """One class under one further name, all other classes under their own; always all templates averaged."""

    label: int
    name: str
    gained: int
    """Images that become right."""
    lost: int
    """Images that become wrong."""
    before: int
    """Images of the class that are right under its own name."""
    after: int
    """Images of the class that are right under this name."""


@dataclass(frozen=True)
class NameAnswers:
    """n labelled images, T templates and W lists of names, the canonical one first."""

    correct: Bools
    """(n, T, W) whether each template alone is right."""
    lists: Bools
    """(n, W) whether all templates together are right with each list."""
    averaged: Bools
    """(n,) whether all templates and names averaged into one vector a class are right, as in zero-shot."""
    best: Bools
    """(n,) right where a class's score is that of its best name, all templates averaged."""
    renamed: tuple[Renamed, ...]


def answer_names(
    tested: Answered,
    canonical: TextClassifier,
    layout: Layout,
    text: Callable[[Sequence[str]], FloatArray],
    model: ModelInfo,
) -> NameAnswers:
    """Classify every labelled image with every list of names.

    Args:
        tested: the images, and the answers under the classes' own names.
        canonical: the classifier of all templates under the classes' own names.
        layout: of W > 1 lists.
        text: (strings) -> (strings, D) features.
        model: for its logit scale and bias.

    Of all but the canonical list the classifiers of one list are held at a time.

    Raises:
        UserError: features are not finite, or all zero.
    """
    images, answers, where = tested.images, tested.answers, tested.where
    rows, labels = answers.rows, answers.labels
    correct, together, ensembles = [answers.correct], [answers.ensemble_correct], [canonical]
    for place in range(1, layout.lists):
        classifiers = template_classifiers(layout, text, model.name, place)
        found = answers_of(images, (*classifiers.single, classifiers.ensemble), model, where)[rows] == labels[:, None]
        correct.append(found[:, :-1])
        together.append(found[:, -1])
        ensembles.append(classifiers.ensemble)
    averaged = text_classifier(layout.given, text, model.name)
    return NameAnswers(
        correct=np.stack(correct, axis=2),
        lists=np.stack(together, axis=1),
        averaged=answers_of(images, [averaged], model, where)[rows, 0] == labels,
        best=_best_name(images, ensembles, averaged.twin, model, where)[rows],
        renamed=_renamed(images, ensembles, layout, model, where),
    )


def _best_name(
    images: ImageSet, ensembles: Sequence[TextClassifier], twin: IntArray, model: ModelInfo, where: str
) -> Bools:
    """Return (n images,) right answers where the best of a class's names counts.

    Two classes that share a name tie on an image that this name suits best, which is wrong for both. Classes all of
    whose prompts are the same are told apart as in zero-shot: the lower index wins.
    """
    first, column = np.unique(twin, return_inverse=True)
    columns = ClassColumns(column.astype(np.int64), twin)
    right = np.zeros(len(images), np.bool_)
    for some, labels, vectors in _labelled_chunks(images, len(twin), model, where):
        scores = _class_scores(vectors, ensembles[0], model)[:, first]
        for ensemble in ensembles[1:]:
            np.maximum(scores, _class_scores(vectors, ensemble, model)[:, first], out=scores)
        right[some] = predict(labels, scores, columns) == labels
    return right


def _renamed(
    images: ImageSet, ensembles: Sequence[TextClassifier], layout: Layout, model: ModelInfo, where: str
) -> tuple[Renamed, ...]:
    """Judge each further name by what changes when it alone takes the place of its class's own."""
    what = [
        (label, place, name)
        for label, names in enumerate(layout.given.names)
        for place, name in enumerate(names)
        if place
    ]
    own, of = ensembles[0], np.array([label for label, _, _ in what])
    vectors_of_names = np.stack([ensembles[place].vectors[ensembles[place].column[label]] for label, place, _ in what])
    renamed = TextClassifier(np.arange(len(what)), np.arange(len(what)), vectors_of_names)
    counts = np.zeros((4, len(what)), np.int64)
    for _, labels, vectors in _labelled_chunks(images, max(len(own.column), len(what)), model, where):
        counts += _changes(labels, _class_scores(vectors, own, model), class_logits(vectors, renamed, model), own, of)
    rows = zip(what, counts.T.tolist(), strict=True)
    return tuple(Renamed(label, name, *numbers) for (label, _, name), numbers in rows)


def _changes(labels: IntArray, scores: FloatArray, names: FloatArray, own: TextClassifier, of: IntArray) -> IntArray:
    """Return (4, S) images gained, lost, and of the class right before and after, for S names.

    Args:
        labels: (m,) true classes.
        scores: (m, C) under the classes' own names.
        names: (m, S) scores of the further names.
        own: which classes have the same prompts.
        of: (S,) the class of each name.
    """
    rows, classes = np.arange(len(labels)), np.arange(scores.shape[1])
    true = scores[rows, labels]
    others = scores.copy()
    others[rows, labels] = -np.inf
    any_other = others.max(axis=1)
    # Of classes with the same prompts the lower index wins.
    others[(own.twin == own.twin[labels][:, None]) & (classes > labels[:, None])] = -np.inf
    rival = others.argmax(axis=1)
    best = others[rows, rival]
    others[rows, rival] = -np.inf
    second = others.max(axis=1)

    before = true > best
    rest = np.where(rival[:, None] == of, second[:, None], best[:, None])
    after = true[:, None] > np.maximum(rest, names)
    is_own = labels[:, None] == of
    # A class that is renamed has no twin any more.
    after = np.where(is_own, names > any_other[:, None], after)
    gained = np.count_nonzero(after & ~before[:, None], axis=0)
    lost = np.count_nonzero(before[:, None] & ~after, axis=0)
    return np.stack(
        [
            gained,
            lost,
            np.count_nonzero(is_own & before[:, None], axis=0),
            np.count_nonzero(is_own & after, axis=0),
        ]
    )


def _class_scores(vectors: FloatArray, classifier: TextClassifier, model: ModelInfo) -> FloatArray:
    """Return (m, C) logits, classes with equal vectors having equal ones."""
    return class_logits(vectors, classifier, model)[:, classifier.column]


def _labelled_chunks(
    images: ImageSet, scores: int, model: ModelInfo, where: str
) -> Iterator[tuple[IntArray, IntArray, FloatArray]]:
    """Iterate over (places, labels, unit vectors) of labelled images; of each so many scores are made at once."""
    labels = images.labels
    assert labels is not None
    for start, vectors in unit_chunks(images, rows_at_a_time(scores), model, where):
        known = np.flatnonzero(labels[start : start + len(vectors)] >= 0)
        yield start + known, labels[start + known], vectors[known]
