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
from clipbench.metrics.accuracy import true_class_ranks
from clipbench.metrics.average_precision import average_precision, average_precision_11point
from clipbench.tasks.base import DatasetFacts, Inputs, Memory
from clipbench.tasks.holdout import shuffled_by_class, stratified
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
    hold_outs: int = Field(
        default=5,
        gt=0,
        description="On how many hold-outs of equal size C is searched for, to show how far the choice hangs on them; "
        "the first alone decides.",
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
    """Training examples first, then those that are held out while C is chosen.

    Wherever a run of rows is held out, about the same share of each class is.
    """

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
    first_held: int = 0
    """Rows before this one are their class's only training example, and never held out."""

    @property
    def deciding(self) -> slice:
        """The rows that are held out while C is chosen."""
        return slice(self.n_fit, len(self.features))

    def hold_outs(self, count: int) -> list[slice]:
        """Return at most `count` hold-outs of equal size: the deciding one, then others, disjoint where there is room.

        One that would leave a class without an example, or a label without examples for and against, is left out.
        """
        size = len(self.features) - self.n_fit
        # The last start is the deciding hold-out's.
        starts = np.unique(np.linspace(self.first_held, self.n_fit, count)[: count - 1].astype(int)).tolist()
        runs = (slice(start, start + size) for start in starts if start < self.n_fit)
        return [self.deciding, *(run for run in runs if self._can_learn_without(run))]

    def _can_learn_without(self, held: slice) -> bool:
        kept = np.concatenate([self.targets[: held.start], self.targets[held.stop :]])
        if kept.ndim == 1:
            return len(np.unique(kept)) == self.outputs
        return bool((kept.any(axis=0) & ~kept.all(axis=0)).all())

    def score(self, head: Head, held: slice | None = None) -> float:
        """Return the score of a head on held-out rows, by default the deciding ones."""
        held = held or self.deciding
        return self.score_of(head.class_scores(self.features[held]), held)

    def score_of(self, scores: Float32Array, held: slice) -> float:
        """Return the score of (rows, C) class scores; as in every metric, a tie is no right answer."""
        targets = self.targets[held]
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
        mixed, single = _mixed(train, settings.seed)
        return _assemble(view, (mixed, _mixed(held, settings.seed)[0]), len(train.rows), name, single)
    if not hold_out:
        return _assemble(view, (train,), len(train.rows), "")
    groups = _groups(train)
    chosen = stratified(train.ids, groups, settings.val_fraction, settings.seed)
    if not len(chosen):
        problem = "every class has a single image, so none can be held out to choose on"
        raise UserError(problem, where=train.where, fix="add images, or name a val_split")
    kept = np.setdiff1d(np.arange(len(train.rows)), chosen)
    share = "a fifth" if settings.val_fraction == 0.2 else f"{settings.val_fraction:.4g}"
    words = f"{share} of {settings.train_split}, stratified, seed {settings.seed}"
    order, single = _order([train.ids[place] for place in kept.tolist()], groups[kept], settings.seed)
    # Of both parts the features are read in one go, into their places.
    return _assemble(view, (train.part(np.concatenate([kept[order], chosen])),), len(kept), words, single)


def _groups(labelled: LabelledImages) -> IntArray:
    """Return what is to be in the same shares in every part: classes; of a multi-label set there are none."""
    return np.zeros(len(labelled.rows), np.int64) if labelled.dataset.multilabel else labelled.targets


def _mixed(labelled: LabelledImages, seed: int) -> tuple[LabelledImages, int]:
    order, single = _order(labelled.ids, _groups(labelled), seed)
    return labelled.part(order), single


def _order(ids: Sequence[str], groups: IntArray, seed: int) -> tuple[IntArray, int]:
    """Return an order in which every run has about the same share of each group, and how many only ones come first."""
    places, rank = shuffled_by_class(ids, groups, seed)
    size = np.bincount(groups)[groups[places]]
    share = np.where(size == 1, 0.0, (rank + 0.5) / size)
    return places[np.argsort(share, kind="stable")], int((size == 1).sum())


def _assemble(
    view: FeatureView, parts: tuple[LabelledImages, ...], n_fit: int, chosen_on: str, first_held: int = 0
) -> TrainingSet:
    dataset, total = parts[0].dataset, sum(len(part.rows) for part in parts)
    features = np.empty((total, view.width(parts[0].images)), np.float32)
    start = 0
    for part in parts:
        view.gather(part, out=features[start : start + len(part.rows)])
        start += len(part.rows)
    targets, classes = np.concatenate([part.targets for part in parts]), len(dataset.classes)
    if dataset.multilabel:
        metric = dataset.main_metric if dataset.main_metric in _AVERAGES else "map"
        return TrainingSet(features, targets, classes, n_fit, chosen_on, metric, first_held)
    return TrainingSet(features, *class_targets(targets, classes), n_fit, chosen_on, choice_metric(dataset), first_held)
