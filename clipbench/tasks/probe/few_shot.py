"""Few-shot learning: a linear head fitted on k examples a class, for several draws of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator

from clipbench.errors import UserError
from clipbench.heads.logistic import Fit, fit, memory
from clipbench.heads.problem import outputs_for
from clipbench.metrics.accuracy import true_class_ranks
from clipbench.tasks.base import DatasetFacts, Inputs, Memory, Needs, Outcome, TaskSettings
from clipbench.tasks.classify.decisions import rows_at_a_time
from clipbench.tasks.probe.cross_validation import ChosenPenalty, cross_validate, folds
from clipbench.tasks.probe.feature_settings import (
    FeatureSettings,
    feature_notes,
    feature_params,
    require_training,
    stored_feature,
)
from clipbench.tasks.probe.few_shot_sampler import FewExamples, Pool
from clipbench.tasks.probe.labelled import FeatureView, class_labels
from clipbench.tasks.probe.over_seeds import SeedDecisions, per_class_over_seeds, seed_examples, seed_metrics
from clipbench.tasks.prompt_choice import listed_if
from clipbench.tasks.prompted import PromptedClasses

if TYPE_CHECKING:
    import pandas as pd

    from clipbench.models.base import ModelInfo

PAPERS_C = 0.316
"""The inverse strength of the penalty in the public example of Radford et al. 2021."""


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
    tuple[Shots, ...], BeforeValidator(listed_if(int), json_schema_input_type=Shots | tuple[Shots, ...])
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
        default=PAPERS_C,
        description="Inverse strength of the L2 penalty (1 / lambda), or cross_validation: chosen for each draw by "
        "five folds or fewer of its examples.",
    )
    allow_fewer: bool = Field(
        default=False, description="Take all examples of a class that has fewer than asked for; else that is an error."
    )
    max_iterations: int = Field(default=1000, gt=0, description="Of L-BFGS, for each fit.")

    @field_validator("shots")
    @classmethod
    def _once_each(cls, shots: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(shots)) < len(shots):
            raise ValueError("named twice")
        return shots

    def variants(self) -> Sequence[Self]:
        """Return one settings object for each number of shots and kind of features."""
        kinds = super().variants()
        return tuple(kind.model_copy(update={"shots": (count,)}) for count in self.shots for kind in kinds)

    @property
    def k(self) -> int:
        """The one number of shots that a job uses."""
        assert len(self.shots) == 1
        return self.shots[0]

    def words(self) -> tuple[str, ...]:
        """Return what tells this job from others of its task."""
        counts = tuple("1 shot" if count == 1 else f"{count} shots" for count in self.shots)
        if self.C == PAPERS_C:
            return (*counts, *super().words())
        return (*counts, *super().words(), "cross-validated C" if isinstance(self.C, str) else f"C = {self.C:g}")


class FewShot:
    """Few-shot linear classifiers (Radford et al. 2021, section 3.1.5 and appendix A.3).

    Multinomial logistic regression with an L2 penalty on k examples of each class, for several draws of them.
    The draws are nested: those of 2 examples are among those of 4. Nothing but the k examples is used to choose
    or to fit anything.
    """

    name: ClassVar[str] = "few_shot"
    protocol: ClassVar[int] = 1
    Settings: ClassVar[type[TaskSettings]] = FewShotSettings

    def needs(
        self, settings: TaskSettings, dataset: DatasetFacts, model: ModelInfo, prompts: PromptedClasses | None
    ) -> Needs:
        """Ask for the training and test splits' features.

        Raises:
            UserError: the data set is multi-label, lacks classes or a split, or the model lacks the features.
        """
        own = _own(settings)
        if dataset.multilabel:
            raise UserError(
                "few_shot draws examples of one class each; this data set is multi-label",
                where=dataset.name,
                fix="use linear_probe",
            )
        require_training(own, dataset, self.name)
        feature = stored_feature(own, model, self.name)
        return Needs((own.train_split, own.split), (feature,), memory=_memory(own, len(dataset.classes)))

    def evaluate(self, inputs: Inputs, settings: TaskSettings, prompts: PromptedClasses | None) -> Outcome:
        """Draw, fit and test once for each seed.

        Raises:
            UserError: a class has too few training images, labels or features cannot be used, or the data set
                declares a main metric that is not computed.
        """
        own, dataset = _own(settings), inputs.dataset
        view = FeatureView(stored_feature(own, inputs.model, self.name), own.normalise, inputs.model.name)
        pool = Pool.of(inputs.sets[own.train_split], dataset, f"{dataset.name}, split {own.train_split}")
        if not own.allow_fewer:
            pool.require(own.k)
        started = time.perf_counter()
        draws = pool.draw(own.k, own.seeds, view)
        fits = [_fit(examples, seed, own, dataset, inputs.device) for seed, examples in enumerate(draws)]
        fitted = time.perf_counter()
        decided = _test(fits, inputs, own, view)
        images, split = inputs.sets[own.split], own.split
        return Outcome(
            metrics=seed_metrics(decided, dataset, _params(fits, own, dataset)),
            examples=seed_examples(decided, images, split, dataset.classes),
            tables={
                "seeds": _seeds(fits, decided, dataset),
                "per_class": per_class_over_seeds(decided, dataset.classes),
            },
            notes=tuple(_notes(fits, own, view, pool.short(own.k), len(images) - len(decided.rows))),
            seconds={"fit": fitted - started, "test": time.perf_counter() - fitted},
        )


def _own(settings: TaskSettings) -> FewShotSettings:
    assert isinstance(settings, FewShotSettings)
    return settings


def _memory(settings: FewShotSettings, classes: int) -> Memory:
    def needed(counts: Mapping[str, int], width: int) -> int:
        one = min(settings.k * classes, counts[settings.train_split])
        every = min(settings.seeds * one, counts[settings.train_split])
        return 4 * every * width + memory(one, width, outputs_for(classes))

    return needed


@dataclass(frozen=True)
class _SeedFit:
    C: float
    fit: Fit
    chosen: ChosenPenalty | None
    """None where C was not chosen by cross-validation."""


def _fit(examples: FewExamples, seed: int, settings: FewShotSettings, dataset: DatasetFacts, device: str) -> _SeedFit:
    whole = examples.problem(np.arange(len(examples.labels)), device)
    chosen = None
    if isinstance(settings.C, str):
        fold = folds(examples, settings.k, seed)
        metric = "mean_per_class_recall" if dataset.main_metric == "mean_per_class_recall" else "top1"
        if (fold >= 0).any():
            chosen = cross_validate(examples, fold, metric, device, settings.max_iterations)
    C = chosen.C if chosen else PAPERS_C if isinstance(settings.C, str) else settings.C  # noqa: N806
    return _SeedFit(C, fit(whole, C, final=True, max_iterations=settings.max_iterations), chosen)


def _test(fits: Sequence[_SeedFit], inputs: Inputs, settings: FewShotSettings, view: FeatureView) -> SeedDecisions:
    images, dataset = inputs.sets[settings.split], inputs.dataset
    where = f"{dataset.name}, split {settings.split}"
    rows, labels = class_labels(images, dataset, where)
    correct = np.empty((len(rows), len(fits)), np.bool_)
    done = 0
    for start, chunk in view.chunks(images, where, rows_at_a_time(len(dataset.classes))):
        end = int(np.searchsorted(rows, start + len(chunk)))
        wanted = chunk[rows[done:end] - start]
        for seed, fitted in enumerate(fits):
            scores = fitted.fit.head.class_scores(wanted)
            correct[done:end, seed] = true_class_ranks(scores, labels[done:end]) == 1
        done = end
    return SeedDecisions(rows, labels, correct)


def _params(fits: Sequence[_SeedFit], settings: FewShotSettings, dataset: DatasetFacts) -> dict[str, Any]:
    return {
        "shots": settings.k,
        "seeds": settings.seeds,
        "C": "cross-validation" if fits[0].chosen else fits[0].C,
        **feature_params(settings),
        "n_classes": len(dataset.classes),
        "converged": all(one.fit.converged for one in fits),
    }


def _seeds(fits: Sequence[_SeedFit], decided: SeedDecisions, dataset: DatasetFacts) -> pd.DataFrame:
    """Return seed, top1, C, iterations, converged; and mean_per_class_recall where that is the main metric."""
    import pandas as pd

    columns: dict[str, Any] = {
        "seed": range(len(fits)),
        "top1": decided.top1(),
        "C": [one.C for one in fits],
        "iterations": [one.fit.iterations for one in fits],
        "converged": [one.fit.converged for one in fits],
    }
    if dataset.main_metric == "mean_per_class_recall":
        columns["mean_per_class_recall"] = decided.mean_per_class_recall(len(dataset.classes))
    return pd.DataFrame(columns)


def _notes(
    fits: Sequence[_SeedFit], settings: FewShotSettings, view: FeatureView, short: str, unlabelled: int
) -> Iterator[str]:
    yield from feature_notes(settings, view.name)
    if short:
        yield f"Fewer than {settings.k} training images, all of which were used: {short}."
    if unlabelled:
        yield f"Left out for want of a label: {unlabelled:,} of the images that were to be evaluated."
    if settings.C == "cross_validation" and not fits[0].chosen:
        yield f"With one example a class none can be held out, so C was not chosen: it is {PAPERS_C}."
    if settings.seeds == 1:
        yield "One draw: there is no interval over seeds."
    chosen = [one.chosen for one in fits if one.chosen]
    for what, count in (
        ("fits had not converged", sum(not one.fit.converged for one in fits)),
        ("searches for C had fits that had not converged", sum(one.unconverged > 0 for one in chosen)),
        ("values of C are at the edge of the grid: better ones may lie outside", sum(one.at_edge for one in chosen)),
    ):
        if count:
            yield f"{count} of {len(fits)} {what}."
