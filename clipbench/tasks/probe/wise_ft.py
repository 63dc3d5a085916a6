"""WiSE-FT on a linear head: fitted weights interpolated with those of the text classifier."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field

from clipbench.heads.logistic import fit
from clipbench.heads.mixtures import Mixtures, best_alpha
from clipbench.heads.problem import Head, Problem
from clipbench.heads.search import Score
from clipbench.metrics.specs import ColumnSpec, CurveSpec, MetricSpec, TableSpec
from clipbench.stats.intervals import ends
from clipbench.tasks.base import Condition, DatasetFacts, Inputs, Needs, Outcome
from clipbench.tasks.classify.class_prompts import PromptSettings, class_prompts, distinct_strings
from clipbench.tasks.classify.class_tables import SINGLE_LABEL_TABLES
from clipbench.tasks.classify.classifier import ClassColumns, TextClassifier, text_classifier
from clipbench.tasks.classify.decisions import Decisions, decide, decide_scores
from clipbench.tasks.classify.single_label import SINGLE_LABEL_METRICS, OtherTop1, proportion, single_label_outcome
from clipbench.tasks.probe.feature_settings import feature_params
from clipbench.tasks.probe.fitted_head import HOLD_OUTS, VALIDATION_CURVE, FittedHead, fit_head, head_scores
from clipbench.tasks.probe.labelled import FeatureView, LabelledImages
from clipbench.tasks.probe.training_set import SearchSettings, TrainingSet, fit_memory, needed_splits, training_set
from clipbench.tasks.prompts import DISTINCT, PromptedClasses, listed_if
from clipbench.tasks.requirements import require_joint_space, require_single_label

if TYPE_CHECKING:
    import pandas as pd

    from clipbench.models.base import ModelInfo

RECOMMENDED = 0.5
"""What Wortsman et al. recommend where nothing is known of the shift."""

_ALWAYS = (0.0, RECOMMENDED, 1.0)

Alpha = Annotated[float, Field(ge=0, le=1)]

METRICS = (
    MetricSpec(
        "zero_shot_top1",
        "zero-shot top-1",
        definition="top-1 of the text classifier's weights (alpha 0).",
        per_example="correct.zero_shot",
    ),
    MetricSpec(
        "fitted_top1",
        "fitted top-1",
        definition="top-1 of the fitted weights (alpha 1).",
        per_example="correct.fitted",
    ),
    MetricSpec(
        "top1_at_chosen_alpha",
        "top-1 at the chosen alpha",
        definition="top-1 of the mixture of the two that did best on validation data, C and alpha chosen together.",
    ),
)
ALPHA_CURVE = TableSpec(
    "alpha_curve",
    "From zero-shot to fitted weights",
    (
        ColumnSpec("alpha", unit="number"),
        ColumnSpec("top1", "top-1", "fraction", "low", "high"),
        ColumnSpec("validation", unit="fraction"),
    ),
    curve=CurveSpec(
        "alpha",
        "top1",
        second="validation",
        second_label="validation",
        chosen_param=("top1_at_chosen_alpha", "alpha"),
        chosen_label="best on validation",
        legend="top-1 on test",
    ),
    definition="alpha is the share of the fitted weights: 0 is zero-shot, 1 the fitted head, at the C that was chosen.",
)
_ALPHA = ColumnSpec("alpha", unit="number")
MIXTURE_CURVE = replace(
    VALIDATION_CURVE,
    columns=(*VALIDATION_CURVE.columns[:1], _ALPHA, *VALIDATION_CURVE.columns[1:]),
    definition="The score is that of the best alpha, on examples that the heads were not fitted on.",
)
MIXTURE_HOLD_OUTS = replace(HOLD_OUTS, columns=(*HOLD_OUTS.columns[:2], _ALPHA, *HOLD_OUTS.columns[2:]))


class WiseFtSettings(SearchSettings, PromptSettings):
    """Settings of WiSE-FT."""

    task: Literal["wise_ft"] = Field(
        description="Fit a linear classifier that starts as the text classifier, and interpolate between the two."
    )
    features: Annotated[
        tuple[Literal["projected"], ...],
        BeforeValidator(listed_if(str), json_schema_input_type=Literal["projected"] | tuple[Literal["projected"], ...]),
        DISTINCT,
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

    @property
    def condition(self) -> Condition:
        """What the penalty pulls to, and a given C."""
        pulled = () if self.towards == "zero" else ("towards the text classifier",)
        fixed = () if self.C is None else (f"C = {self.C:g}",)
        return Condition(head=", ".join((*pulled, *fixed)))

    @property
    def every_alpha(self) -> tuple[float, ...]:
        """All alphas that are computed, in ascending order."""
        return tuple(sorted({*_ALWAYS, *self.alphas}))


class WiseFt:
    """WiSE-FT (Wortsman et al. 2022, arXiv 2109.01903) on a linear head.

    Multinomial logistic regression on projected features of length 1, without an intercept, starts at
    W0 = logit scale * text classifier; C and alpha are chosen together on validation data, and the head is fitted
    again on train and validation together. Evaluated are the heads alpha W + (1 - alpha) W0. The objective has one
    minimum, so W0 decides how soon W is found and not where it is, unless `towards: text_classifier` puts the penalty
    on the distance from W0; that is clipbench's own variant.
    """

    name: ClassVar[str] = "wise_ft"
    protocol: ClassVar[int] = 2
    Settings: type[WiseFtSettings] = WiseFtSettings
    label: ClassVar[str] = "WiSE-FT head"
    metrics: ClassVar[tuple[MetricSpec, ...]] = (*SINGLE_LABEL_METRICS, *METRICS)
    tables: ClassVar[tuple[TableSpec, ...]] = (*SINGLE_LABEL_TABLES, ALPHA_CURVE, MIXTURE_CURVE, MIXTURE_HOLD_OUTS)

    def needs(
        self, settings: WiseFtSettings, dataset: DatasetFacts, model: ModelInfo, prompts: PromptedClasses | None
    ) -> Needs:
        """Ask for the training, validation and test splits' projected features and every prompt."""
        require_joint_space(model, self.name)
        require_single_label(dataset, self.name, "use linear_probe or zero_shot")
        splits = needed_splits(settings, dataset, self.name)
        strings = distinct_strings(class_prompts(prompts, dataset, self.name))
        return Needs(splits, strings=strings, memory=fit_memory(settings, dataset))

    def evaluate(self, inputs: Inputs, settings: WiseFtSettings, prompts: PromptedClasses | None) -> Outcome:
        """Fit, interpolate and test."""
        dataset, model = inputs.dataset, inputs.model
        prompts = class_prompts(prompts, dataset, self.name)
        # What cannot be tested is not fitted first.
        tested = LabelledImages.of(inputs, settings.split)
        classifier = text_classifier(prompts, inputs.text, model.name)
        view = FeatureView("projected", settings.normalise, model.name)
        # Alpha is chosen on held-out examples even where C is given.
        training = training_set(inputs, settings, view, hold_out=True)
        origin = text_head(classifier, model.logit_scale)
        heads = inputs.cache.get_or_compute("head", lambda: fit_from(origin, training, settings, inputs.device))
        started = time.perf_counter()
        decided = {alpha: _decide(alpha, heads, classifier, tested, view, model) for alpha in settings.every_alpha}
        outcome = _outcome(decided, heads, training, inputs, settings)
        seconds = {**heads.fitted.seconds, "test": time.perf_counter() - started}
        notes = (*outcome.notes, *heads.fitted.notes(), *_equal_prompts(classifier, prompts))
        return replace(outcome, notes=notes, seconds=seconds)


