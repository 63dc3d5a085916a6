"""The linear probe: logistic regression on frozen image features, its penalty chosen on validation data."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from clipbench.heads.logistic import Fit, fit, memory
from clipbench.heads.path import Fitter, PenaltyPath, search_path
from clipbench.heads.problem import Head, Problem
from clipbench.heads.scikit import fit_with_scikit
from clipbench.tasks.base import (
    DatasetFacts,
    FloatArray,
    ImageSet,
    Inputs,
    Needs,
    Outcome,
    PromptedClasses,
    TaskSettings,
)
from clipbench.tasks.class_columns import ClassColumns
from clipbench.tasks.decisions import decide_scores, rows_at_a_time
from clipbench.tasks.feature_settings import feature_notes, feature_params, stored_feature
from clipbench.tasks.labelled import FeatureView, class_labels, present_classes
from clipbench.tasks.multi_label import multi_label_outcome
from clipbench.tasks.single_label import single_label_outcome
from clipbench.tasks.training_set import SearchSettings, TrainingSet, needed_splits, training_set

if TYPE_CHECKING:
    import pandas as pd

    from clipbench.models.base import ModelInfo

_SOLVERS: Mapping[str, Fitter] = {"lbfgs": fit, "scikit-learn": fit_with_scikit}


class LinearProbeSettings(SearchSettings):
    """Settings of the linear probe."""

    task: Literal["linear_probe"] = Field(description="Fit a linear classifier on the image features.")
    solver: Literal["lbfgs", "scikit-learn"] = Field(
        default="lbfgs",
        description="Both minimise the same objective. lbfgs: preconditioned, exact in float64, many times faster. "
        "scikit-learn: its LogisticRegression at its default tolerance.",
    )

    def words(self) -> tuple[str, ...]:
        """Return what tells this job from others of its task."""
        fixed = () if self.C is None else (f"C = {self.C:g}",)
        return (*super().words(), *fixed, *(() if self.solver == "lbfgs" else (self.solver,)))


class LinearProbe:
    """The linear probe (Radford et al. 2021, section 3.2 and appendix A.3).

    Multinomial logistic regression with an L2 penalty, for multi-label sets one logistic regression a class; C
    is chosen on validation data, the head is fitted again on train and validation together, and tested once.
    """

    name: ClassVar[str] = "linear_probe"
    protocol: ClassVar[int] = 1
    Settings: ClassVar[type[TaskSettings]] = LinearProbeSettings

    def needs(
        self, settings: TaskSettings, dataset: DatasetFacts, model: ModelInfo, prompts: PromptedClasses | None
    ) -> Needs:
        """Ask for the training, validation and test splits' features.

        Raises:
            UserError: the data set lacks classes or a split, or the model lacks the features.
        """
        own = _own(settings)
        splits = needed_splits(own, dataset, self.name)
        outputs = 1 if len(dataset.classes) == 2 and not dataset.multilabel else len(dataset.classes)

        def needed(counts: Mapping[str, int], width: int) -> int:
            fitted = sum(count for split, count in counts.items() if split != own.split)
            return memory(fitted, width, outputs)

        return Needs(splits=splits, features=(stored_feature(own, model, self.name),), memory=needed)

    def evaluate(self, inputs: Inputs, settings: TaskSettings, prompts: PromptedClasses | None) -> Outcome:
        """Choose C, fit and test.

        Raises:
            UserError: labels or features that cannot be used, a class without a training image, or a declared
                main metric that is not computed.
        """
        own = _own(settings)
        view = FeatureView(stored_feature(own, inputs.model, self.name), own.normalise, inputs.model.name)
        training = training_set(inputs, own, view, hold_out=own.C is None)
        fitted = _fit(training, own, inputs.device)
        outcome = _test(fitted.final.head, inputs, own, view)
        params = feature_params(own) | _params(fitted, training, own, len(inputs.dataset.classes))
        tables = dict(outcome.tables)
        if fitted.path is not None:
            tables["validation_curve"] = validation_curve(fitted.path, training.metric)
        return replace(
            outcome,
            metrics=tuple(replace(m, params={**m.params, **params}) if m.main else m for m in outcome.metrics),
            tables=tables,
            notes=(*outcome.notes, *_notes(fitted, own, view)),
            seconds=fitted.seconds,
        )


def _own(settings: TaskSettings) -> LinearProbeSettings:
    assert isinstance(settings, LinearProbeSettings)
    return settings


@dataclass(frozen=True)
class _Fitted:
    path: PenaltyPath | None
    """None where C was given."""
    C: float
    final: Fit
    seconds: Mapping[str, float]


def _fit(training: TrainingSet, settings: LinearProbeSettings, device: str) -> _Fitted:
    solve, iterations = _SOLVERS[settings.solver], settings.max_iterations
    whole = Problem.of(training.features, training.targets, training.outputs, device=device)
    started = time.perf_counter()
    path = None
    if settings.C is None:
        path = search_path(whole.first(training.n_fit), solve, training.score, max_iterations=iterations)
    searched = time.perf_counter()
    C = settings.C if path is None else path.best.C  # noqa: N806
    assert C is not None
    start = None if path is None else path.best.fit.head
    final = solve(whole, C, start, final=True, max_iterations=iterations)
    seconds = {"search": searched - started, "refit": time.perf_counter() - searched}
    return _Fitted(path, C, final, seconds)


def _test(head: Head, inputs: Inputs, settings: LinearProbeSettings, view: FeatureView) -> Outcome:
    images, dataset, split = inputs.sets[settings.split], inputs.dataset, settings.split
    where, classes = f"{dataset.name}, split {split}", len(dataset.classes)
    if dataset.multilabel:
        present_classes(images, dataset, where)
        scores = np.concatenate([chunk for _, chunk in head_scores(head, images, view, where, classes)])
        return multi_label_outcome(images, scores, dataset, split, score="logit")
    class_labels(images, dataset, where)
    scored = head_scores(head, images, view, where, classes)
    decisions = decide_scores(images, scored, ClassColumns.apart(classes), where)
    return single_label_outcome(decisions, images, dataset, split)


def head_scores(
    head: Head, images: ImageSet, view: FeatureView, where: str, classes: int
) -> Iterator[tuple[int, FloatArray]]:
    """Iterate over (first row, (rows, C) float32 scores) of every image.

    Raises:
        UserError: features are not finite.
    """
    for start, chunk in view.chunks(images, where, rows_at_a_time(classes)):
        yield start, head.class_scores(chunk) if head.weight.shape[0] != classes else head.scores(chunk)


def validation_curve(path: PenaltyPath, metric: str) -> pd.DataFrame:
    """Return C, score, metric, iterations, converged and chosen of every value that was tried."""
    import pandas as pd

    rows = [
        (point.C, point.score, metric, point.fit.iterations, point.fit.converged, point is path.best)
        for point in path.points
    ]
    return pd.DataFrame(rows, columns=["C", "score", "metric", "iterations", "converged", "chosen"])


def _params(fitted: _Fitted, training: TrainingSet, settings: LinearProbeSettings, classes: int) -> dict[str, Any]:
    return {
        "C": fitted.C,
        "chosen_on": "fixed" if fitted.path is None else training.chosen_on,
        "iterations": fitted.final.iterations,
        "converged": fitted.final.converged,
        "at_edge": fitted.path is not None and fitted.path.at_edge,
        "n_train": len(training.features),
        "n_classes": classes,
        "solver": settings.solver,
    }


def _notes(fitted: _Fitted, settings: LinearProbeSettings, view: FeatureView) -> Iterator[str]:
    yield from feature_notes(settings, view.name)
    if not fitted.final.converged:
        yield f"The fit at C = {fitted.C:g} had not converged after {fitted.final.iterations} iterations."
    if fitted.path is None:
        return
    if fitted.path.at_edge:
        yield f"The best C, {fitted.C:g}, is at the edge of the grid: a better one may lie outside."
    open_fits = sum(not point.fit.converged for point in fitted.path.points)
    if open_fits:
        yield f"{open_fits} of {len(fitted.path.points)} fits of the search had not converged."
