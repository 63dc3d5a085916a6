"""What further names of the classes are worth: list by list, and all names of a class together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from clipbench.arrays import BoolArray, Float32Array, IntArray
from clipbench.errors import listed
from clipbench.metrics.specs import ColumnSpec, MetricSpec, TableSpec
from clipbench.stats.differences import Difference, simultaneous_differences
from clipbench.tasks.base import Inputs, Metric
from clipbench.tasks.classify.classifier import TextClassifier, text_classifier
from clipbench.tasks.classify.decisions import class_logits, rows_at_a_time, unit_chunks
from clipbench.tasks.prompt_sensitivity.prompt_grid import PromptGrid
from clipbench.tasks.prompt_sensitivity.template_scores import (
    TemplateScores,
    place_of,
    predictions_of,
    template_classifiers,
)
from clipbench.tasks.prompt_sensitivity.template_tables import DIFFERENCE, TOGETHER

if TYPE_CHECKING:
    import pandas as pd

AVERAGED, BEST = "all names averaged", "the best name counts"
"""Ways to use all names of a class."""

_SHOWN = 6
"""Names of a list that stand in the table."""

NAME_METRICS = (
    MetricSpec(
        "names_range",
        "range over lists of names",
        "gap",
        None,
        "top-1 of the best list of names minus that of the worst, with all templates averaged; too wide, as both were "
        "chosen on the images they are reported on.",
    ),
    MetricSpec(
        "averaged_names_gain",
        "gain of all names averaged",
        "difference",
        None,
        "top-1 with all names of a class averaged minus that with the canonical names, with all templates averaged, on "
        "the same images, in points; its interval holds together with those of the other lists of names.",
    ),
)

NAMES_TABLE = TableSpec(
    "names",
    "What other names of the classes do",
    (ColumnSpec("how"), ColumnSpec("top1", "top-1", "fraction"), DIFFERENCE, ColumnSpec("names")),
    definition=TOGETHER,
)


@dataclass(frozen=True)
class NameScores:
    """n labelled images, T templates and W lists of names, the canonical one first."""

    correct: BoolArray
    """(n, T, W) whether each template alone is right."""
    lists: BoolArray
    """(n, W) whether all templates together are right with each list."""
    averaged: BoolArray
    """(n,) whether all templates and names averaged into one vector a class are right, as in zero-shot."""
    best: BoolArray
    """(n,) right where a class's score is that of its best name, all templates averaged."""
    clusters: IntArray | None = None
    """(n,) codes where images come in clusters."""

    @cached_property
    def ways(self) -> Mapping[str, tuple[BoolArray, Difference]]:
        """Each further list, and each way to use all names: what is right, and that against the canonical names.

        The differences' intervals hold together.
        """
        canonical, *others = self.lists.T
        ways = {list_name(place): right for place, right in enumerate(others, start=1)}
        ways |= {AVERAGED: self.averaged, BEST: self.best}
        found = simultaneous_differences([(right, canonical) for right in ways.values()], self.clusters)
        return {how: (right, difference) for (how, right), difference in zip(ways.items(), found, strict=True)}


def list_name(place: int) -> str:
    """Return what a list of names is called."""
    return f"names {place}" if place else "canonical names"


def score_names(inputs: Inputs, scores: TemplateScores, grid: PromptGrid) -> NameScores:
    """Classify every labelled image with every list of names, and with all names of a class together.

    `scores` are those under the classes' own names. Of the W > 1 lists of the grid, the classifiers of one are held at
    a time.
    """
    text, model, where = inputs.text, inputs.model, place_of(inputs, scores.split)
    images = inputs.sets[scores.split]

    def right(classifiers: Sequence[TextClassifier]) -> BoolArray:
        return np.asarray(predictions_of(images, classifiers, model, where)[scores.rows] == scores.labels[:, None])

    correct, together = [scores.correct], [scores.ensemble_correct]
    for place in range(1, grid.lists):
        classifiers = template_classifiers(grid, text, model.name, place)
        answers = right((*classifiers.single, classifiers.ensemble))
        correct.append(answers[:, :-1])
        together.append(answers[:, -1])
    return NameScores(
        correct=np.stack(correct, axis=2),
        lists=np.stack(together, axis=1),
        averaged=right([text_classifier(grid.given, text, model.name)])[:, 0],
        best=_best_name_right(inputs, scores.split, grid)[scores.rows],
        clusters=scores.clusters,
    )


