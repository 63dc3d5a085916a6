"""WiSE-FT on a linear head: fitted weights interpolated with those of the text classifier."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field

from clipbench.errors import UserError
from clipbench.tasks.base import DatasetFacts, Inputs, Needs, Outcome, TaskSettings
from clipbench.tasks.classify.class_columns import ClassColumns
from clipbench.tasks.classify.class_prompts import PromptSettings, class_prompts, distinct_strings
from clipbench.tasks.classify.classifier import TextClassifier, text_classifier
from clipbench.tasks.classify.decisions import Decisions, decide, decide_scores
from clipbench.tasks.classify.single_label import proportion, single_label_outcome
from clipbench.tasks.probe.feature_settings import feature_params
from clipbench.tasks.probe.fitted_head import head_scores
from clipbench.tasks.probe.interpolation import Interpolation, interpolation, text_head
from clipbench.tasks.probe.labelled import FeatureView, class_labels
from clipbench.tasks.probe.training_set import SearchSettings, TrainingSet, fit_memory, needed_splits, training_set
from clipbench.tasks.prompt_choice import listed_if, name_of
from clipbench.tasks.prompted import PromptedClasses
from clipbench.tasks.requirements import require_joint_space
from clipbench.tasks.wording import listed

if TYPE_CHECKING:
    import pandas as pd

    from clipbench.models.base import ModelInfo

RECOMMENDED = 0.5
"""What Wortsman et al. recommend where nothing is known of the shift."""

_ALWAYS = (0.0, RECOMMENDED, 1.0)


Alpha = Annotated[float, Field(ge=0, le=1)]


class WiseFtSettings(SearchSettings, PromptSettings):
    """Settings of WiSE-FT."""

    task: Literal["wise_ft"] = Field(
        description="Fit a linear classifier that starts as the text classifier, and interpolate between the two."
    )
    features: Annotated[
        tuple[Literal["projected"], ...],
        BeforeValidator(listed_if(str), json_schema_input_type=Literal["projected"] | tuple[Literal["projected"], ...]),
    ] = Field(default=("projected",), min_length=1, description="Those that the text classifier works on, always.")
    normalise: Literal[True] = Field(default=True, description="Each image's features have length 1, always.")
    alphas: Annotated[
        tuple[Alpha, ...], BeforeValidator(listed_if(int, float), json_schema_input_type=Alpha | tuple[Alpha, ...])
    ] = Field(
        default=tuple(tenth / 10 for tenth in range(11)),
        description="Shares of the fitted weights, from 0 (zero-shot) to 1 (fitted); 0, 0.5 and 1 are always among "
        "them.",
    )
    towards: Literal["zero", "text_classifier"] = Field(
        default="zero",
        description="What the L2 penalty pulls the weights to. text_classifier is clipbench's own variant, not part "
        "of WiSE-FT.",
    )

    def variants(self) -> Sequence[Self]:
        """Return one settings object for each prompt choice, or this one if none is named; features are of one kind."""
        return PromptSettings.variants(self)

    def words(self) -> tuple[str, ...]:
        """Return what tells this job from others of its task."""
        pulled = () if self.towards == "zero" else ("towards the text classifier",)
        fixed = () if self.C is None else (f"C = {self.C:g}",)
        return (*(name_of(choice) for choice in self.prompts), *pulled, *fixed)

    @property
    def every_alpha(self) -> tuple[float, ...]:
        """All alphas that are computed, in ascending order."""
        return tuple(sorted({*_ALWAYS, *self.alphas}))


class WiseFt:
    """WiSE-FT (Wortsman et al. 2022, arXiv 2109.01903) on a linear head.

    Multinomial logistic regression on projected features of length 1, without an intercept, starts at
    W0 = logit scale * text classifier; C is chosen as for the linear probe, and the head is fitted again on train
    and validation together. Evaluated are the heads alpha W + (1 - alpha) W0. The objective has one minimum, so
    W0 decides how soon W is found and not where it is, unless `towards: text_classifier` puts the penalty on the
    distance from W0; that is clipbench's own variant.
    """

    name: ClassVar[str] = "wise_ft"
    protocol: ClassVar[int] = 1
    Settings: ClassVar[type[TaskSettings]] = WiseFtSettings

    def needs(
        self, settings: TaskSettings, dataset: DatasetFacts, model: ModelInfo, prompts: PromptedClasses | None
    ) -> Needs:
        """Ask for the training, validation and test splits' projected features and every prompt.

        Raises:
            UserError: the data set is multi-label, lacks classes or a split, the model has no text tower, or the
                prompts are for other classes.
        """
        own = _own(settings)
        require_joint_space(model, self.name)
        if dataset.multilabel:
            raise UserError(
                "wise_ft needs one class an image; this data set is multi-label",
                where=dataset.name,
                fix="use linear_probe or zero_shot",
            )
        splits = needed_splits(own, dataset, self.name)
        strings = distinct_strings(class_prompts(prompts, dataset, self.name))
        return Needs(splits, strings=strings, memory=fit_memory(own, dataset))

    def evaluate(self, inputs: Inputs, settings: TaskSettings, prompts: PromptedClasses | None) -> Outcome:
        """Fit, interpolate and test.

        Raises:
            UserError: labels or features that cannot be used, a class without a training image, or a declared
                main metric that is not computed.
        """
        own, dataset = _own(settings), inputs.dataset
        prompts = class_prompts(prompts, dataset, self.name)
        images, where = inputs.sets[own.split], f"{dataset.name}, split {own.split}"
        class_labels(images, dataset, where)
        classifier = text_classifier(prompts, inputs.text, inputs.model.name)
        view = FeatureView("projected", own.normalise, inputs.model.name)
        # Alpha is chosen on held-out examples even where C is given.
        training = training_set(inputs, own, view, hold_out=True)
        fitted = inputs.once("head", lambda: _fit(training, classifier, inputs, own))
        started = time.perf_counter()
        decided = {alpha: _decide(alpha, fitted, classifier, inputs, own, view) for alpha in own.every_alpha}
        outcome = _outcome(decided, fitted, training, inputs, own)
        seconds = {**fitted.fitted.seconds, "test": time.perf_counter() - started}
        notes = (*outcome.notes, *fitted.fitted.notes(), *_equal_prompts(classifier, prompts))
        return replace(outcome, notes=notes, seconds=seconds)


def _own(settings: TaskSettings) -> WiseFtSettings:
    assert isinstance(settings, WiseFtSettings)
    return settings


def _fit(training: TrainingSet, classifier: TextClassifier, inputs: Inputs, settings: WiseFtSettings) -> Interpolation:
    return interpolation(
        training,
        text_head(classifier, inputs.model.logit_scale),
        settings.C,
        towards_origin=settings.towards == "text_classifier",
        device=inputs.device,
        max_iterations=settings.max_iterations,
    )


def _decide(
    alpha: float,
    fitted: Interpolation,
    classifier: TextClassifier,
    inputs: Inputs,
    settings: WiseFtSettings,
    view: FeatureView,
) -> Decisions:
    images, classes = inputs.sets[settings.split], len(inputs.dataset.classes)
    where = f"{inputs.dataset.name}, split {settings.split}"
    if alpha == 0:
        # As zero_shot does it, to the last bit and with its rule for equal prompts.
        return decide(images, classifier, inputs.model, where)
    scored = head_scores(fitted.at(alpha), images, view, where, classes)
    return decide_scores(images, scored, ClassColumns.apart(classes), where)


def _outcome(
    decided: Mapping[float, Decisions],
    fitted: Interpolation,
    training: TrainingSet,
    inputs: Inputs,
    settings: WiseFtSettings,
) -> Outcome:
    dataset, split = inputs.dataset, settings.split
    validation = {alpha: training.score(fitted.at(alpha, on_part=True)) for alpha in decided}
    chosen = max(decided, key=lambda alpha: (validation[alpha], -alpha))
    on = {"chosen_on": training.chosen_on, "chosen_by": training.metric}
    more = (
        proportion("zero_shot_top1", decided[0.0].correct, {"alpha": 0.0}),
        proportion("fitted_top1", decided[1.0].correct, {"alpha": 1.0}),
        replace(proportion("top1_at_chosen_alpha", decided[chosen].correct), params={"alpha": chosen, **on}),
    )
    outcome = single_label_outcome(decided[RECOMMENDED], inputs.sets[split], dataset, split, more)
    ends = {"correct.zero_shot": decided[0.0].correct, "correct.fitted": decided[1.0].correct}
    outcome = replace(outcome, examples=outcome.examples.assign(**ends))
    own_names = {metric.name for metric in more}
    of_fit = fitted.fitted.params(training, len(dataset.classes))
    params = {"alpha": RECOMMENDED, **feature_params(settings), "towards": settings.towards, **of_fit}
    metrics = (m if m.name in own_names else replace(m, params={**m.params, **params}) for m in outcome.metrics)
    tables = {**outcome.tables, "alpha_curve": _alpha_curve(decided, validation), **fitted.fitted.tables(training)}
    return replace(outcome, metrics=tuple(metrics), tables=tables)


def _alpha_curve(decided: Mapping[float, Decisions], validation: Mapping[float, float]) -> pd.DataFrame:
    """Return alpha, top1, low, high (Wilson, 95 %) and the validation score of heads fitted without that part."""
    import pandas as pd

    rows = []
    for alpha, decisions in decided.items():
        top1 = proportion("top1", decisions.correct)
        assert top1.interval is not None
        rows.append((alpha, top1.value, top1.interval.low, top1.interval.high, validation[alpha]))
    return pd.DataFrame(rows, columns=["alpha", "top1", "low", "high", "validation"])


def _equal_prompts(classifier: TextClassifier, prompts: PromptedClasses) -> Iterator[str]:
    groups = [" and ".join(prompts.classes[index] for index in pair) for pair in classifier.twins]
    if groups:
        yield (
            f"Equal prompts: {listed(groups)}. At alpha 0 the lower index wins, as in zero_shot; on validation "
            "these ties count as wrong."
        )
    tied = [" = ".join(prompts.classes[index] for index in group) for group in classifier.tied]
    if tied:
        yield f"Different prompts, same embedding: {listed(tied)}. At alpha 0 these ties count as wrong."