def text_head(classifier: TextClassifier, logit_scale: float) -> Head:
    """Return the text classifier as a head without an intercept; of two classes, the second minus the first."""
    weight = logit_scale * classifier.vectors[classifier.column].astype(np.float64)
    rows = weight[1:] - weight[:1] if len(weight) == 2 else weight
    return Head(rows, np.zeros(len(rows)))


@dataclass(frozen=True)
class Interpolation:
    """Heads between the text classifier and a fitted one, and how they did on validation data."""

    mixtures: Mixtures
    fitted: FittedHead
    validation: Mapping[float, float]
    """The score for each alpha, of a head fitted with the same C on the examples that are not held out."""
    tables: Mapping[str, pd.DataFrame]
    """Those of the fitted head, with the alpha that is best at each C and on each hold-out."""


def fit_from(origin: Head, training: TrainingSet, settings: WiseFtSettings, device: str) -> Interpolation:
    """Fit without an intercept from a head on, first on the part that is not held out, then on all."""
    towards = origin.weight if settings.towards == "text_classifier" else None
    arrays = training.features, training.targets, training.outputs
    whole = Problem.of(*arrays, device=device, intercept=False, towards=towards)
    limit, part = settings.max_iterations, origin
    if settings.C is not None:
        part = fit(whole.without(training.deciding), settings.C, origin, max_iterations=limit).head
    mixtures = Mixtures(origin, settings.every_alpha)

    def validate(head: Head, held: slice) -> dict[float, float]:
        return mixtures.validate(head, training.features[held], lambda scores: training.score_of(scores, held))

    def score(head: Head, held: slice) -> Score:
        validation = validate(head, held)
        # Where zero-shot is best, it is so at every C: the fitted head alone then tells them apart.
        return max(validation.values()), validation[1.0]

    fitted = fit_head(training, whole, fit, settings, part, score=score)
    tables = fitted.tables(training)
    if fitted.path is not None:
        # The search has fitted the part already.
        part, tried = fitted.path.best.fit.head, fitted.path.points
        alphas = [best_alpha(validate(point.fit.head, training.deciding)) for point in tried]
        tables["validation_curve"].insert(1, "alpha", alphas)
    if "hold_outs" in tables:
        alphas = [best_alpha(validate(held.best.fit.head, held.rows)) for held in fitted.hold_outs]
        tables["hold_outs"].insert(2, "alpha", alphas)
    return Interpolation(mixtures, fitted, validate(part, training.deciding), tables)


