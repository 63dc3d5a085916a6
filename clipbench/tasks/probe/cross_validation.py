"""The strength of a penalty chosen by cross-validation, where there is nothing but a few examples."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from clipbench.arrays import IntArray
from clipbench.heads.logistic import Fit, fit
from clipbench.heads.search import GRID, nearest, search
from clipbench.metrics.accuracy import true_class_ranks
from clipbench.tasks.holdout import shuffled_by_class
from clipbench.tasks.probe.few_shot_sampler import FewExamples
from clipbench.tasks.probe.labelled import answer_score

FOLDS = 5
"""At most; with k examples a class there are no more than k."""

USUAL_C = 1.0
"""What C is where nothing says which one is better, on features of root mean square length 1.

Of 10^-3, 10^-2.5, ..., 10^5 the best for one example a class among the first five classes of CIFAR-10's training images
and the last five, and 0.1 points from the best among all ten; the worst lose 1.7 (`benchmarks/few_shot_penalty.py`).
"""

_NUDGE = 1e-9
"""For each place of the grid by which a value is further from the usual one: far less than one answer counts."""


@dataclass(frozen=True)
class ChosenPenalty:
    """What cross-validation chose."""

    C: float
    at_edge: bool
    """Whether it is at an end of the grid."""
    unconverged: int
    """How many of the search's fits had not converged."""


def folds(examples: FewExamples, shots: int, seed: int) -> IntArray:
    """Return (n,) the fold that holds each example out, `min(FOLDS, shots)` of them, equal parts of each class.

    A class's only example is never held out, since nothing could be learnt of the class without it: -1.
    """
    places, rank = shuffled_by_class(examples.ids, examples.labels, seed)
    fold = np.empty(len(places), np.int64)
    fold[places] = rank % min(FOLDS, shots)
    fold[np.bincount(examples.labels)[examples.labels] == 1] = -1
    return fold


def cross_validate(
    examples: FewExamples, fold: IntArray, metric: str, device: str, max_iterations: int
) -> ChosenPenalty:
    """Choose C by the paper's search, each value scored on the examples that its heads were not fitted on.

    Args:
        examples: nothing else is looked at.
        fold: of each example, from `folds`; at least one is held out.
        metric: 'top1' or 'mean_per_class_recall', of the held-out examples of all folds together. Ties count as
            wrong; of equal scores, which are many where examples are few, the one nearest to `USUAL_C` wins.
        device: where torch may compute, at most `max_iterations` for each fit.
    """
    if len(examples.labels) < examples.features.shape[1]:
        # Coordinates in the span of all examples have the same minima and are far fewer.
        inner, _ = examples.problem(np.arange(len(examples.labels)), device).in_span
        examples = replace(examples, features=inner.features.cpu().numpy())
    parts = [
        (examples.problem(np.flatnonzero(fold != held), device), fold == held) for held in np.unique(fold[fold >= 0])
    ]
    tried: dict[int, list[Fit]] = {}

    def score(place: int) -> float:
        neighbour = nearest(place, tried)
        right = np.zeros(len(fold), np.bool_)
        fits = []
        for index, (problem, held) in enumerate(parts):
            start = neighbour[index].head if neighbour else None
            fits.append(fit(problem, GRID[place], start, max_iterations=max_iterations))
            scores = fits[-1].head.class_scores(examples.features[held])
            right[held] = true_class_ranks(scores, examples.labels[held]) == 1
        tried[place] = fits
        found = answer_score(metric, examples.labels[fold >= 0], right[fold >= 0], examples.classes)
        return found - _NUDGE * abs(place - GRID.index(USUAL_C))

    searched = search(score)
    unconverged = sum(not found.converged for fits in tried.values() for found in fits)
    return ChosenPenalty(GRID[searched.best], searched.at_edge, unconverged)
