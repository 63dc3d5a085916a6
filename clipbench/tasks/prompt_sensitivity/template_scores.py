"""What every prompt template alone, and all of them together, predict for each labelled image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import BoolArray, Float32Array, IntArray
from clipbench.tasks.base import ImageSet
from clipbench.tasks.classify.classifier import TextClassifier, text_classifier
from clipbench.tasks.classify.decisions import class_logits, labelled_rows, predict, rows_at_a_time, unit_chunks
from clipbench.tasks.prompt_sensitivity.prompt_grid import Layout
from clipbench.tasks.prompted import PromptedClasses

if TYPE_CHECKING:
    from clipbench.models.base import ModelInfo


@dataclass(frozen=True)
class TemplateClassifiers:
    """A text classifier for each of T templates, the ensemble's, and one for each of B templates beside them."""

    single: tuple[TextClassifier, ...]
    ensemble: TextClassifier
    beside: tuple[TextClassifier, ...] = ()


@dataclass(frozen=True)
class TemplateAnswers:
    """One row a labelled image, one column a template."""

    rows: IntArray
    """(n,) the image's place in its set."""
    labels: IntArray
    """(n,)"""
    predictions: NDArray[np.int32]
    """(n, T) class indices; the label where, and only where, the template is right."""
    ensemble: NDArray[np.int32]
    """(n,) predictions of all templates together."""
    beside: NDArray[np.int32]
    """(n, B) predictions of the templates beside them."""

    @cached_property
    def correct(self) -> BoolArray:
        """(n, T) whether each template is right."""
        right: BoolArray = self.predictions == self.labels[:, None]
        return right

    @cached_property
    def every_correct(self) -> BoolArray:
        """(n, T + B) whether each template is right, those beside the others last."""
        return np.concatenate([self.correct, self.beside == self.labels[:, None]], axis=1)

    @property
    def ensemble_correct(self) -> BoolArray:
        """(n,) whether all templates together are right."""
        right: BoolArray = self.ensemble == self.labels
        return right


@dataclass(frozen=True)
class Answered:
    """Images of a split with what every template makes of them."""

    images: ImageSet
    answers: TemplateAnswers
    split: str
    where: str
    """Data set and split, for messages."""


def template_classifiers(
    layout: Layout, text: Callable[[Sequence[str]], Float32Array], model: str, place: int = 0
) -> TemplateClassifiers:
    """Make the classifiers just as zero-shot makes one of each template alone, and one of all.

    Args:
        layout: C classes with T templates.
        text: (strings) -> (strings, D) features.
        model: its name, for messages.
        place: which list of names; beside the canonical one there are no other templates.

    Raises:
        UserError: the features of a text are NaN, infinite or all zero.
    """
    prompts = layout.named(place)
    beside = () if place else layout.beside
    text = _read_once(text, [prompts, *(one.prompts for one in beside)])
    alone = (
        replace(prompts, strings=tuple((strings[position],) for strings in prompts.strings))
        for position in range(len(layout.templates))
    )
    single = tuple(text_classifier(one, text, model) for one in alone)
    others = tuple(text_classifier(one.prompts, text, model) for one in beside)
    return TemplateClassifiers(single, text_classifier(prompts, text, model), others)


def _read_once(
    text: Callable[[Sequence[str]], Float32Array], every: Sequence[PromptedClasses]
) -> Callable[[Sequence[str]], Float32Array]:
    """Return `text` for the strings of some prompts, all read now: those of one template lie in all files."""
    strings = dict.fromkeys(string for prompts in every for of_class in prompts.strings for string in of_class)
    place, features = {string: row for row, string in enumerate(strings)}, text(tuple(strings))
    return lambda wanted: features[[place[string] for string in wanted]]


def joined_templates(
    prompts: PromptedClasses, positions: Sequence[int], text: Callable[[Sequence[str]], Float32Array], model: str
) -> TextClassifier:
    """Make the classifier of some templates together, just as zero-shot makes it.

    Raises:
        UserError: the features of a text are NaN, infinite or all zero.
    """
    some = tuple(tuple(strings[place] for place in sorted(positions)) for strings in prompts.strings)
    return text_classifier(replace(prompts, strings=some), text, model)


def answer_templates(
    images: ImageSet, classifiers: TemplateClassifiers, model: ModelInfo, where: str
) -> TemplateAnswers:
    """Classify every labelled image with every template, with all of them, and with those beside them.

    Args:
        images: with 'projected' features and labels.
        classifiers: of C classes.
        model: for its logit scale and bias.
        where: data set and split, for messages.

    The matrix products have the shapes that they have in a zero-shot job of the template alone, so that predictions
    are equal to the last bit. Scores of one template and some images are held at a time.

    Raises:
        UserError: a label is out of range or features are not finite.
    """
    rows = labelled_rows(images, len(classifiers.ensemble.column), where)
    assert images.labels is not None
    # Rows without a label were never filled.
    every = (*classifiers.single, classifiers.ensemble, *classifiers.beside)
    kept, templates = answers_of(images, every, model, where)[rows], len(classifiers.single)
    each = np.ascontiguousarray(kept[:, :templates])
    return TemplateAnswers(rows, images.labels[rows], each, kept[:, templates].copy(), kept[:, templates + 1 :].copy())


def answers_of(images: ImageSet, every: Sequence[TextClassifier], model: ModelInfo, where: str) -> NDArray[np.int32]:
    """Return (n images, K) class indices of K classifiers, the label where it is right; only labelled rows are filled.

    Raises:
        UserError: features are not finite.
    """
    labels = images.labels
    assert labels is not None
    predictions = np.empty((len(images), len(every)), np.int32)
    sizes = [rows_at_a_time(len(classifier.vectors)) for classifier in every]
    for size in dict.fromkeys(sizes):
        places = [place for place, own in enumerate(sizes) if own == size]
        for start, vectors in unit_chunks(images, size, model, where):
            some = start + np.flatnonzero(labels[start : start + len(vectors)] >= 0)
            for place in places:
                logits = class_logits(vectors, every[place], model)[some - start]
                predictions[some, place] = predict(labels[some], logits, every[place])
    return predictions
