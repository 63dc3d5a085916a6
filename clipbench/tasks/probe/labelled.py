"""Labelled features in memory, checked before anything is fitted on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from clipbench.arrays import BoolArray, Float32Array, IntArray
from clipbench.errors import UserError
from clipbench.metrics.vectors import unit_rows
from clipbench.tasks.base import DatasetFacts, Feature, ImageSet
from clipbench.tasks.classify.decisions import labelled_rows
from clipbench.tasks.classify.multi_label import presence
from clipbench.tasks.wording import listed


@dataclass(frozen=True)
class FeatureView:
    """How a task looks at features: which ones, and whether they are scaled to length 1."""

    name: Feature
    normalise: bool
    model: str
    """The model's name, for messages."""

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

    def gather(self, images: ImageSet, rows: IntArray, where: str, out: Float32Array | None = None) -> Float32Array:
        """Return the (n, D) float32 features of some rows, in the order of `rows`, each at most once.

        Args:
            images: whose features.
            rows: n of them.
            where: data set and split, for messages.
            out: where to write them; else a new array.
        """
        found = np.empty((len(rows), self.width(images)), np.float32) if out is None else out
        place = np.full(len(images), -1, np.int64)
        place[rows] = np.arange(len(rows))
        for start, chunk in self.chunks(images, where):
            places = place[start : start + len(chunk)]
            found[places[places >= 0]] = chunk[places >= 0]
        return found


def class_labels(images: ImageSet, dataset: DatasetFacts, where: str) -> tuple[IntArray, IntArray]:
    """Return the rows that have a label, and their labels.

    Raises:
        UserError: a label is out of range, no image has one, or there are no images.
    """
    if not len(images):
        raise UserError("has no readable images", where=where, fix="check the data set's files")
    rows = labelled_rows(images, len(dataset.classes), where)
    assert images.labels is not None
    return rows, images.labels[rows]


def require_every_class(labels: IntArray, dataset: DatasetFacts, where: str) -> None:
    """Stop if a class has no example to learn from.

    Raises:
        UserError: naming the classes that are absent.
    """
    counts = np.bincount(labels, minlength=len(dataset.classes))
    absent = [dataset.classes[index] for index in np.flatnonzero(counts == 0).tolist()]
    if len(absent) == len(dataset.classes) - 1:
        only = dataset.classes[int(np.argmax(counts))]
        raise UserError(f"every image is of one class, {only!r}", where=where, fix="there is nothing to tell apart")
    if absent:
        raise UserError(
            f"{len(absent)} of {len(dataset.classes)} classes have no image: {listed(absent)}",
            where=where,
            fix="they cannot be learnt: add images, raise --limit or leave the classes out",
        )


def present_classes(images: ImageSet, dataset: DatasetFacts, where: str) -> BoolArray:
    """Return (n, C): which classes each image of a multi-label set shows.

    Raises:
        UserError: a label is out of range, there are none, or there are no images.
    """
    if not len(images):
        raise UserError("has no readable images", where=where, fix="check the data set's files")
    return presence(images, len(dataset.classes), where)


def require_both_answers(present: BoolArray, dataset: DatasetFacts, where: str) -> None:
    """Stop if a class of a multi-label set is in no image, or in all.

    Raises:
        UserError: naming the classes.
    """
    counts = present.sum(axis=0)
    for what, bad in (("no image shows", counts == 0), ("every image shows", counts == len(present))):
        names = [dataset.classes[index] for index in np.flatnonzero(bad).tolist()]
        if names:
            raise UserError(
                f"{what} {listed(names)}", where=where, fix="a head cannot learn that: add images or raise --limit"
            )
