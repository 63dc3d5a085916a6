"""The linear probe: logistic regression on frozen image features, its penalty chosen on validation data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from clipbench.errors import UserError
from clipbench.heads.logistic import fit, fit_with_scikit
from clipbench.heads.problem import Head, Problem
from clipbench.heads.search import Fitter
from clipbench.metrics.specs import MetricSpec, TableSpec
from clipbench.tasks.base import Condition, DatasetFacts, Inputs, Needs, Outcome
from clipbench.tasks.classify.class_tables import SINGLE_LABEL_TABLES
from clipbench.tasks.classify.classifier import ClassColumns
from clipbench.tasks.classify.decisions import decide_scores, require_images
from clipbench.tasks.classify.multi_label import MULTI_LABEL_METRICS, multi_label_outcome
from clipbench.tasks.classify.single_label import SINGLE_LABEL_METRICS, single_label_outcome
from clipbench.tasks.probe.feature_settings import feature_notes, feature_params, stored_feature
from clipbench.tasks.probe.fitted_head import HOLD_OUTS, VALIDATION_CURVE, fit_head, head_scores
from clipbench.tasks.probe.labelled import FeatureView
from clipbench.tasks.probe.training_set import SearchSettings, fit_memory, needed_splits, training_set
from clipbench.tasks.prompts import PromptedClasses

if TYPE_CHECKING:
    from clipbench.models.base import ModelInfo

_SOLVERS: Mapping[str, Fitter] = {"lbfgs": fit, "scikit-learn": fit_with_scikit}


class LinearProbeSettings(SearchSettings):
    """Settings of the linear probe."""

    task: Literal["linear_probe"] = Field(description="Fit a linear classifier on the image features.")
    solver: Literal["lbfgs", "scikit-learn"] = Field(
        default="lbfgs",
        description="Both minimise the same objective. lbfgs: preconditioned, exact in float64, many times faster. "
        "scikit-learn: its LogisticRegression at its default tolerance, on the CPU, for one class an image.",
    )

    @property
    def condition(self) -> Condition:
        """The features, a given C, and another solver."""
        fixed = () if self.C is None else (f"C = {self.C:g}",)
        solver = () if self.solver == "lbfgs" else (self.solver,)
        return replace(super().condition, head=", ".join((*fixed, *solver)))


class LinearProbe:
    """The linear probe (Radford et al. 2021, section 3.2 and appendix A.3).

    Multinomial logistic regression with an L2 penalty, for multi-label sets one logistic regression a class; C
    is chosen on validation data, the head is fitted again on train and validation together, and tested once.
    """

    name: ClassVar[str] = "linear_probe"
    protocol: ClassVar[int] = 2
    Settings: type[LinearProbeSettings] = LinearProbeSettings
    label: ClassVar[str] = "linear probe"
    metrics: ClassVar[tuple[MetricSpec, ...]] = (*SINGLE_LABEL_METRICS, *MULTI_LABEL_METRICS)
    tables: ClassVar[tuple[TableSpec, ...]] = (*SINGLE_LABEL_TABLES, VALIDATION_CURVE, HOLD_OUTS)

    def needs(
        self, settings: LinearProbeSettings, dataset: DatasetFacts, model: ModelInfo, prompts: PromptedClasses | None
    ) -> Needs:
        """Ask for the training, validation and test splits' features."""
        if dataset.multilabel and settings.solver != "lbfgs":
            problem = f"solver: {settings.solver} fits one class an image; this data set is multi-label"
            raise UserError(problem, where=dataset.name, fix="use solver: lbfgs")
        splits = needed_splits(settings, dataset, self.name)
        return Needs(splits, (stored_feature(settings, model, self.name),), memory=fit_memory(settings, dataset))

    def evaluate(self, inputs: Inputs, settings: LinearProbeSettings, prompts: PromptedClasses | None) -> Outcome:
        """Choose C, fit and test."""
        view = FeatureView.of(settings, inputs.model)
        training = training_set(inputs, settings, view, hold_out=settings.C is None)
        whole = Problem.of(training.features, training.targets, training.outputs, device=inputs.device)
        solve = _SOLVERS[settings.solver]
        fitted = fit_head(training, whole, solve, settings)
        outcome = _test(fitted.final.head, inputs, settings.split, view)
        of_fit = fitted.params(training, len(inputs.dataset.classes))
        params = {**feature_params(settings), **of_fit, "solver": settings.solver}
        return replace(
            outcome,
            metrics=tuple(replace(m, params={**m.params, **params}) if m.main else m for m in outcome.metrics),
            tables={**outcome.tables, **fitted.tables(training)},
            notes=(*outcome.notes, *feature_notes(settings, view.name), *fitted.notes()),
            seconds=fitted.seconds,
        )


def _test(head: Head, inputs: Inputs, split: str, view: FeatureView) -> Outcome:
    images, dataset = inputs.sets[split], inputs.dataset
    where, classes = f"{dataset.name}, split {split}", len(dataset.classes)
    require_images(images, where)
    scored = head_scores(head, images, view, where, classes)
    if dataset.multilabel:
        scores = np.concatenate([chunk for _, chunk in scored])
        return multi_label_outcome(images, scores, dataset, split, score="logit")
    decisions = decide_scores(images, scored, ClassColumns.apart(classes), where)
    return single_label_outcome(decisions, images, dataset, split)
