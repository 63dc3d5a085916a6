"""Greedy selection of an ensemble of templates, within a bounded amount of work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from clipbench.arrays import BoolArray, IntArray
from clipbench.tasks.holdout import shuffled_by_id
from clipbench.tasks.prompt_sensitivity.ensemble_curve import BUDGET, cosine_chunks, right_answers, rows_within_budget
from clipbench.tasks.prompt_sensitivity.template_scores import Answered, TemplateClassifiers

if TYPE_CHECKING:
    from clipbench.models.base import ModelInfo

WORK = 1 << 30
"""Scores (image x class x template) of a whole search, at most."""

_STEPS = 10
"""Steps that a search has room for at least: where there are too many images for that it looks at fewer."""

_FEWEST = 200
"""Images; where there is room for fewer, what they prefer says too little and no search is begun."""


@dataclass(frozen=True)
class Searched:
    """What a search found."""

    templates: tuple[int, ...]
    """Positions, in the order in which they were taken."""
    ended: bool
    """Whether it ended by itself, and not because its work was used up."""
    images: int
    """That it looked at."""
    sampled: bool
    """Whether there were more."""


def images_within_budget(images: int, classes: int, templates: int, budget: int = WORK) -> int:
    """Return on how many of some images a search has room for its steps; 0 where these are too few to begin."""
    most = budget // (classes * templates * min(_STEPS, templates - 1))
    if images <= most:
        return images
    return most if most >= _FEWEST else 0


def search(
    source: Answered,
    part: BoolArray,
    first: int,
    classifiers: TemplateClassifiers,
    model: ModelInfo,
    budget: int = WORK,
) -> Searched | None:
    """Return the templates of a greedy ensemble that begins with one of them; None if that is too much work.

    Where there are too many images the search looks at those that some templates are right about and others are not:
    where each member of an ensemble is right the ensemble hardly ever is wrong, nor right where each is wrong. Of these
    it takes the first by a hash of their ids.

    Args:
        source: images, and what each template alone says of them.
        part: (n,) of the labelled images, those to choose on.
        first: the position of the template to begin with.
        classifiers: of T templates.
        model: for its logit scale and bias.
        budget: scores (image x class x template), at most.
    """
    classes, templates = len(classifiers.ensemble.vectors), len(classifiers.single)
    there = int(part.sum())
    most = images_within_budget(there, classes, templates, budget)
    if not most:
        return None
    chosen_on = part if most == there else _undecided(source, part, most)
    images = int(chosen_on.sum())
    steps = budget // (max(images, 1) * classes * templates)
    right = _counting(source, chosen_on, classifiers, model)
    single = source.answers.correct[chosen_on].sum(axis=0)
    found, ended = forward_selection(single, first, right, steps)
    return Searched(found, ended, images, most < there)


def forward_selection(
    single: IntArray, first: int, right: Callable[[BoolArray], IntArray], steps: int
) -> tuple[tuple[int, ...], bool]:
    """Return the templates of a greedy ensemble, and whether the search ended by itself.

    Each step adds the template that makes the ensemble right about the most images, if these are more than before. Of
    equals the earliest template is taken.

    Args:
        single: (T,) right answers of each template alone.
        first: the template to begin with.
        right: (K, T) masks of ensembles -> (K,) right answers of each.
        steps: the most that are tried.
    """
    chosen, reached = [first], int(single[first])
    for _ in range(steps):
        left = np.setdiff1d(np.arange(len(single)), chosen)
        if not len(left):
            break
        masks = np.zeros((len(left), len(single)), np.bool_)
        masks[:, chosen] = True
        masks[np.arange(len(left)), left] = True
        counts = right(masks)
        if counts.max() <= reached:
            return tuple(chosen), True
        chosen.append(int(left[counts.argmax()]))
        reached = int(counts.max())
    return tuple(chosen), len(chosen) == len(single)


def _undecided(source: Answered, part: BoolArray, most: int) -> BoolArray:
    """Return (n,) of a part's images that templates differ about, at most so many, by a hash of their ids."""
    answers = source.answers
    share = answers.correct.mean(axis=1)
    among = np.flatnonzero(part & (share > 0) & (share < 1))
    order = shuffled_by_id([source.images.ids[row] for row in answers.rows[among].tolist()], 0)
    kept = np.zeros(len(part), np.bool_)
    kept[among[order[:most]]] = True
    return kept


def _counting(
    source: Answered, chosen_on: BoolArray, classifiers: TemplateClassifiers, model: ModelInfo
) -> Callable[[BoolArray], IntArray]:
    """Return a function of (K, T) masks of ensembles: how many of some images each is right about."""
    among = np.zeros(len(source.images), np.bool_)
    among[source.answers.rows[chosen_on]] = True
    classes, templates = len(classifiers.ensemble.vectors), len(classifiers.single)
    rows = rows_within_budget(classes, templates, templates)
    read = partial(cosine_chunks, source.images, classifiers, rows, model, source.where, among)
    # Few enough are computed once, others anew at each step.
    held = list(read()) if int(chosen_on.sum()) * classes * templates <= BUDGET // 2 else None
    return lambda masks: right_answers(read() if held is None else held, classifiers, masks)
