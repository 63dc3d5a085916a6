"""What further names of the classes make of the labelled images: list by list, together, and one class at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from clipbench.arrays import BoolArray, Float32Array, IntArray
from clipbench.stats.comparison import Comparison, compare_pair
from clipbench.tasks.base import ImageSet
from clipbench.tasks.classify.classifier import TextClassifier, text_classifier
from clipbench.tasks.classify.decisions import class_logits, rows_at_a_time, unit_chunks
from clipbench.tasks.prompt_sensitivity.prompt_grid import Layout
from clipbench.tasks.prompt_sensitivity.template_scores import Answered, answers_of, template_classifiers

if TYPE_CHECKING:
    from clipbench.models.base import ModelInfo


AVERAGED, BEST = "all names averaged", "the best name counts"
"""Ways to use all names of a class."""


@dataclass(frozen=True)
class Renamed:
    """One class under one further name, all other classes under their own; always all templates averaged."""

    label: int
    name: str
    gained: int
    """Images that become right."""
    lost: int
    """Images that become wrong."""
    before: int
    """Images of the class that are right under its own name."""
    after: int
    """Images of the class that are right under this name."""


@dataclass(frozen=True)
class NameAnswers:
    """n labelled images, T templates and W lists of names, the canonical one first."""

    correct: BoolArray
    """(n, T, W) whether each template alone is right."""
    lists: BoolArray
    """(n, W) whether all templates together are right with each list."""
    averaged: BoolArray
    """(n,) whether all templates and names averaged into one vector a class are right, as in zero-shot."""
    best: BoolArray
    """(n,) right where a class's score is that of its best name, all templates averaged."""
    renamed: tuple[Renamed, ...]

    @cached_property
    def ways(self) -> Mapping[str, Comparison]:
        """Each other list, and each way to use all names, against the canonical names."""
        canonical, *others = self.lists.T
        found = {list_name(place): right for place, right in enumerate(others, start=1)}
        found |= {AVERAGED: self.averaged, BEST: self.best}
        return {how: compare_pair(right, canonical) for how, right in found.items()}

    @cached_property
    def best_over_averaged(self) -> Comparison:
        """The two ways to use all names, against each other."""
        return compare_pair(self.best, self.averaged)


def list_name(place: int) -> str:
    """Return what a list of names is called."""
    return f"names {place}" if place else "canonical names"


def answer_names(
    tested: Answered, layout: Layout, text: Callable[[Sequence[str]], Float32Array], model: ModelInfo
) -> NameAnswers:
    """Classify every labelled image with every list of names, and with all names of a class together.

    Args:
        tested: the images, and the answers under the classes' own names.
        layout: of W > 1 lists.
        text: (strings) -> (strings, D) features.
        model: for its logit scale and bias.

    Of all but the canonical list the classifiers of one list are held at a time.

    Raises:
        UserError: features are not finite, or all zero.
    """
    images, answers, where = tested.images, tested.answers, tested.where
    rows, labels = answers.rows, answers.labels
    correct, together = [answers.correct], [answers.ensemble_correct]
    for place in range(1, layout.lists):
        classifiers = template_classifiers(layout, text, model.name, place)
        found = answers_of(images, (*classifiers.single, classifiers.ensemble), model, where)[rows] == labels[:, None]
        correct.append(found[:, :-1])
        together.append(found[:, -1])
    averaged = text_classifier(layout.given, text, model.name)
    names = _ClassNames.of(layout, text, model)
    best, renamed = _by_name(images, names, model, where)
    return NameAnswers(
        correct=np.stack(correct, axis=2),
        lists=np.stack(together, axis=1),
        averaged=answers_of(images, [averaged], model, where)[rows, 0] == labels,
        best=best[rows],
        renamed=renamed,
    )


@dataclass(frozen=True)
class _ClassNames:
    """All K names of C classes, each with all templates averaged; equal vectors share a column, so that they tie."""

    classifier: TextClassifier
    """Of K names."""
    label: IntArray
    """(K,) the class of each name; classes ascend, and each one's own name comes first."""
    same: IntArray
    """(K,) a number for each name, the same where two classes are called the same."""
    names: tuple[str, ...]
    """(K,)"""

    @classmethod
    def of(cls, layout: Layout, text: Callable[[Sequence[str]], Float32Array], model: ModelInfo) -> _ClassNames:
        pairs = [(label, name) for label, of_class in enumerate(layout.given.names) for name in of_class]
        names = tuple(name for _, name in pairs)
        # Each name as if it were a class.
        alone = replace(layout.given, classes=names, strings=tuple(layout.strings_by_name()), names=())
        return cls(
            classifier=text_classifier(alone, text, model.name),
            label=np.array([label for label, _ in pairs], np.int64),
            same=np.unique(names, return_inverse=True)[1].astype(np.int64),
            names=names,
        )

    @cached_property
    def own(self) -> IntArray:
        """(C,) where each class's own name stands."""
        return np.unique(self.label, return_index=True)[1].astype(np.int64)

    @cached_property
    def further(self) -> IntArray:
        """(S,) where the other names stand."""
        return np.setdiff1d(np.arange(len(self.names)), self.own)


