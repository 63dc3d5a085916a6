"""Labelled features, checked before anything is fitted on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import BoolArray, Float32Array, IntArray
from clipbench.errors import UserError, listed
from clipbench.metrics.accuracy import class_counts, mean_per_class_recall
from clipbench.metrics.vectors import unit_rows
from clipbench.tasks.base import DatasetFacts, Feature, ImageSet, Inputs
from clipbench.tasks.classify.decisions import labelled_rows
from clipbench.tasks.classify.multi_label import presence
from clipbench.tasks.probe.feature_settings import FeatureSettings, stored_feature

if TYPE_CHECKING:
    from clipbench.models.base import ModelInfo


@dataclass(frozen=True)
class LabelledImages:
    """The images of a split that have a label; all of them where the set is multi-label."""

    images: ImageSet
    rows: IntArray
    """(n,) their places among the images."""
    targets: NDArray[Any]
    """(n,) int64 classes; (n, C) float32 of 0 and 1 where the set is multi-label."""
    dataset: DatasetFacts
    where: str
    """Data set and split, for messages."""

    @classmethod
    def of(cls, inputs: Inputs, split: str) -> Self:
        """Collect those of a split; errors as for `labelled_rows` and `presence`."""
        images, dataset = inputs.sets[split], inputs.dataset
        where, classes = f"{dataset.name}, split {split}", len(dataset.classes)
        if dataset.multilabel:
            present = presence(images, classes, where).astype(np.float32)
            return cls(images, np.arange(len(images)), present, dataset, where)
        rows = labelled_rows(images, classes, where)
        assert images.labels is not None
        return cls(images, rows, images.labels[rows], dataset, where)

    @property
    def ids(self) -> list[str]:
        """The n ids."""
        return [self.images.ids[row] for row in self.rows.tolist()]

    @property
    def unlabelled(self) -> int:
        """How many images of the split have no label."""
        return len(self.images) - len(self.rows)

    def part(self, places: IntArray) -> Self:
        """Return those at some of the n places, in that order."""
        return replace(self, rows=self.rows[places], targets=self.targets[places])

    def require_every_class(self) -> None:
        """Raise a UserError naming the classes without an example or, in a multi-label set, shown by every image."""
        if self.dataset.multilabel:
            counts = self.targets.sum(axis=0)
            for what, bad in (("no image shows", counts == 0), ("every image shows", counts == len(self.targets))):
                if names := self._listed(bad):
                    fix = "a head cannot learn that: add images or raise --limit"
                    raise UserError(f"{what} {names}", where=self.where, fix=fix)
            return
        counts = np.bincount(self.targets, minlength=len(self.dataset.classes))
        absent = int(np.count_nonzero(counts == 0))
        if absent == len(counts) - 1:
            only, fix = self.dataset.classes[int(np.argmax(counts))], "there is nothing to tell apart"
            raise UserError(f"every image is of one class, {only!r}", where=self.where, fix=fix)
        if absent:
            raise UserError(
                f"{absent} of {len(counts)} classes have no image: {self._listed(counts == 0)}",
                where=self.where,
                fix="they cannot be learnt: add images, raise --limit or leave the classes out",
            )

    def _listed(self, classes: BoolArray) -> str:
        return listed([self.dataset.classes[index] for index in np.flatnonzero(classes).tolist()])


@dataclass(frozen=True)
class FeatureView:
    """How a task looks at features: which ones, and whether they are scaled to length 1."""

    name: Feature
    normalise: bool
    model: str
    """The model's name, for messages."""

    @classmethod
    def of(cls, settings: FeatureSettings, model: ModelInfo) -> Self:
        """Return the view that settings ask for; that the model has the features was checked before."""
        return cls(stored_feature(settings, model, settings.task), settings.normalise, model.name)

    def chunks(self, images: ImageSet, where: str, rows: int = 4096) -> Iterator[tuple[int, Float32Array]]:
        """Iterate over (first row, (<= rows, D) float32 features), in order.

        Raises:
            UserError: features are not finite or, where they are to be scaled, all zero.
        """
        for start, chunk in images.features[self.name].chunks(rows):
            units, bad = unit_rows(chunk) if self.normalise else (chunk, ~np.isfinite(chunk).all(axis=1))
            if bad.any():
                ids = [images.ids[start + place] for place in np.flatnonzero(bad).tolist()]
                what = "NaN, infinite or all zero" if self.normalise else "NaN or infinite"
                raise UserError(
                    f"features that are {what}: {len(ids):,} of the images from {start:,} on, the first {ids[0]!r}",
                    where=f"{self.model}, {where}",
                    fix="try --precision float32; if that does not help, check the weights",
                )
            yield start, units

    def width(self, images: ImageSet) -> int:
        """Return D."""
        return images.features[self.name].shape[1]

    def gather(self, labelled: LabelledImages, out: Float32Array | None = None) -> Float32Array:
        """Return the (n, D) float32 features of labelled images, each at most once, written to `out` if it is given."""
        images, rows = labelled.images, labelled.rows
        found = np.empty((len(rows), self.width(images)), np.float32) if out is None else out
        place = np.full(len(images), -1, np.int64)
        place[rows] = np.arange(len(rows))
        for start, chunk in self.chunks(images, labelled.where):
            places = place[start : start + len(chunk)]
            found[places[places >= 0]] = chunk[places >= 0]
        return found


def choice_metric(dataset: DatasetFacts) -> str:
    """Return the accuracy that anything is chosen by: mean per-class recall where the data set declares it."""
    return "mean_per_class_recall" if dataset.main_metric == "mean_per_class_recall" else "top1"


def answer_score(metric: str, labels: IntArray, right: BoolArray, classes: int) -> float:
    """Return 'top1' or 'mean_per_class_recall' of (n,) answers."""
    if metric == "mean_per_class_recall":
        return float(mean_per_class_recall(*class_counts(labels, right, classes)))
    return float(right.mean())
