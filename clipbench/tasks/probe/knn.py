"""Nearest neighbours: an image goes to the class that its most similar training images vote for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field, field_validator

from clipbench.arrays import BoolArray, Float32Array, Float64Array, IntArray
from clipbench.errors import UserError
from clipbench.metrics.accuracy import true_class_ranks
from clipbench.metrics.neighbours import Gallery, log_votes, search_memory
from clipbench.tasks.base import (
    DatasetFacts,
    ImageSet,
    Inputs,
    Metric,
    Needs,
    Outcome,
    TaskSettings,
)
from clipbench.tasks.classify.class_columns import ClassColumns
from clipbench.tasks.classify.decisions import decide_scores, rows_at_a_time
from clipbench.tasks.classify.single_label import proportion, single_label_outcome
from clipbench.tasks.probe.feature_settings import (
    FeatureSettings,
    feature_notes,
    feature_params,
    require_training,
    stored_feature,
)
from clipbench.tasks.probe.labelled import FeatureView, class_labels, require_every_class
from clipbench.tasks.prompt_choice import listed_if
from clipbench.tasks.prompted import PromptedClasses
from clipbench.tasks.wording import listed

if TYPE_CHECKING:
    import pandas as pd

    from clipbench.models.base import ModelInfo

K = (20, 1, 5, 10, 50, 100, 200)
TEMPERATURE = 0.07


Count = Annotated[int, Field(gt=0, strict=True)]
Counts = Annotated[tuple[Count, ...], BeforeValidator(listed_if(int), json_schema_input_type=Count | tuple[Count, ...])]
"""A list of numbers, or one alone."""


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

    @field_validator("k")
    @classmethod
    def _once_each(cls, counts: tuple[int, ...]) -> tuple[int, ...]:
        twice = sorted({count for count in counts if counts.count(count) > 1})
        if twice:
            raise ValueError(f"named twice: {', '.join(map(str, twice))}")
        return counts

    @field_validator("normalise", mode="before")
    @classmethod
    def _cosine(cls, normalise: Any) -> Any:
        if normalise is False:
            raise ValueError("knn compares images by their cosine, for which features have length 1; delete this key")
        return normalise

    def words(self) -> tuple[str, ...]:
        """Return what tells this job from others of its task, where it is not the default."""
        count = () if self.k[0] == K[0] else (f"k = {self.k[0]}",)
        kind = ("projected",) if self.features == ("projected",) else ()
        if self.temperature == TEMPERATURE:
            return (*count, *kind)
        return (*count, *kind, "unweighted" if self.temperature is None else f"temperature {self.temperature:g}")


class Knn:
    """Nearest neighbours (Wu et al. 2018, section 3.4; the vote of Caron et al. 2021).

    The k training images of highest cosine vote for their classes, each with exp(cosine / temperature). Exact.
    """

    name: ClassVar[str] = "knn"
    protocol: ClassVar[int] = 1
    Settings: ClassVar[type[TaskSettings]] = KnnSettings

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
                "knn lets each training image vote for one class; this data set is multi-label",
                where=dataset.name,
                fix="use linear_probe",
            )
        require_training(own, dataset, self.name)

        def needed(counts: Mapping[str, int], width: int) -> int:
            return search_memory(counts[own.train_split], width)

        return Needs((own.train_split, own.split), (stored_feature(own, model, self.name),), memory=needed)

    def evaluate(self, inputs: Inputs, settings: TaskSettings, prompts: PromptedClasses | None) -> Outcome:
        """Search, vote and test.

        Raises:
            UserError: labels or features that cannot be used, a class without a training image, fewer training
                images than the first k, or a declared main metric that is not computed.
        """
        own, dataset, split = _own(settings), inputs.dataset, _own(settings).split
        images, where = inputs.sets[split], f"{dataset.name}, split {split}"
        class_labels(images, dataset, where)
        view = FeatureView(stored_feature(own, inputs.model, self.name), own.normalise, inputs.model.name)
        started = time.perf_counter()
        voters = _voters(inputs, own, view)
        election = _Election(voters, images, own.temperature, len(dataset.classes))
        columns, scale = ClassColumns.apart(len(dataset.classes)), 1 / (own.temperature or 1)
        decisions = decide_scores(images, election.scores(view, where), columns, where, scale)
        seconds = time.perf_counter() - started
        common = {"temperature": own.temperature, **feature_params(own), "n_train": len(voters.labels)}
        others = [
            replace(proportion(f"top1_at_k_{k}", right[decisions.rows]), params={"k": k})
            for k, right in election.right.items()
        ]
        outcome = single_label_outcome(decisions, images, dataset, split, others)
        metrics = [replace(m, params={"k": own.k[0], **m.params, **common}) for m in outcome.metrics]
        return replace(
            outcome,
            metrics=tuple(metrics),
            tables={**outcome.tables, "k_curve": _curve(metrics)},
            notes=(*outcome.notes, *_notes(own, view, voters, decisions.near_ties)),
            seconds={"neighbours": seconds},
        )


def _own(settings: TaskSettings) -> KnnSettings:
    assert isinstance(settings, KnnSettings)
    return settings


@dataclass(frozen=True)
class _Voters:
    """The training images."""

    gallery: Gallery
    labels: IntArray
    k: tuple[int, ...]
    """Of the numbers asked for those that there are images for."""
    unlabelled: int


def _voters(inputs: Inputs, settings: KnnSettings, view: FeatureView) -> _Voters:
    dataset, split = inputs.dataset, settings.train_split
    images, where = inputs.sets[split], f"{dataset.name}, split {split}"
    rows, labels = class_labels(images, dataset, where)
    require_every_class(labels, dataset, where)
    if settings.k[0] > len(rows):
        raise UserError(
            f"k: {settings.k[0]} nearest neighbours were asked for, among {len(rows)} training images",
            where=where,
            fix="give a smaller k, or raise --limit",
        )
    gallery = Gallery.of(view.gather(images, rows, where), inputs.device)
    return _Voters(gallery, labels, tuple(k for k in settings.k if k <= len(rows)), len(images) - len(rows))


class _Election:
    """Votes for every image of a set: those of the first k as scores, of the others only whether they are right."""

    def __init__(self, voters: _Voters, images: ImageSet, temperature: float | None, classes: int) -> None:
        self.voters = voters
        self.images = images
        self.temperature = temperature
        self.classes = classes
        self.right: dict[int, BoolArray] = {k: np.zeros(len(images), np.bool_) for k in voters.k[1:]}
        """For each k but the first: (n,) whether the true class leads, once `scores` has been read to its end."""

    def scores(self, view: FeatureView, where: str) -> Iterator[tuple[int, Float32Array]]:
        """Iterate over (first row, (rows, C) float32 logarithms of the first k's votes).

        Raises:
            UserError: features that have no direction.
        """
        assert self.images.labels is not None
        for start, chunk in view.chunks(self.images, where, rows_at_a_time(self.classes)):
            found = self.voters.gallery.nearest(chunk, max(self.voters.k))
            labels, true = self.voters.labels[found.rows], self.images.labels[start : start + len(chunk)]
            for k, right in self.right.items():
                ranks = true_class_ranks(self._votes(labels[:, :k], found.similarities[:, :k]), true)
                right[start : start + len(chunk)] = ranks == 1
            k = self.voters.k[0]
            yield start, self._votes(labels[:, :k], found.similarities[:, :k])

    def _votes(self, labels: IntArray, similarities: Float64Array) -> Float32Array:
        return log_votes(labels, similarities, self.classes, self.temperature)


def _curve(metrics: Sequence[Metric]) -> pd.DataFrame:
    """Return k, top1, low and high (Wilson, 95 %), in the order of k."""
    import pandas as pd

    rows = [
        (metric.params["k"], metric.value, metric.interval.low, metric.interval.high)
        for metric in metrics
        if metric.interval is not None and (metric.name == "top1" or metric.name.startswith("top1_at_k_"))
    ]
    return pd.DataFrame(sorted(rows), columns=["k", "top1", "low", "high"])


def _notes(settings: KnnSettings, view: FeatureView, voters: _Voters, ties: int) -> Iterator[str]:
    yield from feature_notes(settings, view.name)
    if voters.unlabelled:
        yield f"Left out of the training images for want of a label: {voters.unlabelled:,}."
    if settings.temperature is None and ties:
        yield f"For {ties:,} images two classes lead with equally many votes; such a tie is no right answer."
    large = sorted(set(settings.k) - set(voters.k))
    if large:
        names = listed([str(k) for k in large])
        yield f"Left out, as there are {len(voters.labels):,} training images: k = {names}."