def _by_name(
    images: ImageSet, names: _ClassNames, model: ModelInfo, where: str
) -> tuple[BoolArray, tuple[Renamed, ...]]:
    """Return (n images,) right answers where the best of a class's names counts, and what each further name changes."""
    best = np.zeros(len(images), np.bool_)
    counts = np.zeros((4, len(names.further)), np.int64)
    known = images.labels
    assert known is not None
    for start, vectors in unit_chunks(images, rows_at_a_time(len(names.names)), model, where):
        some = np.flatnonzero(known[start : start + len(vectors)] >= 0)
        labels = known[start + some]
        scores = class_logits(vectors, names.classifier, model)[some][:, names.classifier.column]
        best[start + some] = _best_is_right(labels, scores, names)
        counts += _changes(labels, scores, names)
    told = zip(names.further.tolist(), counts.T.tolist(), strict=True)
    return best, tuple(Renamed(int(names.label[at]), names.names[at], *numbers) for at, numbers in told)


def _best_is_right(labels: IntArray, scores: Float32Array, names: _ClassNames) -> BoolArray:
    """Return (m,) right answers of (m, K) scores.

    As in zero-shot, of two classes that tie because they are called the same the lower index wins; any other tie is
    wrong.
    """
    of_class = np.maximum.reduceat(scores, names.own, axis=1)
    true = of_class[np.arange(len(labels)), labels]
    right: BoolArray = np.count_nonzero(of_class >= true[:, None], axis=1) == 1
    for row in np.flatnonzero(~right & (of_class.max(axis=1) == true)):
        top = np.flatnonzero(scores[row] == true[row])
        called = names.same[top[names.label[top] == labels[row]]]
        alike = np.isin(names.same[top], called) & (names.label[top] > labels[row])
        rivals = set(names.label[top].tolist()) - {int(labels[row])} - set(names.label[top][alike].tolist())
        right[row] = not rivals
    return right


def _changes(labels: IntArray, scores: Float32Array, names: _ClassNames) -> IntArray:
    """Return (4, S) images gained, lost, and of the class right before and after, for S further names.

    Args:
        labels: (m,) true classes.
        scores: (m, K) of all names.
        names: whose further ones take their class's own name's place one at a time.
    """
    own, new = scores[:, names.own], scores[:, names.further]
    of, called = names.label[names.further], names.same[names.further]
    is_own = labels[:, None] == of
    before, after = _others_beaten(labels, own, names, of)
    true = own[np.arange(len(labels)), labels]
    # Where another class takes this one's name, the lower index wins.
    ahead = (called == names.same[names.own[labels]][:, None]) & (labels[:, None] < of)
    after &= (true[:, None] > new) | ahead
    for at in range(len(of)):
        rows = np.flatnonzero(is_own[:, at])
        # The class that is renamed has no twin but those that are called so already.
        behind = (names.same[names.own] == called[at]) & (np.arange(own.shape[1]) > of[at])
        behind[of[at]] = True
        after[rows, at] = new[rows, at] > own[rows][:, ~behind].max(axis=1, initial=-np.inf)
    gained = np.count_nonzero(after & ~before[:, None], axis=0)
    lost = np.count_nonzero(before[:, None] & ~after, axis=0)
    of_class = (np.count_nonzero(is_own & right, axis=0) for right in (before[:, None], after))
    return np.stack([gained, lost, *of_class])


def _others_beaten(
    labels: IntArray, own: Float32Array, names: _ClassNames, of: IntArray
) -> tuple[BoolArray, BoolArray]:
    """Return (m,) whether the true class beats all others, and (m, S) whether it does all but one of them.

    Args:
        labels: (m,) true classes.
        own: (m, C) scores under the classes' own names.
        names: of these classes; of those that are called the same the lower index wins.
        of: (S,) the class that is left aside.
    """
    rows, called = np.arange(len(labels)), names.same[names.own]
    true, others = own[rows, labels], own.copy()
    others[(called == called[labels][:, None]) & (np.arange(own.shape[1]) >= labels[:, None])] = -np.inf
    rival = others.argmax(axis=1)
    best = others[rows, rival]
    others[rows, rival] = -np.inf
    second = others.max(axis=1)
    rest = np.where(rival[:, None] == of, second[:, None], best[:, None])
    return true > best, true[:, None] > rest
