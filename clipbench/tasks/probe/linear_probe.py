"""The linear probe: logistic regression on frozen image features, its penalty chosen on validation data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from clipbench.heads.logistic import fit
from clipbench.heads.path import Fitter
from clipbench.heads.problem import Head, Problem
from clipbench.heads.scikit import fit_with_scikit
from clipbench.tasks.base import DatasetFacts, Inputs, Needs, Outcome, TaskSettings
from clipbench.tasks.classify.class_columns import ClassColumns
from clipbench.tasks.classify.decisions import decide_scores
from clipbench.tasks.classify.multi_label import multi_label_outcome
from clipbench.tasks.classify.single_label import single_label_outcome
from clipbench.tasks.probe.feature_settings import feature_notes, feature_params, stored_feature
from clipbench.tasks.probe.fitted_head import fit_head, head_scores
from clipbench.tasks.probe.labelled import FeatureView, class_labels, present_classes
from clipbench.tasks.probe.training_set import SearchSettings, fit_memory, needed_splits, training_set
from clipbench.tasks.prompted import PromptedClasses

if TYPE_CHECKING:
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
        return Needs(splits, (stored_feature(own, model, self.name),), memory=fit_memory(own, dataset))

    def evaluate(self, inputs: Inputs, settings: TaskSettings, prompts: PromptedClasses | None) -> Outcome:
        """Choose C, fit and test.

        Raises:
            UserError: labels or features that cannot be used, a class without a training image, or a declared
                main metric that is not computed.
        """
        own = _own(settings)
        view = FeatureView(stored_feature(own, inputs.model, self.name), own.normalise, inputs.model.name)
        training = training_set(inputs, own, view, hold_out=own.C is None)
        whole = Problem.of(training.features, training.targets, training.outputs, device=inputs.device)
        fitted = fit_head(training, whole, _SOLVERS[own.solver], own.C, max_iterations=own.max_iterations)
        outcome = _test(fitted.final.head, inputs, own, view)
        params = feature_params(own) | fitted.params(training, len(inputs.dataset.classes)) | {"solver": own.solver}
        return replace(
            outcome,
            metrics=tuple(replace(m, params={**m.params, **params}) if m.main else m for m in outcome.metrics),
            tables={**outcome.tables, **fitted.tables(training)},
            notes=(*outcome.notes, *feature_notes(own, view.name), *fitted.notes()),
            seconds=fitted.seconds,
        )


def _own(settings: TaskSettings) -> LinearProbeSettings:
    assert isinstance(settings, LinearProbeSettings)
    return settings


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
