"""Heads between a text classifier and one that is fitted from there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from clipbench.heads.logistic import Fit, fit
from clipbench.heads.path import PenaltyPath, search_path
from clipbench.heads.problem import Head, Problem
from clipbench.tasks.classifier import TextClassifier
from clipbench.tasks.training_set import TrainingSet


def text_head(classifier: TextClassifier, logit_scale: float) -> Head:
    """Return the text classifier as a head without an intercept; of two classes, the second minus the first."""
    weight = logit_scale * classifier.vectors[classifier.column].astype(np.float64)
    rows = weight[1:] - weight[:1] if len(weight) == 2 else weight
    return Head(rows, np.zeros(len(rows)))


@dataclass(frozen=True)
class Interpolation:
    """Fitted heads and the one that they started at."""

    origin: Head
    path: PenaltyPath | None
    """Of the search for C; None where it was given."""
    C: float
    part: Fit
    """With this C, on the examples that are not held out."""
    final: Fit
    """On all."""
    seconds: Mapping[str, float]

    def at(self, alpha: float, *, on_part: bool = False) -> Head:
        """Return alpha * fitted + (1 - alpha) * origin.

        Args:
            alpha: 0 to 1.
            on_part: whether to take the head that has not seen the held-out examples.
        """
        fitted = self.part.head if on_part else self.final.head
        weight = alpha * fitted.weight + (1 - alpha) * self.origin.weight
        return Head(weight, alpha * fitted.bias + (1 - alpha) * self.origin.bias)

    def notes(self) -> Iterator[str]:
        """Yield what a reader must know of how the fitting went."""
        if not self.final.converged:
            yield f"The fit at C = {self.C:g} had not converged after {self.final.iterations} iterations."
        if self.path is None:
            return
        if self.path.at_edge:
            yield f"The best C, {self.C:g}, is at the edge of the grid: a better one may lie outside."
        open_fits = sum(not point.fit.converged for point in self.path.points)
        if open_fits:
            yield f"{open_fits} of {len(self.path.points)} fits of the search had not converged."


def interpolation(
    training: TrainingSet,
    origin: Head,
    C: float | None,  # noqa: N803 - the field's and scikit-learn's name
    *,
    towards_origin: bool,
    device: str,
    max_iterations: int,
) -> Interpolation:
    """Fit without an intercept from a head on, first on the part that is not held out, then on all.

    Args:
        training: with held-out examples.
        origin: where the fit starts.
        C: inverse strength of the penalty; None: chosen by the paper's search on the held-out examples.
        towards_origin: whether the penalty is on the distance from `origin`, else from zero.
        device: where torch may compute.
        max_iterations: of each fit.
    """
    towards = origin.weight if towards_origin else None
    arrays = training.features, training.targets, training.outputs
    whole = Problem.of(*arrays, device=device, intercept=False, towards=towards)
    first = whole.first(training.n_fit)
    started = time.perf_counter()
    path = None
    if C is None:
        path = search_path(first, fit, training.score, origin, max_iterations=max_iterations)
        chosen, part = path.best.C, path.best.fit
    else:
        chosen, part = C, fit(first, C, origin, max_iterations=max_iterations)
    searched = time.perf_counter()
    final = fit(whole, chosen, part.head, final=True, max_iterations=max_iterations)
    seconds = {"search": searched - started, "refit": time.perf_counter() - searched}
    return Interpolation(origin, path, chosen, part, final, seconds)
