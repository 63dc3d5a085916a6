"""Heads between a text classifier and one that is fitted from there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipbench.heads.logistic import Fit, fit
from clipbench.heads.problem import Head, Problem
from clipbench.tasks.classify.classifier import TextClassifier
from clipbench.tasks.probe.fitted_head import FittedHead, fit_head
from clipbench.tasks.probe.training_set import TrainingSet


def text_head(classifier: TextClassifier, logit_scale: float) -> Head:
    """Return the text classifier as a head without an intercept; of two classes, the second minus the first."""
    weight = logit_scale * classifier.vectors[classifier.column].astype(np.float64)
    rows = weight[1:] - weight[:1] if len(weight) == 2 else weight
    return Head(rows, np.zeros(len(rows)))


@dataclass(frozen=True)
class Interpolation:
    """Fitted heads and the one that they started at."""

    origin: Head
    part: Fit
    """With the C of the fitted head, on the examples that are not held out."""
    fitted: FittedHead

    def at(self, alpha: float, *, on_part: bool = False) -> Head:
        """Return alpha * fitted + (1 - alpha) * origin.

        Args:
            alpha: 0 to 1.
            on_part: whether to take the head that has not seen the held-out examples.
        """
        fitted = self.part.head if on_part else self.fitted.final.head
        weight = alpha * fitted.weight + (1 - alpha) * self.origin.weight
        return Head(weight, alpha * fitted.bias + (1 - alpha) * self.origin.bias)


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
    # Where C is chosen, the search has fitted the part already.
    part = None if C is None else fit(whole.first(training.n_fit), C, origin, max_iterations=max_iterations)
    start = origin if part is None else part.head
    fitted = fit_head(training, whole, fit, C, start, max_iterations=max_iterations)
    if fitted.path is not None:
        part = fitted.path.best.fit
    assert part is not None
    return Interpolation(origin, part, fitted)
