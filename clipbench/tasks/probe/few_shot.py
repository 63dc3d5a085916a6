"""Few-shot learning: a linear head fitted on k examples a class, for several draws of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Discriminator, Field, Tag

from clipbench.heads.logistic import Fit, fit, memory
from clipbench.heads.problem import Head, outputs_for
from clipbench.metrics.accuracy import true_class_ranks
from clipbench.metrics.specs import ColumnSpec, MetricSpec, TableSpec
from clipbench.stats.crossed import LARGEST_SHARE
from clipbench.tasks.base import Condition, DatasetFacts, Inputs, Memory, Needs, Outcome
from clipbench.tasks.classify.class_tables import PER_CLASS
from clipbench.tasks.classify.decisions import rows_at_a_time
from clipbench.tasks.probe.cross_validation import USUAL_C, ChosenPenalty, cross_validate, folds
from clipbench.tasks.probe.feature_settings import (
    FeatureSettings,
    feature_notes,
    feature_params,
    require_training,
    stored_feature,
)
from clipbench.tasks.probe.few_shot_sampler import FewExamples, FewShotSampler
from clipbench.tasks.probe.labelled import FeatureView, LabelledImages, choice_metric
from clipbench.tasks.probe.over_seeds import (
    SEED_METRICS,
    SeedDecisions,
    per_class_over_seeds,
    seed_examples,
    seed_metrics,
)
from clipbench.tasks.prompts import DISTINCT, PromptedClasses, listed_if
from clipbench.tasks.requirements import require_single_label

if TYPE_CHECKING:
    import pandas as pd

    from clipbench.models.base import ModelInfo


def _kind(value: Any) -> str | None:
    if not isinstance(value, str):
        return "number"
    try:
        float(value)
    except ValueError:
        return "word" if value == "cross_validation" else None
    return "number"


Shots = Annotated[int, Field(gt=0)]
ShotList = Annotated[
    tuple[Shots, ...], BeforeValidator(listed_if(int), json_schema_input_type=Shots | tuple[Shots, ...]), DISTINCT
]
"""A list of numbers, or one alone."""

# One member of the union is tried, so that an error is about what the user meant.
Penalty = Annotated[
    Annotated[float, Field(gt=0), Tag("number")] | Annotated[Literal["cross_validation"], Tag("word")],
    Discriminator(
        _kind,
        custom_error_type="penalty",
        custom_error_message="should be a number greater than 0, or the word cross_validation",
    ),
]


class FewShotSettings(FeatureSettings):
    """Settings of few-shot learning."""

    task: Literal["few_shot"] = Field(description="Fit a linear classifier on a few examples of each class.")
    shots: ShotList = Field(
        default=(1, 2, 4, 8, 16),
        min_length=1,
        description="How many training examples of each class; each number makes one row of results.",
    )
    seeds: int = Field(
        default=5, gt=0, description="How many draws of the examples: seeds 0, 1, ... They depend on ids alone."
    )
    C: Penalty = Field(
        default="cross_validation",
        description="cross_validation: the inverse strength of the L2 penalty (1 / lambda) is chosen for each draw by "
        "five folds or fewer of its examples, whose features are scaled to root mean square length 1. A number, such "
        "as 0.316 in the CLIP repository's example, holds for features as they are.",
    )
    allow_fewer: bool = Field(
        default=False, description="Take all examples of a class that has fewer than asked for; else that is an error."
    )
    max_iterations: int = Field(default=1000, gt=0, description="Of L-BFGS, for each fit.")

    def variants(self) -> Sequence[Self]:
        """Return one settings object for each number of shots and kind of features."""
        kinds = super().variants()
        return tuple(kind.model_copy(update={"shots": (count,)}) for count in self.shots for kind in kinds)

    @property
    def k(self) -> int:
        """The one number of shots that a job uses."""
        assert len(self.shots) == 1
        return self.shots[0]

    @property
    def condition(self) -> Condition:
        """The shots, the features, and how C is found."""
        head = "" if isinstance(self.C, str) else f"C = {self.C:g}"
        return replace(super().condition, shots=self.shots[0] if len(self.shots) == 1 else None, head=head)


SEEDS = TableSpec(
    "seeds",
    "Draws of the training examples",
    (
        ColumnSpec("seed", unit="count"),
        ColumnSpec("top1", "top-1", "fraction"),
        ColumnSpec("mean_per_class_recall", "mean per-class recall", "fraction"),
        ColumnSpec("C", unit="number"),
        ColumnSpec("iterations", unit="count"),
        ColumnSpec("converged"),
    ),
)


class FewShot:
    """Few-shot linear classifiers (Radford et al. 2021, section 3.1.5 and appendix A.3).

    Multinomial logistic regression with an L2 penalty on k examples of each class, for several draws of them.
    The draws are nested: those of 2 examples are among those of 4. Nothing but the k examples is used to choose
    or to fit anything.
    """

    name: ClassVar[str] = "few_shot"
    protocol: ClassVar[int] = 2
    Settings: type[FewShotSettings] = FewShotSettings
    label: ClassVar[str] = "few-shot"
    metrics: ClassVar[tuple[MetricSpec, ...]] = SEED_METRICS
    tables: ClassVar[tuple[TableSpec, ...]] = (PER_CLASS, SEEDS)

    def needs(
        self, settings: FewShotSettings, dataset: DatasetFacts, model: ModelInfo, prompts: PromptedClasses | None
    ) -> Needs:
        """Ask for the training and test splits' features."""
        require_single_label(dataset, self.name)
        require_training(settings, dataset, self.name)
        feature = stored_feature(settings, model, self.name)
        needed = _memory(settings, len(dataset.classes))
        return Needs((settings.train_split, settings.split), (feature,), memory=needed)

    def evaluate(self, inputs: Inputs, settings: FewShotSettings, prompts: PromptedClasses | None) -> Outcome:
        """Draw, fit and test once for each seed."""
        dataset, split = inputs.dataset, settings.split
        view = FeatureView.of(settings, inputs.model)
        sampler = FewShotSampler(LabelledImages.of(inputs, settings.train_split), settings.k)
        sampler.training.require_every_class()
        if not settings.allow_fewer:
            sampler.require_enough()
        started = time.perf_counter()
        draws = sampler.draw(settings.seeds, view)
        fits = [_fit(examples, seed, settings, dataset, inputs.device) for seed, examples in enumerate(draws)]
        fitted = time.perf_counter()
        tested = LabelledImages.of(inputs, split)
        decided = _test(fits, tested, view)
        per_class = per_class_over_seeds(decided, dataset.classes, sampler.pool_share)
        return Outcome(
            metrics=seed_metrics(decided, dataset, sampler.pool_share, _params(fits, settings, dataset)),
            examples=seed_examples(decided, tested.images, split, dataset.classes),
            tables={"seeds": _seeds(fits, decided, dataset), "per_class": per_class},
            notes=tuple(_notes(fits, settings, view, sampler, tested.unlabelled)),
            seconds={"fit": fitted - started, "test": time.perf_counter() - fitted},
        )


