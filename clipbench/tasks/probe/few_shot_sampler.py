"""Draws of a few labelled examples of each class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import Float32Array, IntArray
from clipbench.errors import UserError
from clipbench.heads.problem import Problem, class_targets
from clipbench.tasks.base import DatasetFacts, ImageSet
from clipbench.tasks.holdout import first_of_each_class
from clipbench.tasks.probe.labelled import FeatureView, class_labels, require_every_class
from clipbench.tasks.wording import listed


@dataclass(frozen=True)
class FewExamples:
    """A few labelled examples."""

    ids: tuple[str, ...]
    features: Float32Array
    """(n, D) float32."""
    labels: IntArray
    """(n,), every class among them."""
    classes: int

    def problem(self, rows: NDArray[Any], device: str) -> Problem:
        """Return the problem of some of the examples, which show every class."""
        targets, outputs = class_targets(self.labels[rows], self.classes)
        return Problem.of(self.features[rows], targets, outputs, device=device)


@dataclass(frozen=True)
class Pool:
    """The labelled training examples that draws are taken from."""

    images: ImageSet
    rows: IntArray
    """(n,) places of the labelled ones among the images."""
    labels: IntArray
    """(n,)"""
    dataset: DatasetFacts
    where: str
    """Data set and split, for messages."""

    @classmethod
    def of(cls, images: ImageSet, dataset: DatasetFacts, where: str) -> Pool:
        """Check labels.

        Raises:
            UserError: a label is out of range, or a class has no example.
        """
        rows, labels = class_labels(images, dataset, where)
        require_every_class(labels, dataset, where)
        return cls(images, rows, labels, dataset, where)

    def short(self, shots: int) -> str:
        """Return the classes with fewer examples than `shots`, and how many they have; '' if there are none."""
        counts = np.bincount(self.labels)
        classes = self.dataset.classes
        return listed([f"{classes[index]} ({counts[index]})" for index in np.flatnonzero(counts < shots).tolist()])

    def require(self, shots: int) -> None:
        """Stop if a class has fewer examples than are asked for.

        Raises:
            UserError: naming the classes and how many examples they have.
        """
        short = self.short(shots)
        if short:
            raise UserError(
                f"few_shot with {shots} shots: there are fewer images of {short}",
                where=self.where,
                fix="ask for fewer shots, raise --limit, or set allow_fewer: true to use all that there are",
            )

    def draw(self, shots: int, seeds: int, view: FeatureView) -> Iterator[FewExamples]:
        """Draw examples of each class for each of the seeds 0, 1, ...; all where a class has fewer.

        They depend on ids, labels and the seed alone, and those of 2 a class are among those of 4. Only their
        features are held, read in one go.

        Raises:
            UserError: features are not finite.
        """
        ids = [self.images.ids[row] for row in self.rows.tolist()]
        draws = [first_of_each_class(ids, self.labels, shots, seed) for seed in range(seeds)]
        union = np.unique(np.concatenate(draws))
        features = view.gather(self.images, self.rows[union], self.where)
        for places in draws:
            drawn_ids = tuple(ids[place] for place in places.tolist())
            drawn = features[np.searchsorted(union, places)]
            yield FewExamples(drawn_ids, drawn, self.labels[places], len(self.dataset.classes))
