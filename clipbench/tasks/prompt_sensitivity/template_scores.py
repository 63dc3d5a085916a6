"""What every prompt template alone, and all of them together, predict for each labelled image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import BoolArray, Float32Array, IntArray
from clipbench.tasks.base import ImageSet, Inputs
from clipbench.tasks.classify.classifier import TextClassifier, text_classifier
from clipbench.tasks.classify.decisions import class_logits, labelled_rows, predict, rows_at_a_time, unit_chunks
from clipbench.tasks.prompt_sensitivity.prompt_grid import PromptGrid

if TYPE_CHECKING:
    from clipbench.models.base import ModelInfo


@dataclass(frozen=True)
class TemplateClassifiers:
    """A text classifier for each of T templates, the ensemble's, and one for each of B extra templates."""

    single: tuple[TextClassifier, ...]
    ensemble: TextClassifier
    extra: tuple[TextClassifier, ...] = ()


@dataclass(frozen=True)
class TemplateScores:
    """What T templates, all of them together and B extra ones make of a split: one row a labelled image."""

    split: str
    ids: Sequence[str]
    """(n,)"""
    rows: IntArray
    """(n,) the image's place in its set."""
    labels: IntArray
    """(n,)"""
    predictions: NDArray[np.int32]
    """(n, T) class indices; the label where, and only where, the template is right."""
    ensemble: NDArray[np.int32]
    """(n,) predictions of all templates together."""
    extra: NDArray[np.int32]
    """(n, B) predictions of the extra templates."""
    clusters: IntArray | None = None
    """(n,) codes where images come in clusters."""

    @cached_property
    def correct(self) -> BoolArray:
        """(n, T) whether each template is right."""
        return np.asarray(self.predictions == self.labels[:, None])

    @cached_property
    def every_correct(self) -> BoolArray:
        """(n, T + B) whether each template is right, the extra ones last."""
        return np.concatenate([self.correct, self.extra == self.labels[:, None]], axis=1)

    @property
    def ensemble_correct(self) -> BoolArray:
        """(n,) whether all templates together are right."""
        return np.asarray(self.ensemble == self.labels)


def template_classifiers(
    grid: PromptGrid, text: Callable[[Sequence[str]], Float32Array], model: str, names: int = 0
) -> TemplateClassifiers:
    """Make the classifiers just as zero-shot makes one of each template alone, and one of all.

    `names` is a list of the grid's names: for all but the canonical one the extra templates are left out.
    """
    prompts = grid.named(names)
    extra = () if names else tuple(template.prompts for template in grid.extra)
    # Read at once: the strings of one template lie in all files.
    strings = dict.fromkeys(string for part in (prompts, *extra) for row in part.strings for string in row)
    place, features = {string: row for row, string in enumerate(strings)}, text(tuple(strings))

    def known(wanted: Sequence[str]) -> Float32Array:
        return features[[place[string] for string in wanted]]

    alone = (
        replace(prompts, strings=tuple((row[position],) for row in prompts.strings))
        for position in range(len(grid.templates))
    )
    single = tuple(text_classifier(template, known, model) for template in alone)
    others = tuple(text_classifier(template, known, model) for template in extra)
    return TemplateClassifiers(single, text_classifier(prompts, known, model), others)


def score_templates(inputs: Inputs, split: str, classifiers: TemplateClassifiers) -> TemplateScores:
    """Classify every labelled image of a split with every template, with all of them, and with the extra ones.

    The matrix products have the shapes that they have in a zero-shot job of the template alone, so that predictions
    are equal to the last bit. Scores of one template and some images are held at a time.
    """
    images, where = inputs.sets[split], place_of(inputs, split)
    rows = labelled_rows(images, len(classifiers.ensemble.column), where)
    assert images.labels is not None
    every = (*classifiers.single, classifiers.ensemble, *classifiers.extra)
    # Rows without a label were never filled.
    found, templates = predictions_of(images, every, inputs.model, where)[rows], len(classifiers.single)
    return TemplateScores(
        split=split,
        ids=[images.ids[row] for row in rows.tolist()],
        rows=rows,
        labels=images.labels[rows],
        predictions=np.ascontiguousarray(found[:, :templates]),
        ensemble=found[:, templates].copy(),
        extra=found[:, templates + 1 :].copy(),
        clusters=images.clusters_of(rows),
    )


def place_of(inputs: Inputs, split: str) -> str:
    """Return data set and split, for messages."""
    return f"{inputs.dataset.name}, split {split}"


def predictions_of(
    images: ImageSet, classifiers: Sequence[TextClassifier], model: ModelInfo, where: str
) -> NDArray[np.int32]:
    """Return (n images, K) class indices of K classifiers, the label where right; unlabelled rows are not filled."""
    labels = images.labels
    assert labels is not None
    predictions = np.empty((len(images), len(classifiers)), np.int32)
    sizes = [rows_at_a_time(len(classifier.vectors)) for classifier in classifiers]
    for size in dict.fromkeys(sizes):
        places = [place for place, rows in enumerate(sizes) if rows == size]
        for start, vectors in unit_chunks(images, size, model, where):
            labelled = start + np.flatnonzero(labels[start : start + len(vectors)] >= 0)
            for place in places:
                logits = class_logits(vectors, classifiers[place], model)[labelled - start]
                predictions[labelled, place] = predict(labels[labelled], logits, classifiers[place])
    return predictions
