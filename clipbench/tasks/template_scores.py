"""What every prompt template alone, and all of them together, predict for each labelled image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clipbench.errors import UserError
from clipbench.tasks.base import FloatArray, ImageSet, IntArray
from clipbench.tasks.classifier import TextClassifier, text_classifier
from clipbench.tasks.decisions import class_logits, labelled_rows, predict, rows_at_a_time, unit_chunks
from clipbench.tasks.prompted import PromptedClasses

if TYPE_CHECKING:
    from clipbench.models.base import ModelInfo


@dataclass(frozen=True)
class TemplateClassifiers:
    """A text classifier for each of T templates, and the ensemble's."""

    single: tuple[TextClassifier, ...]
    ensemble: TextClassifier


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

    @property
    def correct(self) -> NDArray[np.bool_]:
        """(n, T) whether each template is right."""
        right: NDArray[np.bool_] = self.predictions == self.labels[:, None]
        return right


def template_count(prompts: PromptedClasses, where: str) -> int:
    """Return T, the number of prompts of each class.

    Raises:
        UserError: there is only one, or classes have different numbers of them.
    """
    counts = [len(strings) for strings in prompts.strings]
    fewest, most = min(counts), max(counts)
    if fewest != most:
        raise UserError(
            f"prompts {prompts.name!r} have {fewest} prompts for {prompts.classes[counts.index(fewest)]!r} and {most} "
            f"for {prompts.classes[counts.index(most)]!r}: prompt_sensitivity compares template by template",
            where=where,
            fix="use prompts with templates and no descriptions, or describe every class equally often",
        )
    if most < 2:
        raise UserError(
            f"prompts {prompts.name!r} have one template: prompt_sensitivity compares several",
            where=where,
            fix="name a prompt set of several templates, e.g. imagenet-80 or imagenet-7",
        )
    return most


def template_classifiers(
    prompts: PromptedClasses, text: Callable[[Sequence[str]], FloatArray], model: str
) -> TemplateClassifiers:
    """Make the classifiers just as zero-shot makes one of each template alone, and one of all.

    Args:
        prompts: C classes with T strings each.
        text: (strings) -> (strings, D) features.
        model: its name, for messages.

    Raises:
        UserError: the features of a text are NaN, infinite or all zero.
    """
    alone = (
        replace(prompts, strings=tuple((strings[place],) for strings in prompts.strings))
        for place in range(len(prompts.strings[0]))
    )
    single = tuple(text_classifier(one, text, model) for one in alone)
    return TemplateClassifiers(single, text_classifier(prompts, text, model))


def joined_templates(
    prompts: PromptedClasses, positions: Sequence[int], text: Callable[[Sequence[str]], FloatArray], model: str
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
    """Classify every labelled image with every template, and with all of them.

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
    kept = answers_of(images, (*classifiers.single, classifiers.ensemble), model, where)[rows]
    return TemplateAnswers(rows, images.labels[rows], np.ascontiguousarray(kept[:, :-1]), kept[:, -1].copy())


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
