"""Nearest neighbours: an image goes to the class that its most similar training images vote for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field, field_validator

from clipbench.arrays import BoolArray, Float32Array
from clipbench.errors import UserError, listed
from clipbench.metrics.accuracy import true_class_ranks
from clipbench.metrics.neighbours import Gallery, Neighbours, log_votes, search_memory
from clipbench.metrics.specs import ColumnSpec, CurveSpec, MetricSpec, TableSpec
from clipbench.stats.intervals import ends
from clipbench.tasks.base import Condition, DatasetFacts, Inputs, Metric, Needs, Outcome
from clipbench.tasks.classify.class_tables import SINGLE_LABEL_TABLES
from clipbench.tasks.classify.classifier import ClassColumns
from clipbench.tasks.classify.decisions import Decisions, decide_scores, rows_at_a_time
from clipbench.tasks.classify.single_label import SINGLE_LABEL_METRICS, OtherTop1, single_label_outcome
from clipbench.tasks.probe.feature_settings import (
    FeatureSettings,
    feature_notes,
    feature_params,
    require_training,
    stored_feature,
)
from clipbench.tasks.probe.labelled import FeatureView, LabelledImages
from clipbench.tasks.prompts import DISTINCT, PromptedClasses, listed_if
from clipbench.tasks.requirements import require_single_label

if TYPE_CHECKING:
    import pandas as pd

    from clipbench.models.base import ModelInfo

K = (20, 1, 5, 10, 50, 100, 200)
TEMPERATURE = 0.07

Count = Annotated[int, Field(gt=0, strict=True)]
Counts = Annotated[
    tuple[Count, ...], BeforeValidator(listed_if(int), json_schema_input_type=Count | tuple[Count, ...]), DISTINCT
]
"""A list of numbers, or one alone."""

TOP1_AT_K = MetricSpec(
    "top1_at_k_{k}",
    "top-1 at k = {k}",
    definition="top-1 where the k most similar training images vote; no k is chosen by it.",
)
K_CURVE = TableSpec(
    "k_curve",
    "Number of neighbours",
    (ColumnSpec("k", unit="count"), ColumnSpec("top1", "top-1", "fraction", "low", "high")),
    curve=CurveSpec("k", "top1", log_x=True, chosen_param=("top1", "k"), chosen_label="stands for the job"),
)


class KnnSettings(FeatureSettings):
    """Settings of nearest neighbours."""

    task: Literal["knn"] = Field(description="Classify images by a vote of the most similar training images.")
    k: Counts = Field(
        default=K,
        min_length=1,
        description="How many training images vote. The first number stands for the job, the others stand beside it: "
        "none is chosen by its accuracy.",
    )
    temperature: float | None = Field(
        default=TEMPERATURE,
        ge=1e-4,
        le=100,
        description="Each votes with exp(similarity / temperature); null: every vote counts the same.",
    )
    normalise: Literal[True] = Field(default=True, description="Always: images are compared by their cosine.")

    @field_validator("normalise", mode="before")
    @classmethod
    def _cosine(cls, normalise: Any) -> Any:
        if normalise is False:
            raise ValueError("knn compares images by their cosine, for which features have length 1; delete this key")
        return normalise

    @property
    def condition(self) -> Condition:
        """The features, the first k, and the weight of votes."""
        count = () if self.k[0] == K[0] else (f"k = {self.k[0]}",)
        weighting = "unweighted" if self.temperature is None else f"temperature {self.temperature:g}"
        head = count if self.temperature == TEMPERATURE else (*count, weighting)
        return Condition(features="projected" if self.features == ("projected",) else "", head=", ".join(head))


class Knn:
    """Nearest neighbours (Wu et al. 2018, section 3.4; the vote of Caron et al. 2021).

    The k training images of highest cosine vote for their classes, each with exp(cosine / temperature). Exact; of
    equally similar ones those of the true class come last.
    """

    name: ClassVar[str] = "knn"
    protocol: ClassVar[int] = 2
    Settings: type[KnnSettings] = KnnSettings
    label: ClassVar[str] = "k nearest neighbours"
    metrics: ClassVar[tuple[MetricSpec, ...]] = (*SINGLE_LABEL_METRICS, TOP1_AT_K)
    tables: ClassVar[tuple[TableSpec, ...]] = (*SINGLE_LABEL_TABLES, K_CURVE)

    def needs(
        self, settings: KnnSettings, dataset: DatasetFacts, model: ModelInfo, prompts: PromptedClasses | None
    ) -> Needs:
        """Ask for the training and test splits' features."""
        require_single_label(dataset, self.name)
        require_training(settings, dataset, self.name)

        def needed(counts: Mapping[str, int], width: int) -> int:
            return search_memory(counts[settings.train_split], width)

        feature = stored_feature(settings, model, self.name)
        return Needs((settings.train_split, settings.split), (feature,), memory=needed)

    def evaluate(self, inputs: Inputs, settings: KnnSettings, prompts: PromptedClasses | None) -> Outcome:
        """Search, vote and test."""
        dataset, split = inputs.dataset, settings.split
        view = FeatureView.of(settings, inputs.model)
        tested = LabelledImages.of(inputs, split)
        training = _training(inputs, settings)
        started = time.perf_counter()
        decisions, right = _decide(training, tested, settings, view, inputs.device)
        seconds = time.perf_counter() - started
        others = [OtherTop1(f"top1_at_k_{k}", answers[decisions.rows], {"k": k}) for k, answers in right.items()]
        outcome = single_label_outcome(decisions, tested.images, dataset, split, others)
        n_train = len(training.rows)
        common = {"temperature": settings.temperature, **feature_params(settings), "n_train": n_train}
        metrics = [replace(m, params={"k": settings.k[0], **m.params, **common}) for m in outcome.metrics]
        at_k = {"top1", *(metric.name for metric in others)}
        return replace(
            outcome,
            metrics=tuple(metrics),
            tables={**outcome.tables, "k_curve": _curve([metric for metric in metrics if metric.name in at_k])},
            notes=(*outcome.notes, *_notes(settings, view, training, decisions.near_ties)),
            seconds={"neighbours": seconds},
        )


