"""The text classifier: one vector a class, made of its prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from clipbench.arrays import Float32Array
from clipbench.metrics.vectors import distinct_rows, refuse_directionless, unit_rows
from clipbench.tasks.classify.class_columns import ClassColumns
from clipbench.tasks.prompted import PromptedClasses

_STRINGS_AT_A_TIME = 4096


@dataclass(frozen=True)
class TextClassifier(ClassColumns):
    """Classes by the direction of their prompts; classes with equal vectors share a column."""

    vectors: Float32Array
    """(U, D) float32 of length 1, no two equal."""


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
