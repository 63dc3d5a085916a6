"""Weak and strong sides: a model's zero-shot results beside those of published models as good on ImageNet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar

import pandas as pd

from clipbench.analyses.base import AnalysisSettings, Evidence, Finding
from clipbench.analyses.comparable import differing, measured, not_compared, subject_of, without_numbers
from clipbench.analyses.robustness.baseline import beyond, line_row, own_rows
from clipbench.analyses.robustness.matched_pairs import effective_n, record_of, verdict_on
from clipbench.metrics.specs import ColumnSpec, MetricSpec, TableSpec
from clipbench.reference.published import openclip_columns, openclip_models
from clipbench.reference.sources import Column
from clipbench.results.choice import fullest
from clipbench.results.records import JobResult, Subject
from clipbench.stats.prediction import ModelLine, model_line
from clipbench.tasks.base import Metric

REFERENCE = "imagenet"
SOURCE = "open_clip results"

EXPECTED = "what the line through published models, fitted to logits, gives for this ImageNet accuracy."

_UNEVEN = 0.1
"""Standard deviation of the images of a class over their mean, up to which classes count as equally large."""

SAME = ("weights", "architecture", "transform", "tokenizer", "precision", "adapter", "scale")
"""The parts of two pedigrees that must agree for one accuracy to say what to expect of the other."""


METRICS = (
    MetricSpec("expected_top1", "expected top-1", definition=EXPECTED),
    MetricSpec("expected_mean_per_class_recall", "expected mean per-class recall", definition=EXPECTED),
    MetricSpec("expected_{metric}", "expected {metric}", definition=EXPECTED),
    MetricSpec(
        "against_expectation",
        "against expectation",
        "difference",
        definition="the number minus what published models of the same ImageNet accuracy lead to expect, in points.",
    ),
)
LINE = TableSpec(
    "line",
    "Line through published models",
    (
        ColumnSpec("source"),
        ColumnSpec("slope", unit="number"),
        ColumnSpec("intercept", unit="number"),
        ColumnSpec("r2", "R2", "number"),
        ColumnSpec("models", unit="count"),
        ColumnSpec("lowest", unit="fraction"),
        ColumnSpec("highest", unit="fraction"),
        ColumnSpec("left_out"),
        ColumnSpec("outside"),
        ColumnSpec("spread", "spread about the line", "fraction"),
        ColumnSpec("families", unit="count"),
        ColumnSpec("without", "own rows left out"),
    ),
)


class Expectations:
    """Each zero-shot result beside a line through published models, logit of its metric on logit of ImageNet top-1.

    The published models are those of open_clip's table of results on DataComp's sets (Gadre et al. 2023), and the
    line is that of `clipbench.metrics.shift`. A model is weak or strong at a set where it lies outside the prediction
    interval of `clipbench.stats.prediction`, corrected over the sets that it is measured on.
    """

    name: ClassVar[str] = "expectations"
    protocol: ClassVar[int] = 2
    tasks: ClassVar[tuple[str, ...]] = ("zero_shot",)
    automatic: ClassVar[bool] = True
    label: ClassVar[str] = "expectations"
    metrics: ClassVar[tuple[MetricSpec, ...]] = METRICS
    tables: ClassVar[tuple[TableSpec, ...]] = (LINE,)
    Settings = AnalysisSettings

    def analyse(self, evidence: Evidence, settings: AnalysisSettings) -> Sequence[Finding]:
        """Return a finding for each job on a published set whose model also has a job on ImageNet."""
        jobs = fullest(job for job in evidence.jobs if job.task == "zero_shot")
        imagenet = [(job, top1[0]) for job in jobs if job.dataset == REFERENCE and (top1 := measured(job, "top1"))]
        columns, judged = openclip_columns(), []
        for job in jobs:
            column, reference = columns.get(job.dataset), _on_imagenet(job, imagenet)
            if column and reference and job.dataset != REFERENCE and measured(job, column.metric):
                judged.append(_Judged(job, reference, column.metric, _refusal(job, column, reference, jobs)))
        together = Counter(pair.job.model for pair in judged if not pair.refusal)
        return [_finding(pair, together[pair.job.model]) for pair in judged]


@dataclass(frozen=True)
class _Judged:
    """A job on a published set, and that on ImageNet which says what to expect of it."""

    job: JobResult
    reference: JobResult
    metric: str
    refusal: str
    """Why nothing is to be expected; '' for no reason."""

    @property
    def about(self) -> Subject:
        """What the finding is about; it is limited where either job is."""
        limited = self.job if self.job.pedigree.subset else self.reference
        about = subject_of([self.job])
        return replace(about, reference=REFERENCE, subset=limited.pedigree.subset, limit=limited.limit)


def _refusal(job: JobResult, column: Column, reference: JobResult, jobs: Sequence[JobResult]) -> str:
    if parts := differing(job, reference, among=SAME):
        return not_compared(parts)
    if job.pedigree.subset and column.metric == "top1" and not _balanced(job.dataset, column, jobs):
        return (
            f"Nothing is to be expected with {job.pedigree.subset}: it takes as many images of every class, and in the "
            f"published top-1 on {job.dataset} every class has its own share."
        )
    return ""


def _balanced(dataset: str, column: Column, jobs: Sequence[JobResult]) -> bool:
    """Return whether classes have about as many images each: as counted on the whole set, else as it is known for."""
    for job in jobs:
        if job.dataset == dataset and not job.pedigree.subset and "per_class" in job.tables:
            counts = job.tables["per_class"].frame()["n"].to_numpy(float)
            return bool(counts.std() <= _UNEVEN * counts.mean())
    return column.balanced


def _on_imagenet(job: JobResult, candidates: Sequence[tuple[JobResult, float]]) -> JobResult | None:
    """Return the same model's job on ImageNet: that with the same prompts, else the best, as published figures are."""
    same_model = [pair for pair in candidates if (pair[0].model, pair[0].split) == (job.model, job.split)]
    fitting = [pair for pair in same_model if not differing(job, pair[0], among=SAME)] or same_model
    return max(fitting, key=lambda pair: (pair[0].prompts == job.prompts, pair[1]), default=(None, 0.0))[0]


