"""What a head is fitted and chosen on: training and validation features in one array, and the validation score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from clipbench.arrays import Float32Array
from clipbench.errors import UserError
from clipbench.heads.logistic import memory
from clipbench.heads.problem import Head, class_targets, outputs_for
from clipbench.metrics.accuracy import true_class_ranks
from clipbench.metrics.average_precision import average_precision, average_precision_11point
from clipbench.tasks.base import DatasetFacts, Inputs, Memory
from clipbench.tasks.holdout import stratified
from clipbench.tasks.probe.feature_settings import FeatureSettings, require_training
from clipbench.tasks.probe.labelled import FeatureView, LabelledImages, answer_score, choice_metric
from clipbench.tasks.requirements import validation_split

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

    def validation_split(self, dataset: DatasetFacts) -> str | None:
        """Return the split that C is chosen on; None where it is a part of train, or C is fixed."""
        taken = {self.train_split: "fitted on", self.split: "tested on"}
        return validation_split(self.val_split, dataset, taken, "C")


def needed_splits(settings: SearchSettings, dataset: DatasetFacts, task: str) -> tuple[str, ...]:
    """Return train, validation where there is one, and test; errors as for `require_training`."""
    require_training(settings, dataset, task)
    validation = settings.validation_split(dataset)
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
        """Return the score of a head on the held-out examples; as in every metric, a tie is no right answer."""
        scores, targets = head.class_scores(self.features[self.n_fit :]), self.targets[self.n_fit :]
        if self.metric in _AVERAGES:
            average, present = _AVERAGES[self.metric], targets > 0
            seen = np.flatnonzero(present.any(axis=0))
            return float(np.mean([average(scores[:, place], present[:, place]) for place in seen]))
        labels = targets.reshape(len(scores)).astype(np.int64)
        right = true_class_ranks(scores, labels) == 1
        return answer_score(self.metric, labels, right, scores.shape[1])


def training_set(inputs: Inputs, settings: SearchSettings, view: FeatureView, *, hold_out: bool) -> TrainingSet:
    """Load what a head is fitted on, checked; with `hold_out`, a part of train where there is no validation split."""
    name = settings.validation_split(inputs.dataset)
    train = LabelledImages.of(inputs, settings.train_split)
    train.require_every_class()
    if name is not None:
        held = LabelledImages.of(inputs, name)
        if inputs.dataset.multilabel and not held.targets.any():
            raise UserError("no image shows any class", where=held.where, fix="choose another val_split")
        return _assemble(view, (train, held), len(train.rows), name)
    if not hold_out:
        return _assemble(view, (train,), len(train.rows), "")
    groups = np.zeros(len(train.rows), np.int64) if inputs.dataset.multilabel else train.targets
    chosen = stratified(train.ids, groups, settings.val_fraction, settings.seed)
    if not len(chosen):
        problem = "every class has a single image, so none can be held out to choose on"
        raise UserError(problem, where=train.where, fix="add images, or name a val_split")
    kept = np.setdiff1d(np.arange(len(train.rows)), chosen)
    share = "a fifth" if settings.val_fraction == 0.2 else f"{settings.val_fraction:.4g}"
    words = f"{share} of {settings.train_split}, stratified, seed {settings.seed}"
    # Of both parts the features are read in one go, into their places.
    return _assemble(view, (train.part(np.concatenate([kept, chosen])),), len(kept), words)


def _assemble(view: FeatureView, parts: tuple[LabelledImages, ...], n_fit: int, chosen_on: str) -> TrainingSet:
    dataset, total = parts[0].dataset, sum(len(part.rows) for part in parts)
    features = np.empty((total, view.width(parts[0].images)), np.float32)
    start = 0
    for part in parts:
        view.gather(part, out=features[start : start + len(part.rows)])
        start += len(part.rows)
    targets, classes = np.concatenate([part.targets for part in parts]), len(dataset.classes)
    if dataset.multilabel:
        metric = dataset.main_metric if dataset.main_metric in _AVERAGES else "map"
        return TrainingSet(features, targets, classes, n_fit, chosen_on, metric)
    return TrainingSet(features, *class_targets(targets, classes), n_fit, chosen_on, choice_metric(dataset))