def _best_name_right(inputs: Inputs, split: str, grid: PromptGrid) -> BoolArray:
    """Return (n images,) right answers where a class's score is that of its best name; only labelled rows count."""
    images, model = inputs.sets[split], inputs.model
    names = _ClassNames.of(grid, inputs.text, model.name)
    right = np.zeros(len(images), np.bool_)
    labels = images.labels
    assert labels is not None
    for start, vectors in unit_chunks(images, rows_at_a_time(len(names.label)), model, place_of(inputs, split)):
        labelled = start + np.flatnonzero(labels[start : start + len(vectors)] >= 0)
        logits = class_logits(vectors, names.classifier, model)[labelled - start]
        right[labelled] = names.best_is_right(labels[labelled], logits[:, names.classifier.column])
    return right


@dataclass(frozen=True)
class _ClassNames:
    """All K names of C classes, each with all templates averaged; equal vectors share a column, so that they tie."""

    classifier: TextClassifier
    """Of K names."""
    label: IntArray
    """(K,) the class of each name; classes ascend."""
    same: IntArray
    """(K,) a number for each name, the same where two classes are called the same."""

    @classmethod
    def of(cls, grid: PromptGrid, text: Callable[[Sequence[str]], Float32Array], model: str) -> _ClassNames:
        pairs = [(label, name) for label, names in enumerate(grid.given.names) for name in names]
        names = tuple(name for _, name in pairs)
        # Each name as if it were a class.
        alone = replace(grid.given, classes=names, strings=tuple(grid.strings_by_name()), names=())
        return cls(
            classifier=text_classifier(alone, text, model),
            label=np.array([label for label, _ in pairs], np.int64),
            same=np.unique(names, return_inverse=True)[1].astype(np.int64),
        )

    def best_is_right(self, labels: IntArray, scores: Float32Array) -> BoolArray:
        """Return (m,) right answers of (m, K) scores, where a class has that of its best name.

        As in zero-shot, of two classes that tie because they are called the same the lower index wins; any other tie
        is wrong.
        """
        of_class = np.maximum.reduceat(scores, np.unique(self.label, return_index=True)[1], axis=1)
        true = of_class[np.arange(len(labels)), labels]
        right: BoolArray = np.count_nonzero(of_class >= true[:, None], axis=1) == 1
        for row in np.flatnonzero(~right & (of_class.max(axis=1) == true)):
            top = np.flatnonzero(scores[row] == true[row])
            called = self.same[top[self.label[top] == labels[row]]]
            alike = np.isin(self.same[top], called) & (self.label[top] > labels[row])
            rivals = set(self.label[top].tolist()) - {int(labels[row])} - set(self.label[top][alike].tolist())
            right[row] = not rivals
        return right


def name_metrics(scores: NameScores, grid: PromptGrid) -> Iterator[Metric]:
    """Yield how far lists of names move top-1, and what averaging all names gains over the canonical ones.

    All templates are averaged throughout. The range is that of the best list on these images minus the worst.
    """
    n, top1 = len(scores.averaged), scores.lists.mean(axis=0)
    size = {"lists": grid.lists, "names": sum(map(len, grid.given.names))}
    best, worst = int(top1.argmax()), int(top1.argmin())
    chosen = {"best": list_name(best), "worst": list_name(worst), "lowest": float(top1[worst])}
    yield Metric("names_range", float(np.ptp(top1)), n, params=chosen | size)
    _, gain = scores.ways[AVERAGED]
    yield Metric("averaged_names_gain", gain.value, n, gain.interval, params=size)


def names_table(scores: NameScores, grid: PromptGrid) -> pd.DataFrame:
    """Return lists of names and ways to use them, all templates averaged.

    The difference is from the canonical names on the same images. names has the first of a list's names that are not
    the classes' own.
    """
    rows: list[tuple[str | float | None, ...]] = [(list_name(0), float(scores.lists[:, 0].mean()), None, None, None)]
    rows += [(how, float(right.mean()), *found.numbers) for how, (right, found) in scores.ways.items()]
    members = (
        [names[place] for names in grid.given.names if place < len(names)] if 0 < place < grid.lists else []
        for place in range(len(rows))
    )
    return NAMES_TABLE.frame((*row, listed(names, _SHOWN)) for row, names in zip(rows, members, strict=True))
