"""Draws of a few labelled examples of each class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import Float32Array, IntArray
from clipbench.errors import UserError, listed
from clipbench.heads.problem import Problem, class_targets
from clipbench.tasks.holdout import first_of_each_class
from clipbench.tasks.probe.labelled import FeatureView, LabelledImages


@dataclass(frozen=True)
class FewExamples:
    """A few labelled examples."""

    ids: tuple[str, ...]
    features: Float32Array
    """(n, D) float32."""
    labels: IntArray
    """(n,), every class among them."""
    classes: int

    @property
    def root_mean_square(self) -> float:
        """Of the lengths of the features; 1 where all are zero."""
        return float(np.sqrt(np.square(self.features, dtype=np.float64).sum(axis=1).mean())) or 1.0

    def scaled(self) -> FewExamples:
        """Return the examples with features of root mean square length 1, so that a C means the same of any model."""
        return replace(self, features=(self.features / self.root_mean_square).astype(np.float32))

    def problem(self, rows: NDArray[Any], device: str) -> Problem:
        """Return the problem of some of the examples, which show every class."""
        targets, outputs = class_targets(self.labels[rows], self.classes)
        return Problem.of(self.features[rows], targets, outputs, device=device)


@dataclass(frozen=True)
class FewShotSampler:
    """Draws examples of each class, for each of several seeds."""

    training: LabelledImages
    """With every class among them."""
    shots: int
    """Examples of each class; all where a class has fewer."""

    @property
    def short(self) -> str:
        """The classes with fewer examples, and how many they have; '' if there are none."""
        counts, classes = np.bincount(self.training.targets), self.training.dataset.classes
        places = np.flatnonzero(counts < self.shots).tolist()
        return listed([f"{classes[index]} ({counts[index]})" for index in places])

    @property
    def pool_share(self) -> float:
        """The part of a class's examples that a draw holds, averaged over classes."""
        counts = np.bincount(self.training.targets)
        return float(np.mean(np.minimum(self.shots, counts) / counts))

    def require_enough(self) -> None:
        """Raise a UserError that names the classes with fewer examples than are asked for."""
        if self.short:
            problem = f"few_shot with {self.shots} shots: there are fewer images of {self.short}"
            fix = "ask for fewer shots, raise --limit, or set allow_fewer: true to use all that there are"
            raise UserError(problem, where=self.training.where, fix=fix)

    def draw(self, seeds: int, view: FeatureView) -> Iterator[FewExamples]:
        """Draw for each of the seeds 0, 1, ...

        Draws depend on ids, labels and the seed alone, and those of 2 a class are among those of 4. Only their
        features are held, read in one go.
        """
        ids, labels = self.training.ids, self.training.targets
        draws = [first_of_each_class(ids, labels, self.shots, seed) for seed in range(seeds)]
        union = np.unique(np.concatenate(draws))
        features = view.gather(self.training.part(union))
        for places in draws:
            drawn = tuple(ids[place] for place in places.tolist()), features[np.searchsorted(union, places)]
            yield FewExamples(*drawn, labels[places], len(self.training.dataset.classes))