def _training(inputs: Inputs, settings: KnnSettings) -> LabelledImages:
    training = LabelledImages.of(inputs, settings.train_split)
    training.require_every_class()
    if settings.k[0] > len(training.rows):
        problem = f"k: {settings.k[0]} nearest neighbours were asked for, among {len(training.rows)} training images"
        raise UserError(problem, where=training.where, fix="give a smaller k, or raise --limit")
    return training


def _decide(
    training: LabelledImages, tested: LabelledImages, settings: KnnSettings, view: FeatureView, device: str
) -> tuple[Decisions, dict[int, BoolArray]]:
    """Return what the votes of the first k decide and, for each other k, (n,) whether an image's true class leads."""
    classes, images = len(training.dataset.classes), tested.images
    gallery = Gallery.of(view.gather(training), training.targets, device)
    first, *others = (k for k in settings.k if k <= len(training.rows))
    right = {k: np.zeros(len(images), np.bool_) for k in others}

    def votes(found: Neighbours, k: int) -> Float32Array:
        labels = training.targets[found.rows[:, :k]]
        return log_votes(labels, found.similarities[:, :k], classes, settings.temperature)

    def scores() -> Iterator[tuple[int, Float32Array]]:
        assert images.labels is not None
        for start, chunk in view.chunks(images, tested.where, rows_at_a_time(classes)):
            true = images.labels[start : start + len(chunk)]
            found = gallery.nearest(chunk, true, max([first, *right]))
            for k, answers in right.items():
                answers[start : start + len(chunk)] = true_class_ranks(votes(found, k), true) == 1
            yield start, votes(found, first)

    scale = 1 / (settings.temperature or 1)
    return decide_scores(images, scores(), ClassColumns.apart(classes), tested.where, scale), right


def _curve(metrics: Sequence[Metric]) -> pd.DataFrame:
    rows = [(metric.params["k"], metric.value, *ends(metric.interval)) for metric in metrics]
    return K_CURVE.frame(sorted(rows))


def _notes(settings: KnnSettings, view: FeatureView, training: LabelledImages, ties: int) -> Iterator[str]:
    yield from feature_notes(settings, view.name)
    if training.unlabelled:
        yield f"Left out of the training images for want of a label: {training.unlabelled:,}."
    if settings.temperature is None and ties:
        yield f"For {ties:,} images two classes lead with equally many votes; such a tie is no right answer."
    large = [str(k) for k in sorted(settings.k) if k > len(training.rows)]
    if large:
        yield f"Left out, as there are {len(training.rows):,} training images: k = {listed(large)}."