@cache
def published_line(dataset: str, without: tuple[str, ...]) -> ModelLine:
    """Return what published models lead to expect on one data set, the model's own rows apart."""
    columns = openclip_columns()
    models = [model for model in openclip_models() if dataset in model.accuracies]
    return model_line(
        [model.name for model in models],
        *([model.accuracies[name] for model in models] for name in (REFERENCE, dataset)),
        *(columns[name].images or 0 for name in (REFERENCE, dataset)),
        families=[model.family for model in models],
        without=without,
    )


def _finding(pair: _Judged, together: int) -> Finding:
    """Set a job's metric beside what its model's job on ImageNet leads to expect; `together` such hold at once."""
    job, metric = pair.job, pair.metric
    on_imagenet, here = measured(pair.reference, "top1"), measured(job, metric)
    assert on_imagenet
    assert here
    if pair.refusal:
        return without_numbers(replace(pair.about, n=here[1]), (pair.reference, job), pair.refusal)
    (top1, n_reference), (value, n) = on_imagenet, here
    models = published_line(job.dataset, own_rows(job, (model.name for model in openclip_models())))
    row = line_row(SOURCE, models, top1)
    params = {"reference": REFERENCE, "n_reference": n_reference, "baseline": SOURCE, "spread": row["spread"]}
    sizes = [effective_n(record_of(of, name)) for of, name in ((pair.reference, "top1"), (job, metric))]
    predicted = models.predict(top1, sizes[0], sizes[1], together) if sizes[0] and sizes[1] else None
    expected, interval = models.expected(top1), beyond(value, predicted) if predicted else None
    against = Metric("against_expectation", value - expected, n, interval, main=True, params=params)
    metrics = (Metric(f"expected_{metric}", expected, n, predicted, params=params), against)
    hashes = (pair.reference.hash, job.hash)
    return Finding(
        replace(pair.about, n=n), metrics, {"line": pd.DataFrame([row])}, hashes, verdict=verdict_on(against)
    )
