"""A template chosen on some images and judged on others: what choosing a prompt gains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clipbench.arrays import BoolArray, IntArray
from clipbench.tasks.holdout import shuffled_by_class
from clipbench.tasks.prompt_sensitivity.template_scores import TemplateScores


@dataclass(frozen=True)
class HeldOutSelection:
    """The best template, and whether it is right about images that it was not chosen on."""

    positions: tuple[int, ...]
    """Of the template that each set of images chose."""
    correct: BoolArray
    """(n,) of the labelled images reported on."""
    chosen_on: str
    """The images that were chosen on, in words."""
    cross_fitted: bool
    """Chosen on each half of the images reported on, and judged on the other half."""


def held_out_selection(reported: TemplateScores, validation: TemplateScores | None) -> HeldOutSelection:
    """Choose the template that is right most often, of equals the first; no image has a part in its own judgement.

    Args:
        reported: the images to judge on.
        validation: the images to choose on; None: each half of `reported` for the other half.
    """
    if validation is not None:
        best = _best(validation.correct)
        return HeldOutSelection((best,), reported.correct[:, best], validation.split, cross_fitted=False)
    second = second_half(reported.ids, reported.labels, reported.clusters)
    of_first, of_second = (_best(reported.correct[half]) for half in (~second, second))
    correct = np.where(second, reported.correct[:, of_first], reported.correct[:, of_second])
    chosen_on = f"the other half of {reported.split} (two-fold cross-fitting)"
    return HeldOutSelection((of_first, of_second), correct, chosen_on, cross_fitted=True)


def second_half(ids: Sequence[str], labels: IntArray, clusters: IntArray | None = None) -> BoolArray:
    """Return (n,) which examples are in the second of two halves, by a hash of the ids, stratified by class.

    The halves of each class, and of all examples, differ in size by at most one. Of examples in (n,) clusters it is the
    clusters that are halved, whatever their classes.
    """
    if clusters is not None:
        count = int(clusters.max()) + 1
        return second_half([str(code) for code in range(count)], np.zeros(count, np.int64))[clusters]
    places, _ = shuffled_by_class(ids, labels, 0)
    second = np.zeros(len(labels), np.bool_)
    second[places[1::2]] = True
    return second


def _best(correct: BoolArray) -> int:
    return int(correct.sum(axis=0).argmax())
