"""What a head is fitted and chosen on: training and validation features in one array, and the validation score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from clipbench.arrays import Float32Array, IntArray
from clipbench.errors import UserError
from clipbench.heads.logistic import memory
from clipbench.heads.problem import Head, class_targets, outputs_for
from clipbench.metrics.accuracy import class_counts, mean_per_class_recall, true_class_ranks
from clipbench.metrics.average_precision import average_precision, average_precision_11point
from clipbench.tasks.base import DatasetFacts, ImageSet, Inputs, Memory
from clipbench.tasks.holdout import stratified
from clipbench.tasks.probe.feature_settings import FeatureSettings, require_training
from clipbench.tasks.probe.labelled import (
    FeatureView,
    class_labels,
    present_classes,
    require_both_answers,
    require_every_class,
)
from clipbench.tasks.requirements import require_split

VALIDATION_NAMES = ("val", "validation", "valid", "dev")
"""What a validation split is called, where the settings do not say."""

_AVERAGES = {"map": average_precision, "map_voc2007_11point": average_precision_11point}


class SearchSettings(FeatureSettings):
    """Settings of a head whose penalty is chosen on validation data."""

    val_split: str | None = Field(
        default=None,
        description="The split that C is chosen on. Left out: one called val, validation, valid or dev; where there "
        "is none, a part of train.",
    )
    val_fraction: float = Field(
        default=0.2, gt=0, lt=1, description="The part of each class of train that is held out where there is no "
        "validation split."
    )  # fmt: skip
    seed: int = Field(default=0, description="Of that choice, which depends on the images' ids alone.")
    C: float | None = Field(
        default=None,
        gt=0,
        description="Inverse strength of the L2 penalty (1 / lambda). Left out: chosen by the paper's search.",
    )
    max_iterations: int = Field(default=1000, gt=0, description="Of L-BFGS, for each fit.")


def validation_split(settings: SearchSettings, dataset: DatasetFacts) -> str | None:
    """Return the split that C is chosen on; None where it is a part of train, or C is fixed.

    Raises:
        UserError: the one that the settings name does not exist, or is trained or tested on.
    """
    if settings.val_split is not None:
        require_split(dataset, settings.val_split)
        if settings.val_split in (settings.split, settings.train_split):
            raise UserError(
                f"val_split: C would be chosen on the split that is {_role(settings)}, {settings.val_split!r}",
                where=dataset.name,
                fix="name another, or leave val_split out to hold out a part of train",
            )
        return settings.val_split
    taken = (settings.split, settings.train_split)
    return next((name for name in VALIDATION_NAMES if name in dataset.splits and name not in taken), None)


def _role(settings: SearchSettings) -> str:
    return "tested on" if settings.val_split == settings.split else "fitted on"


def needed_splits(settings: SearchSettings, dataset: DatasetFacts, task: str) -> tuple[str, ...]:
    """Return train, validation where there is one, and test.

    Raises:
        UserError: the data set cannot be learnt from and tested on.
    """
    require_training(settings, dataset, task)
    validation = validation_split(settings, dataset)
    return (settings.train_split, *([validation] if validation else []), settings.split)


def fit_memory(settings: SearchSettings, dataset: DatasetFacts) -> Memory:
    """Return what a fit on train and validation holds at once."""
    classes = len(dataset.classes)
    outputs = classes if dataset.multilabel else outputs_for(classes)

    def needed(counts: Mapping[str, int], width: int) -> int:
        return memory(sum(count for split, count in counts.items() if split != settings.split), width, outputs)

    return needed


@dataclass(frozen=True)
class TrainingSet:
    """Training examples first, then those that are held out while C is chosen."""

    features: Float32Array
    """(n, D) float32."""
    targets: NDArray[Any]
    """As `clipbench.heads.problem.Problem` takes them."""
    outputs: int
    n_fit: int
    """How many examples come first."""
    chosen_on: str
    """Where C is chosen, in words."""
    metric: str
    """What it is chosen by: 'top1', 'mean_per_class_recall', 'map', ..."""

    def score(self, head: Head) -> float:
        """Return the score of a head on the held-out examples."""
        scores = head.class_scores(self.features[self.n_fit :])
        if self.metric in _AVERAGES:
            average, present = _AVERAGES[self.metric], self.targets[self.n_fit :] > 0
            seen = np.flatnonzero(present.any(axis=0))
            return float(np.mean([average(scores[:, place], present[:, place]) for place in seen]))
        return self._accuracy(scores)

    def _accuracy(self, scores: Float32Array) -> float:
        classes = scores.shape[1]
        labels = self.targets[self.n_fit :].reshape(len(scores)).astype(np.int64)
        # As in every metric here, a tie is no right answer.
        right = true_class_ranks(scores, labels, np.ones(classes, np.int64)) == 1
        if self.metric == "mean_per_class_recall":
            return float(mean_per_class_recall(*class_counts(labels, right, classes)))
        return float(right.mean())


def training_set(inputs: Inputs, settings: SearchSettings, view: FeatureView, *, hold_out: bool) -> TrainingSet:
    """Load what a head is fitted on, checked.

    Args:
        inputs: with the splits that `needed_splits` names.
        settings: which splits, and what part is held out.
        view: which features.
        hold_out: whether a part of train is to be held out where there is no validation split.

    Raises:
        UserError: a class has no training image, a label is out of range, or features are not finite.
    """
    dataset, name = inputs.dataset, validation_split(settings, inputs.dataset)
    train = inputs.sets[settings.train_split]
    place = f"{dataset.name}, split {settings.train_split}"
    read = _multi_label if dataset.multilabel else _single_label
    rows, targets = read(train, dataset, place, True)
    if name is not None:
        other = inputs.sets[name], f"{dataset.name}, split {name}"
        held_rows, held_targets = read(other[0], dataset, other[1], False)
        parts = [(train, place, rows), (*other, held_rows)]
        return _assemble(view, parts, [targets, held_targets], dataset, name)
    if not hold_out:
        return _assemble(view, [(train, place, rows)], [targets], dataset, "")
    ids = [train.ids[row] for row in rows.tolist()]
    groups = np.zeros(len(rows), np.int64) if dataset.multilabel else targets
    chosen = stratified(ids, groups, settings.val_fraction, settings.seed)
    if not len(chosen):
        raise UserError(
            "every class has a single image, so none can be held out to choose on",
            where=place,
            fix="add images, or name a val_split",
        )
    kept = np.setdiff1d(np.arange(len(rows)), chosen)
    # Of both parts the features are read in one go, into their places.
    parts = [(train, place, np.concatenate([rows[kept], rows[chosen]]))]
    where = f"{_share(settings.val_fraction)} of {settings.train_split}, stratified, seed {settings.seed}"
    return _assemble(view, parts, [targets[kept], targets[chosen]], dataset, where)


def _single_label(
    images: ImageSet, dataset: DatasetFacts, where: str, every_class: bool
) -> tuple[IntArray, NDArray[Any]]:
    rows, labels = class_labels(images, dataset, where)
    if every_class:
        require_every_class(labels, dataset, where)
    return rows, labels


def _multi_label(
    images: ImageSet, dataset: DatasetFacts, where: str, every_class: bool
) -> tuple[IntArray, NDArray[Any]]:
    present = present_classes(images, dataset, where)
    if every_class:
        require_both_answers(present, dataset, where)
    elif not present.any():
        raise UserError("no image shows any class", where=where, fix="choose another val_split")
    return np.arange(len(images)), present.astype(np.float32)


def _assemble(
    view: FeatureView,
    parts: Sequence[tuple[ImageSet, str, IntArray]],
    targets: Sequence[NDArray[Any]],
    dataset: DatasetFacts,
    chosen_on: str,
) -> TrainingSet:
    total = sum(len(rows) for _, _, rows in parts)
    features = np.empty((total, view.width(parts[0][0])), np.float32)
    start = 0
    for images, where, rows in parts:
        view.gather(images, rows, where, out=features[start : start + len(rows)])
        start += len(rows)
    joined, classes = np.concatenate(targets), len(dataset.classes)
    shaped, outputs = (joined, classes) if dataset.multilabel else class_targets(joined, classes)
    return TrainingSet(features, shaped, outputs, len(targets[0]), chosen_on, _metric(dataset))


def _metric(dataset: DatasetFacts) -> str:
    """Return the metric that C is chosen by: the data set's own where that is one of accuracy or precision."""
    if dataset.multilabel:
        return dataset.main_metric if dataset.main_metric in _AVERAGES else "map"
    return "mean_per_class_recall" if dataset.main_metric == "mean_per_class_recall" else "top1"


def _share(fraction: float) -> str:
    return "a fifth" if fraction == 0.2 else f"{fraction:.4g}"
