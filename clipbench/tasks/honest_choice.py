"""Templates chosen on some images and judged on others: what choosing a prompt gains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clipbench.tasks.base import IntArray
from clipbench.tasks.classifier import TextClassifier
from clipbench.tasks.ensemble_curve import BUDGET, cosine_chunks, right_answers, rows_within_budget
from clipbench.tasks.holdout import shuffled_by_id
from clipbench.tasks.template_scores import Answered, TemplateClassifiers, answers_of

if TYPE_CHECKING:
    from clipbench.models.base import ModelInfo

_WORK = 1 << 30
"""Scores (image x class x template) of a whole greedy search, at most."""

_FEWEST = 4
"""Steps of a greedy search; where fewer would fit into its work it is not begun."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Chosen:
    """What was chosen, and whether it is right about images that it was not chosen on."""

    templates: tuple[tuple[int, ...], ...]
    """For each set of images that was chosen on: positions of templates, in the order in which they were taken."""
    right: Bools
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
    stopped: bool
    """The greedy search ended because its work was used up."""


@dataclass(frozen=True)
class _Grounds:
    """Images to choose on, in one part or two, and for each part the images that its choice is judged on."""

    source: Answered
    parts: tuple[Bools, ...]
    """(n,) of the source's labelled images."""
    judged: tuple[Bools, ...]
    """(n,) of the labelled images reported on; each is judged once."""
    name: str


def second_half(ids: Sequence[str], labels: IntArray) -> Bools:
    """Return (n,) which examples are in the second of two halves, by a hash of the ids, stratified by class.

    The halves of each class, and of all examples, differ in size by at most one.
    """
    order = shuffled_by_id(ids, 0)
    by_class = order[np.argsort(labels[order], kind="stable")]
    second = np.zeros(len(labels), np.bool_)
    second[by_class[1::2]] = True
    return second


def forward_selection(single: IntArray, right: Callable[[Bools], IntArray], steps: int) -> tuple[tuple[int, ...], bool]:
    """Return the templates of a greedy ensemble, and whether the search ended by itself.

    The best template comes first; each step adds the one that makes the ensemble right about the most images, if these
    are more than before. Of equals the earliest template is taken.

    Args:
        single: (T,) right answers of each template alone.
        right: (K, T) masks of ensembles -> (K,) right answers of each.
        steps: the most that are tried.
    """
    chosen, reached = [int(single.argmax())], int(single.max())
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


def steps_within_budget(images: int, classes: int, templates: int, budget: int = _WORK) -> int:
    """Return how many steps of a greedy search fit into a number of scores; 0 where these are too few to begin."""
    steps = budget // (images * classes * templates)
    return steps if steps >= min(_FEWEST, templates - 1) else 0


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
    most, templates = max(int(part.sum()) for part in grounds.parts), own.shape[1]
    steps = steps_within_budget(most, len(classifiers.ensemble.vectors), templates)
    greedy, ended = None, True
    if steps:
        found = [_search(grounds.source, part, classifiers, steps, model) for part in grounds.parts]
        ended = all(by_itself for _, by_itself in found)
        positions = tuple(chosen for chosen, _ in found)
        answered = {some: _right(some, reported, joined, model) for some in dict.fromkeys(positions)}
        greedy = Chosen(positions, _assembled([answered[some] for some in positions], grounds.judged))
    return HonestChoice(
        best=Chosen(best, _assembled(judged, grounds.judged)),
        greedy=greedy,
        chosen_on=grounds.name,
        cross_fitted=validation is None,
        stopped=not ended,
    )


def _grounds(reported: Answered, validation: Answered | None) -> _Grounds:
    answers = reported.answers
    if validation is not None:
        every = np.ones(len(validation.answers.rows), np.bool_)
        return _Grounds(validation, (every,), (np.ones(len(answers.rows), np.bool_),), validation.split)
    second = second_half([reported.images.ids[row] for row in answers.rows.tolist()], answers.labels)
    name = f"the other half of {reported.split} (two-fold cross-fitting)"
    return _Grounds(reported, (~second, second), (second, ~second), name)


def _search(
    source: Answered, part: Bools, classifiers: TemplateClassifiers, steps: int, model: ModelInfo
) -> tuple[tuple[int, ...], bool]:
    among = np.zeros(len(source.images), np.bool_)
    among[source.answers.rows[part]] = True

    classes, templates = len(classifiers.ensemble.vectors), len(classifiers.single)
    rows = rows_within_budget(classes, templates, templates)
    read = partial(cosine_chunks, source.images, classifiers, rows, model, source.where, among)
    # Few enough are computed once, others anew at each step.
    held = list(read()) if int(part.sum()) * classes * templates <= BUDGET // 2 else None

    def right(masks: Bools) -> IntArray:
        return right_answers(read() if held is None else held, classifiers, masks)

    return forward_selection(source.answers.correct[part].sum(axis=0), right, steps)


def _right(
    positions: tuple[int, ...],
    reported: Answered,
    joined: Callable[[tuple[int, ...]], TextClassifier],
    model: ModelInfo,
) -> Bools:
    """Return (n,) whether some templates together are right, just as a zero-shot job with them would be."""
    answers = reported.answers
    if len(positions) == 1:
        return answers.correct[:, positions[0]]
    found = answers_of(reported.images, [joined(positions)], model, reported.where)
    right: Bools = found[answers.rows, 0] == answers.labels
    return right


def _assembled(answers: Sequence[Bools], judged: Sequence[Bools]) -> Bools:
    """Return (n,) of each image the answer of the choice that is judged on it."""
    right = np.zeros(len(judged[0]), np.bool_)
    for own, of in zip(answers, judged, strict=True):
        right[of] = own[of]
    return right
