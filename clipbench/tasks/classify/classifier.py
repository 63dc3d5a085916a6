"""The text classifier: one vector a class, made of its prompts; and which classes share a score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from clipbench.arrays import BoolArray, Float32Array, IntArray
from clipbench.errors import listed
from clipbench.metrics.vectors import distinct_rows, refuse_directionless, unit_rows
from clipbench.tasks.prompts import PromptedClasses

_STRINGS_AT_A_TIME = 4096


@dataclass(frozen=True)
class ClassColumns:
    """C classes over U columns of scores; classes that no score can tell apart share a column."""

    column: IntArray
    """(C,) each class's column, 0 to U - 1."""
    twin: IntArray
    """(C,) the lowest class with the same prompt strings, which is the class itself where there is no other."""

    @classmethod
    def apart(cls, classes: int) -> ClassColumns:
        """Return the columns of classes that have a score each."""
        each = np.arange(classes, dtype=np.int64)
        return cls(each, each)

    @cached_property
    def sizes(self) -> IntArray:
        """(U,) how many classes share each column."""
        return np.bincount(self.column).astype(np.int64)

    @cached_property
    def ahead(self) -> IntArray:
        """(C,) how many classes of its own column rank before each class.

        Of classes with the same strings the lower index wins, as in published figures. Classes whose
        strings differ but whose vectors are equal are ties of the model, so they rank before each other.
        """
        return np.array([self._count_ahead(index) for index in range(len(self.column))], np.int64)

    def _count_ahead(self, index: int) -> int:
        if self.sizes[self.column[index]] == 1:
            return 0
        others = np.flatnonzero(self.column == self.column[index])
        same = self.twin[others] == self.twin[index]
        return int(np.count_nonzero(~same | (others < index)))

    @cached_property
    def first(self) -> IntArray:
        """(U,) the lowest class of each column."""
        return np.unique(self.column, return_index=True)[1].astype(np.int64)

    @cached_property
    def tied(self) -> tuple[tuple[int, ...], ...]:
        """Groups of classes whose strings differ but whose vectors are equal."""
        groups = (np.flatnonzero(self.column == column) for column in np.flatnonzero(self.sizes > 1))
        return tuple(tuple(map(int, group)) for group in groups if len(set(self.twin[group])) > 1)

    @cached_property
    def tied_columns(self) -> BoolArray:
        """(U,) whether classes with different strings share the column."""
        mask = np.zeros(len(self.sizes), np.bool_)
        mask[[self.column[group[0]] for group in self.tied]] = True
        return mask

    @cached_property
    def twins(self) -> tuple[tuple[int, int], ...]:
        """(lower class, class) for each class whose prompt strings are those of a lower class."""
        return tuple((int(low), index) for index, low in enumerate(self.twin) if low != index)


@dataclass(frozen=True)
class TextClassifier(ClassColumns):
    """Classes by the direction of their prompts; classes with equal vectors share a column."""

    vectors: Float32Array
    """(U, D) float32 of length 1, no two equal."""

    def equals(self, classes: Sequence[str]) -> tuple[str, str]:
        """Return which classes have equal prompts, and which have only equal vectors, for notes; '' for none."""
        twins = [numbered(classes, *pair) for pair in self.twins]
        tied = [" = ".join(classes[index] for index in group) for group in self.tied]
        return listed(twins), listed(tied)


def numbered(classes: Sequence[str], first: int, second: int) -> str:
    """Return two classes that need their numbers to be told apart: 'missile (657) and missile (744)'."""
    return f"{classes[first]} ({first}) and {classes[second]} ({second})"


def text_classifier(
    prompts: PromptedClasses, text: Callable[[Sequence[str]], Float32Array], model: str
) -> TextClassifier:
    """Make the classifier: each text normalised, the mean over a class's prompts, normalised again.

    Args:
        prompts: C classes with their strings.
        text: (T strings) -> (T, D) features; called for some classes at a time, so that memory is bounded.
        model: its name, for messages.

    Raises:
        UserError: the features of a text are NaN, infinite or all zero.
    """
    twin = _twins(prompts.strings)
    originals = [index for index, low in enumerate(twin) if low == index]
    rows = []
    unusable: list[str] = []
    for group in _groups(prompts.strings, originals):
        strings = [string for index in group for string in prompts.strings[index]]
        texts, bad = unit_rows(text(strings))
        unusable += [strings[place] for place in np.flatnonzero(bad).tolist()]
        starts = np.cumsum([0] + [len(prompts.strings[index]) for index in group[:-1]])
        # The sum points where the mean points.
        rows.append(np.add.reduceat(texts, starts, axis=0))
    refuse_directionless(unusable, "texts", model)
    means, bad = unit_rows(np.concatenate(rows))
    refuse_directionless(
        [prompts.classes[originals[place]] for place in np.flatnonzero(bad).tolist()], "classes", model
    )
    vectors, column_of_original = distinct_rows(means)
    place = {index: place for place, index in enumerate(originals)}
    column = np.array([column_of_original[place[low]] for low in twin], np.int64)
    return TextClassifier(column=column, twin=np.array(twin, np.int64), vectors=vectors)


def _twins(strings: Sequence[Sequence[str]]) -> list[int]:
    lowest: dict[tuple[str, ...], int] = {}
    return [lowest.setdefault(tuple(sorted(prompts)), index) for index, prompts in enumerate(strings)]


def _groups(strings: Sequence[Sequence[str]], classes: Sequence[int]) -> Iterator[list[int]]:
    group: list[int] = []
    count = 0
    for index in classes:
        if group and count + len(strings[index]) > _STRINGS_AT_A_TIME:
            yield group
            group, count = [], 0
        group.append(index)
        count += len(strings[index])
    yield group