def _memory(settings: FewShotSettings, classes: int) -> Memory:
    def needed(counts: Mapping[str, int], width: int) -> int:
        draw = min(settings.k * classes, counts[settings.train_split])
        union = min(settings.seeds * draw, counts[settings.train_split])
        return 4 * union * width + memory(draw, width, outputs_for(classes))

    return needed


@dataclass(frozen=True)
class _SeedFit:
    C: float
    fit: Fit
    chosen: ChosenPenalty | None
    """None where C was not chosen by cross-validation."""


def _fit(examples: FewExamples, seed: int, settings: FewShotSettings, dataset: DatasetFacts, device: str) -> _SeedFit:
    every = np.arange(len(examples.labels))
    if not isinstance(settings.C, str):
        whole = examples.problem(every, device)
        return _SeedFit(settings.C, fit(whole, settings.C, final=True, max_iterations=settings.max_iterations), None)
    scaled, fold, chosen = examples.scaled(), folds(examples, settings.k, seed), None
    if (fold >= 0).any():
        chosen = cross_validate(scaled, fold, choice_metric(dataset), device, settings.max_iterations)
    C = chosen.C if chosen else USUAL_C  # noqa: N806
    found = fit(scaled.problem(every, device), C, final=True, max_iterations=settings.max_iterations)
    # So that it takes features as they are.
    head = Head(found.head.weight / examples.root_mean_square, found.head.bias)
    return _SeedFit(C, replace(found, head=head), chosen)


