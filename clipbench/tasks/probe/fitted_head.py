"""A head that was fitted: C chosen on held-out examples or given, then a fit on all; and its scores."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipbench.arrays import Float32Array
from clipbench.heads.logistic import Fit
from clipbench.heads.problem import Head, Problem
from clipbench.heads.search import Fitter, PenaltyPath, search_path
from clipbench.metrics.specs import ColumnSpec, CurveSpec, TableSpec
from clipbench.tasks.base import ImageSet
from clipbench.tasks.classify.decisions import rows_at_a_time
from clipbench.tasks.probe.labelled import FeatureView
from clipbench.tasks.probe.training_set import TrainingSet

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


@dataclass(frozen=True)
class FittedHead:
    """A head, and how it came about."""

    path: PenaltyPath | None
    """Of the search for C; None where it was given."""
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
            "n_train": len(training.features),
            "n_classes": classes,
        }

    def tables(self, training: TrainingSet) -> dict[str, pd.DataFrame]:
        """Return the validation curve, where there was a search: what came of every C that was tried."""
        import pandas as pd

        if self.path is None:
            return {}
        rows = [
            (point.C, point.score, training.metric, point.fit.iterations, point.fit.converged, point is self.path.best)
            for point in self.path.points
        ]
        columns = ["C", "score", "metric", "iterations", "converged", "chosen"]
        return {"validation_curve": pd.DataFrame(rows, columns=columns)}

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
    C: float | None,  # noqa: N803 - the field's and scikit-learn's name
    start: Head | None = None,
    *,
    max_iterations: int,
) -> FittedHead:
    """Choose C by the paper's search on the held-out examples, unless it is given, and fit on all.

    Args:
        training: whose held-out examples score heads.
        whole: the problem of all its examples, those that are held out last.
        solve: how to fit, from `start` on.
        C: inverse strength of the penalty; None: chosen.
    """
    started = time.perf_counter()
    path = None
    if C is None:
        path = search_path(whole.first(training.n_fit), solve, training.score, start, max_iterations=max_iterations)
        C, start = path.best.C, path.best.fit.head  # noqa: N806
    searched = time.perf_counter()
    final = solve(whole, C, start, final=True, max_iterations=max_iterations)
    seconds = {"search": searched - started, "refit": time.perf_counter() - searched}
    return FittedHead(path, C, final, seconds)


def head_scores(
    head: Head, images: ImageSet, view: FeatureView, where: str, classes: int
) -> Iterator[tuple[int, Float32Array]]:
    """Iterate over (first row, (rows, C) float32 scores) of every image."""
    for start, chunk in view.chunks(images, where, rows_at_a_time(classes)):
        yield start, head.class_scores(chunk)