def _decide(
    alpha: float,
    heads: Interpolation,
    classifier: TextClassifier,
    tested: LabelledImages,
    view: FeatureView,
    model: ModelInfo,
) -> Decisions:
    images, where, classes = tested.images, tested.where, len(tested.dataset.classes)
    if alpha == 0:
        # As zero_shot does it, to the last bit and with its rule for equal prompts.
        return decide(images, classifier, model, where)
    scored = head_scores(heads.mixtures.at(alpha, heads.fitted.final.head), images, view, where, classes)
    return decide_scores(images, scored, ClassColumns.apart(classes), where)


def _outcome(
    decided: Mapping[float, Decisions],
    heads: Interpolation,
    training: TrainingSet,
    inputs: Inputs,
    settings: WiseFtSettings,
) -> Outcome:
    dataset, split = inputs.dataset, settings.split
    chosen = best_alpha(heads.validation)
    choice = {"alpha": chosen, "C": heads.fitted.C, "chosen_on": training.chosen_on, "chosen_by": training.metric}
    ends = (
        OtherTop1("zero_shot_top1", decided[0.0].correct, {"alpha": 0.0}),
        OtherTop1("fitted_top1", decided[1.0].correct, {"alpha": 1.0}),
        OtherTop1("top1_at_chosen_alpha", decided[chosen].correct, choice),
    )
    outcome = single_label_outcome(decided[RECOMMENDED], inputs.sets[split], dataset, split, ends)
    correct = {"correct.zero_shot": decided[0.0].correct, "correct.fitted": decided[1.0].correct}
    of_fit = heads.fitted.params(training, len(dataset.classes))
    params = {"alpha": RECOMMENDED, **feature_params(settings), "towards": settings.towards, **of_fit}
    return replace(
        outcome,
        metrics=tuple(m if "alpha" in m.params else replace(m, params={**m.params, **params}) for m in outcome.metrics),
        examples=outcome.examples.assign(**correct),
        tables={**outcome.tables, "alpha_curve": _alpha_curve(decided, heads.validation), **heads.tables},
    )


def _alpha_curve(decided: Mapping[float, Decisions], validation: Mapping[float, float]) -> pd.DataFrame:
    """Return top-1 for each alpha, and the validation score of heads fitted without the part that gives it."""
    rows = []
    for alpha, decisions in decided.items():
        top1 = proportion("top1", decisions.correct)
        rows.append((alpha, top1.value, *ends(top1.interval), validation[alpha]))
    return ALPHA_CURVE.frame(rows)


def _equal_prompts(classifier: TextClassifier, prompts: PromptedClasses) -> Iterator[str]:
    equal, tied = classifier.equals(prompts.classes)
    if equal:
        yield (
            f"Equal prompts: {equal}. At alpha 0 the lower index wins, as in zero_shot; on validation these ties "
            "count as wrong."
        )
    if tied:
        yield f"Different prompts, same embedding: {tied}. At alpha 0 these ties count as wrong."