def _test(fits: Sequence[_SeedFit], tested: LabelledImages, view: FeatureView) -> SeedDecisions:
    rows, labels = tested.rows, tested.targets
    correct = np.empty((len(rows), len(fits)), np.bool_)
    done = 0
    for start, chunk in view.chunks(tested.images, tested.where, rows_at_a_time(len(tested.dataset.classes))):
        end = int(np.searchsorted(rows, start + len(chunk)))
        wanted = chunk[rows[done:end] - start]
        for seed, fitted in enumerate(fits):
            scores = fitted.fit.head.class_scores(wanted)
            correct[done:end, seed] = true_class_ranks(scores, labels[done:end]) == 1
        done = end
    return SeedDecisions(rows, labels, correct, tested.images.clusters_of(rows))


def _params(fits: Sequence[_SeedFit], settings: FewShotSettings, dataset: DatasetFacts) -> dict[str, Any]:
    return {
        "shots": settings.k,
        "seeds": settings.seeds,
        "C": "cross-validation" if fits[0].chosen else fits[0].C,
        "scaled": isinstance(settings.C, str),
        **feature_params(settings),
        "n_classes": len(dataset.classes),
        "converged": all(found.fit.converged for found in fits),
    }


def _seeds(fits: Sequence[_SeedFit], decided: SeedDecisions, dataset: DatasetFacts) -> pd.DataFrame:
    """Return seed, top1, C, iterations, converged; and mean_per_class_recall where that is the main metric."""
    import pandas as pd

    columns: dict[str, Any] = {
        "seed": range(len(fits)),
        "top1": decided.top1(),
        "C": [found.C for found in fits],
        "iterations": [found.fit.iterations for found in fits],
        "converged": [found.fit.converged for found in fits],
    }
    if dataset.main_metric == "mean_per_class_recall":
        columns["mean_per_class_recall"] = decided.mean_per_class_recall(len(dataset.classes))
    return pd.DataFrame(columns)


def _notes(
    fits: Sequence[_SeedFit], settings: FewShotSettings, view: FeatureView, sampler: FewShotSampler, unlabelled: int
) -> Iterator[str]:
    yield from feature_notes(settings, view.name)
    if sampler.short:
        yield f"Fewer than {settings.k} training images, all of which were used: {sampler.short}."
    if unlabelled:
        yield f"Left out for want of a label: {unlabelled:,} of the images that were to be evaluated."
    if settings.C == "cross_validation" and not fits[0].chosen:
        yield f"With one example a class none can be held out, so C was not chosen: it is {USUAL_C:g}."
    if settings.seeds == 1:
        yield "One draw: the interval is over test images alone."
    elif sampler.pool_share > LARGEST_SHARE:
        yield (
            f"Each draw holds {sampler.pool_share:.0%} of the training images, so that draws are too alike to say how "
            "far other ones would lie: there is no interval."
        )
    chosen = [found.chosen for found in fits if found.chosen]
    for what, count in (
        ("fits had not converged", sum(not found.fit.converged for found in fits)),
        ("searches for C had fits that had not converged", sum(c.unconverged > 0 for c in chosen)),
        ("values of C are at the edge of the grid: better ones may lie outside", sum(c.at_edge for c in chosen)),
    ):
        if count:
            yield f"{count} of {len(fits)} {what}."
