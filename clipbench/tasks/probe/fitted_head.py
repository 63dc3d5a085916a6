"""A head that was fitted: C chosen on held-out examples or given, then a fit on all; and its scores."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipbench.arrays import Float32Array
from clipbench.heads.logistic import Fit
from clipbench.heads.problem import Head, Problem
from clipbench.heads.search import Fitter, PenaltyPath, Point, Score, leading, search_path
from clipbench.metrics.specs import ColumnSpec, CurveSpec, TableSpec
from clipbench.tasks.base import ImageSet
from clipbench.tasks.classify.decisions import rows_at_a_time
from clipbench.tasks.probe.labelled import FeatureView
from clipbench.tasks.probe.training_set import SearchSettings, TrainingSet

if TYPE_CHECKING:
    import pandas as pd

VALIDATION_CURVE = TableSpec(
    "validation_curve",
    "Choice of C",
    (
        ColumnSpec("C", unit="number"),
        ColumnSpec("score", "validation score", "fraction"),
        ColumnSpec("iterations", unit="count"),
        ColumnSpec("converged"),
    ),
    curve=CurveSpec(
        "C", "score", log_x=True, chosen="chosen", chosen_label="chosen", open_ended=True, hollow_unless="converged"
    ),
    definition="The score is the metric that C is chosen by, on examples that the heads were not fitted on.",
)

HOLD_OUTS = TableSpec(
    "hold_outs",
    "Choice of C on other validation images",
    (
        ColumnSpec("hold_out", "hold-out", "count"),
        ColumnSpec("C", unit="number"),
        ColumnSpec("score", "validation score", "fraction"),
        ColumnSpec("score_at_chosen", "score at the chosen C", "fraction"),
    ),
    definition="C is chosen on hold-out 1; the others are as many images of train and validation, and show how far the "
    "choice hangs on them.",
)

Scorer = Callable[[Head, slice], Score]
"""The score of a head on held-out rows of the training set."""


@dataclass(frozen=True)
class HoldOut:
    """What was chosen on one hold-out."""

    rows: slice
    best: Point
    score_at_chosen: float
    """The score there of the C that was chosen on the first."""


@dataclass(frozen=True)
class FittedHead:
    """A head, and how it came about."""

    path: PenaltyPath | None
    """Of the search for C; None where it was given."""
    hold_outs: tuple[HoldOut, ...]
    """The one that decides first; empty where C was given."""
    C: float
    final: Fit
    """On all examples."""
    seconds: Mapping[str, float]
    """Of the search and of the last fit."""

    def params(self, training: TrainingSet, classes: int) -> dict[str, Any]:
        """Return what a record says of the fit."""
        return {
            "C": self.C,
            "chosen_on": "fixed" if self.path is None else training.chosen_on,
            "iterations": self.final.iterations,
            "converged": self.final.converged,
            "at_edge": self.path is not None and self.path.at_edge,
            **self._range_of_c(),
            "n_train": len(training.features),
            "n_classes": classes,
        }

    def _range_of_c(self) -> dict[str, float]:
        """Return the lowest and the highest C that hold-outs chose, where there are several."""
        chosen = [held.best.C for held in self.hold_outs]
        return {"C_lowest": min(chosen), "C_highest": max(chosen)} if len(chosen) > 1 else {}

    def tables(self, training: TrainingSet) -> dict[str, pd.DataFrame]:
        """Return, where there was a search, what came of every C that was tried and of every hold-out."""
        import pandas as pd

        if self.path is None:
            return {}
        rows = [
            (point.C, point.score, training.metric, point.fit.iterations, point.fit.converged, point is self.path.best)
            for point in self.path.points
        ]
        columns = ["C", "score", "metric", "iterations", "converged", "chosen"]
        tables = {"validation_curve": pd.DataFrame(rows, columns=columns)}
        if len(self.hold_outs) > 1:
            choices = [
                (number, held.best.C, held.best.score, held.score_at_chosen)
                for number, held in enumerate(self.hold_outs, 1)
            ]
            tables["hold_outs"] = HOLD_OUTS.frame(choices)
        return tables

    def notes(self) -> Iterator[str]:
        """Yield what a reader must know of how the fitting went."""
        if not self.final.converged:
            yield f"The fit at C = {self.C:g} had not converged after {self.final.iterations} iterations."
        if self.path is None:
            return
        if self.path.at_edge:
            yield f"The best C, {self.C:g}, is at the edge of the grid: a better one may lie outside."
        open_fits = sum(not point.fit.converged for point in self.path.points)
        if open_fits:
            yield f"{open_fits} of {len(self.path.points)} fits of the search had not converged."


def fit_head(
    training: TrainingSet,
    whole: Problem,
    solve: Fitter,
    settings: SearchSettings,
    start: Head | None = None,
    *,
    score: Scorer | None = None,
) -> FittedHead:
    """Choose C by the paper's search on the held-out examples, unless it is given, and fit on all.

    Args:
        training: whose held-out examples score heads.
        whole: the problem of all its examples, those that are held out last.
        solve: how to fit, from `start` on.
        settings: whether C is given, and on how many hold-outs it is searched for.
        score: what is maximised; by default the training set's own.
    """
    started = time.perf_counter()
    path, C, limit = None, settings.C, settings.max_iterations  # noqa: N806 - the field's and scikit-learn's name
    hold_outs: tuple[HoldOut, ...] = ()
    if C is None:
        search = _Search(training, whole, solve, score or training.score, limit)
        path = search.path(training.deciding, start)
        others = training.hold_outs(settings.hold_outs)[1:]
        hold_outs = (
            HoldOut(training.deciding, path.best, path.best.score),
            *(search.hold_out(rows, path) for rows in others),
        )
        C, start = path.best.C, path.best.fit.head  # noqa: N806
    searched = time.perf_counter()
    final = solve(whole, C, start, final=True, max_iterations=limit)
    seconds = {"search": searched - started, "refit": time.perf_counter() - searched}
    return FittedHead(path, hold_outs, C, final, seconds)


@dataclass(frozen=True)
class _Search:
    training: TrainingSet
    whole: Problem
    solve: Fitter
    score: Scorer
    max_iterations: int

    def path(self, held: slice, start: Head | None, like: PenaltyPath | None = None) -> PenaltyPath:
        def score(head: Head) -> Score:
            return self.score(head, held)

        problem = self.whole.without(held)
        count = held.stop - held.start
        return search_path(
            problem, self.solve, score, start, held_out=count, like=like, max_iterations=self.max_iterations
        )

    def hold_out(self, held: slice, deciding: PenaltyPath) -> HoldOut:
        """Search on another hold-out, and score the C there that the deciding one chose."""
        path, chosen = self.path(held, None, deciding), deciding.best
        score = next((point.score for point in path.points if point.C == chosen.C), None)
        if score is None:
            problem = self.whole.without(held)
            fitted = self.solve(problem, chosen.C, chosen.fit.head, max_iterations=self.max_iterations)
            score = leading(self.score(fitted.head, held))
        return HoldOut(held, path.best, score)


def head_scores(
    head: Head, images: ImageSet, view: FeatureView, where: str, classes: int
) -> Iterator[tuple[int, Float32Array]]:
    """Iterate over (first row, (rows, C) float32 scores) of every image."""
    for start, chunk in view.chunks(images, where, rows_at_a_time(classes)):
        yield start, head.class_scores(chunk)
