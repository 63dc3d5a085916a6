"""Templates chosen on some images and judged on others: what choosing a prompt gains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clipbench.arrays import BoolArray, IntArray
from clipbench.tasks.classify.classifier import TextClassifier
from clipbench.tasks.holdout import shuffled_by_id
from clipbench.tasks.prompt_sensitivity.greedy_ensemble import Searched, search
from clipbench.tasks.prompt_sensitivity.template_scores import Answered, TemplateClassifiers, answers_of

if TYPE_CHECKING:
    from clipbench.models.base import ModelInfo


@dataclass(frozen=True)
class Chosen:
    """What was chosen, and whether it is right about images that it was not chosen on."""

    templates: tuple[tuple[int, ...], ...]
    """For each set of images that was chosen on: positions of templates, in the order in which they were taken."""
    right: BoolArray
    """(n,) of the labelled images reported on."""


@dataclass(frozen=True)
class HonestChoice:
    """The best single template and the greedy ensemble."""

    best: Chosen
    greedy: Chosen | None
    """None: the search would have taken too much work."""
    chosen_on: str
    """The images that were chosen on, in words."""
    cross_fitted: bool
    """Chosen on each half of the images reported on, and judged on the other half."""
    searches: tuple[Searched, ...]
    """The greedy search on each set of images that was chosen on; none where it would have taken too much work."""


@dataclass(frozen=True)
class _Grounds:
    """Images to choose on, in one part or two, and for each part the images that its choice is judged on."""

    source: Answered
    parts: tuple[BoolArray, ...]
    """(n,) of the source's labelled images."""
    judged: tuple[BoolArray, ...]
    """(n,) of the labelled images reported on; each is judged once."""
    name: str


def second_half(ids: Sequence[str], labels: IntArray) -> BoolArray:
    """Return (n,) which examples are in the second of two halves, by a hash of the ids, stratified by class.

    The halves of each class, and of all examples, differ in size by at most one.
    """
    order = shuffled_by_id(ids, 0)
    by_class = order[np.argsort(labels[order], kind="stable")]
    second = np.zeros(len(labels), np.bool_)
    second[by_class[1::2]] = True
    return second


def choose(
    reported: Answered,
    validation: Answered | None,
    classifiers: TemplateClassifiers,
    joined: Callable[[tuple[int, ...]], TextClassifier],
    model: ModelInfo,
) -> HonestChoice:
    """Choose the best template and a greedy ensemble, and judge both on images that had no part in the choice.

    Args:
        reported: the images to judge on.
        validation: the images to choose on; None: each half of `reported` for the other half.
        classifiers: the templates'.
        joined: positions of several templates -> the classifier that zero-shot makes of them.
        model: for its logit scale and bias.
    """
    grounds = _grounds(reported, validation)
    correct, own = grounds.source.answers.correct, reported.answers.correct
    best = tuple((int(correct[part].sum(axis=0).argmax()),) for part in grounds.parts)
    judged = [own[:, position] for (position,) in best]
    searches = _searches(grounds, best, classifiers, model)
    greedy = None
    if searches:
        positions = tuple(found.templates for found in searches)
        answered = {some: _right(some, reported, joined, model) for some in dict.fromkeys(positions)}
        greedy = Chosen(positions, _assembled([answered[some] for some in positions], grounds.judged))
    return HonestChoice(
        best=Chosen(best, _assembled(judged, grounds.judged)),
        greedy=greedy,
        chosen_on=grounds.name,
        cross_fitted=validation is None,
        searches=searches,
    )


def _grounds(reported: Answered, validation: Answered | None) -> _Grounds:
    answers = reported.answers
    if validation is not None:
        every = np.ones(len(validation.answers.rows), np.bool_)
        return _Grounds(validation, (every,), (np.ones(len(answers.rows), np.bool_),), validation.split)
    second = second_half([reported.images.ids[row] for row in answers.rows.tolist()], answers.labels)
    name = f"the other half of {reported.split} (two-fold cross-fitting)"
    return _Grounds(reported, (~second, second), (second, ~second), name)


def _searches(
    grounds: _Grounds, best: Sequence[tuple[int, ...]], classifiers: TemplateClassifiers, model: ModelInfo
) -> tuple[Searched, ...]:
    """Return a search on each part of the images to choose on; none where there is one that takes too much work."""
    found = [
        search(grounds.source, part, first, classifiers, model)
        for part, (first,) in zip(grounds.parts, best, strict=True)
    ]
    return tuple(one for one in found if one) if all(found) else ()


def _right(
    positions: tuple[int, ...],
    reported: Answered,
    joined: Callable[[tuple[int, ...]], TextClassifier],
    model: ModelInfo,
) -> BoolArray:
    """Return (n,) whether some templates together are right, just as a zero-shot job with them would be."""
    answers = reported.answers
    if len(positions) == 1:
        return answers.correct[:, positions[0]]
    found = answers_of(reported.images, [joined(positions)], model, reported.where)
    right: BoolArray = found[answers.rows, 0] == answers.labels
    return right


def _assembled(answers: Sequence[BoolArray], judged: Sequence[BoolArray]) -> BoolArray:
    """Return (n,) of each image the answer of the choice that is judged on it."""
    right = np.zeros(len(judged[0]), np.bool_)
    for own, of in zip(answers, judged, strict=True):
        right[of] = own[of]
    return right
