"""What several models make of the same images: which all get wrong, which split them, whose labels to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clipbench.analyses.comparable import same_examples
from clipbench.arrays import BoolArray, IntArray
from clipbench.errors import UserError
from clipbench.results.folder import Results
from clipbench.results.records import JobResult

MODELS, FAMILIES = 5, 2
"""How many models, of how many families, must agree on another class for a label to be doubted."""

_COLUMNS = ("id", "label", "prediction", "correct", "score")


@dataclass(frozen=True)
class Answers:
    """What models say of one image."""

    id: str
    right: int
    """How many models are right."""
    answers: tuple[tuple[int, int], ...]
    """Wrong classes, each with how many models take the image for it; the most frequent first."""
    families: int
    """Of how many families the models are that give the most frequent wrong answer."""


@dataclass(frozen=True)
class Group:
    """Images that share something; of `total` the first ones."""

    total: int
    images: tuple[Answers, ...]


@dataclass(frozen=True)
class Consensus:
    """What M models make of n images."""

    models: tuple[str, ...]
    families: int
    """How many the models belong to."""
    n: int
    missed: Group
    """All models are wrong."""
    split: Group
    """As near to half of the models are right as on any image; `right` is the same or M minus it."""
    doubted: Group | None
    """Most models, at least `MODELS` of `FAMILIES` families, agree on one class that is not the label. None: there are
    too few models."""


def consensus(
    results: Results,
    jobs: Sequence[JobResult],
    families: Mapping[str, str],
    *,
    pictured: Collection[str] = (),
    most: int = 12,
) -> Consensus:
    """Find what several models make of the same images.

    Of each table the columns id, label, prediction, correct and score are read, one table at a time; what stays in
    memory is 5 bytes for each answer. Images of `missed` and `split` that are `pictured` come first; then, and in
    `doubted` among those on which equally many agree, those whose true class has the lowest probability on average.

    Args:
        results: that hold the jobs' per-example tables.
        jobs: of one measurement, one a model.
        families: model -> its family; near-relatives, which err alike, share it.
        pictured: ids of images that a reader can be shown.
        most: how many images of a group are returned.

    Raises:
        UserError: fewer than two jobs; a table is missing or damaged, does not say what each image was taken for, or
            holds other examples or labels than the first.
    """
    if len(jobs) < 2:
        raise UserError("a consensus is of two models at least")
    return _Read.of(results, jobs).consensus(jobs, [families[job.model] for job in jobs], set(pictured), most)


@dataclass(frozen=True)
class _Read:
    """The answers of M models about n images, in the order of the first table."""

    ids: pd.Index[Any]
    right: BoolArray
    """(M, n)."""
    predictions: NDArray[np.int32]
    """(M, n)."""
    score: NDArray[np.float64]
    """(n,), the sum of the true class's probabilities; 0 where they are not known."""

    @classmethod
    def of(cls, results: Results, jobs: Sequence[JobResult]) -> _Read:
        like: pd.DataFrame | None = None
        for place, job in enumerate(jobs):
            table = results.examples(job.hash, _COLUMNS).set_index("id")
            if not {"prediction", "correct"} <= set(table) or table["correct"].dtype != np.bool_:
                raise UserError("the per-example table does not say what each image was taken for", where=job.model)
            if like is None:
                like = table[[name for name in ("label",) if name in table]]
                n = len(table)
                right, predictions = np.empty((len(jobs), n), bool), np.empty((len(jobs), n), np.int32)
                score = np.zeros(n)
            if not same_examples(like, table):
                raise UserError("the jobs have other examples or labels", where=job.dataset)
            table = table if table.index.equals(like.index) else table.loc[like.index]
            right[place], predictions[place] = table["correct"], table["prediction"]
            score += table["score"].to_numpy(float) if "score" in table else 0.0
        assert like is not None
        return cls(like.index, right, predictions, score)

    def consensus(
        self, jobs: Sequence[JobResult], families: Sequence[str], pictured: Collection[str], most: int
    ) -> Consensus:
        codes = np.unique(families, return_inverse=True)[1]
        shown = self.ids.isin(list(pictured))
        right = self.right.sum(axis=0)
        apart = np.abs(2 * right - len(jobs))
        both = (right > 0) & (right < len(jobs))
        split = both & (apart == apart[both].min(initial=len(jobs)))
        enough = len(jobs) >= MODELS and len(set(families)) >= FAMILIES
        agreed, related = self._agreement(codes)
        doubted = (2 * agreed > len(jobs)) & (agreed >= MODELS) & (related >= FAMILIES)

        def group(chosen: BoolArray, first: IntArray) -> Group:
            places = np.flatnonzero(chosen)
            order = np.lexsort((self.score[places], ~shown[places], -first[places]))[:most]
            return Group(len(places), tuple(self._answers(place, codes) for place in places[order].tolist()))

        alike = np.zeros_like(right)
        return Consensus(
            models=tuple(job.model for job in jobs),
            families=len(set(families)),
            n=len(self.ids),
            missed=group(right == 0, alike),
            split=group(split, alike),
            doubted=group(doubted, agreed) if enough else None,
        )

    def _agreement(self, codes: IntArray) -> tuple[IntArray, IntArray]:
        """Return (n,) how many models give the wrong answer of most, and of how many families; 0 without such one."""
        # What more than half of the answers are is the middle one of them in order.
        middle = np.sort(self.predictions, axis=0)[len(self.predictions) // 2]
        agreeing = (self.predictions == middle) & ~self.right
        related = np.sum([agreeing[codes == code].any(axis=0) for code in np.unique(codes)], axis=0)
        return agreeing.sum(axis=0), related

    def _answers(self, place: int, codes: IntArray) -> Answers:
        predictions, wrong = self.predictions[:, place], ~self.right[:, place]
        answers = tuple(Counter(predictions[wrong].tolist()).most_common())
        same = wrong & (predictions == (answers[0][0] if answers else -1))
        return Answers(str(self.ids[place]), int((~wrong).sum()), answers, len(np.unique(codes[same])))
