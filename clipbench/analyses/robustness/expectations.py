"""Weak and strong sides: a model's zero-shot results beside those of published models as good on ImageNet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import ClassVar

import numpy as np
import pandas as pd

from clipbench.analyses.base import AnalysisSettings, Evidence, Finding, verdict_of
from clipbench.analyses.comparable import differing, measured, not_compared, subject_of, without_numbers
from clipbench.analyses.robustness.baseline import line_row
from clipbench.arrays import Float64Array
from clipbench.metrics.accuracy import mean_per_class_recall
from clipbench.metrics.shift import LogitLine, corrected, fit_line
from clipbench.metrics.specs import ColumnSpec, MetricSpec, TableSpec
from clipbench.reference.published import openclip_columns, openclip_models
from clipbench.results.choice import fullest
from clipbench.results.records import JobResult
from clipbench.stats.bootstrap import RESAMPLES, SEED
from clipbench.stats.line_draws import LineDraws, draw_accuracies, interval_of, resample_line
from clipbench.tasks.base import Metric

REFERENCE = "imagenet"
SOURCE = "open_clip results"

EXPECTED = "what the line through published models, fitted to logits, gives for this ImageNet accuracy."

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
    ),
)


class Expectations:
    """Each zero-shot result beside a line through published models, logit of its metric on logit of ImageNet top-1.

    The published models are those of open_clip's table of results on DataComp's sets (Gadre et al. 2023), and the
    line is that of `clipbench.metrics.shift`.
    """

    name: ClassVar[str] = "expectations"
    protocol: ClassVar[int] = 1
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
        findings = []
        for job in jobs:
            column, reference = openclip_columns().get(job.dataset), _on_imagenet(job, imagenet)
            if column and reference and job.dataset != REFERENCE and measured(job, column.metric):
                findings.append(_finding(job, column.metric, reference))
        return findings


def _on_imagenet(job: JobResult, candidates: Sequence[tuple[JobResult, float]]) -> JobResult | None:
    """Return the same model's job on ImageNet: that with the same prompts, else the best, as published figures are."""
    same_model = [pair for pair in candidates if (pair[0].model, pair[0].split) == (job.model, job.split)]
    fitting = [pair for pair in same_model if not differing(job, pair[0], among=SAME)] or same_model
    return max(fitting, key=lambda pair: (pair[0].prompts == job.prompts, pair[1]), default=(None, 0.0))[0]


@cache
def _line(dataset: str) -> tuple[LogitLine, LineDraws]:
    """Return what published models lead to expect on one data set."""
    models, columns = openclip_models(), openclip_columns()
    names = [model.name for model in models]
    reference, here = ([model.accuracies[name] for model in models] for name in (REFERENCE, dataset))
    sizes = [columns[name].images or 0 for name in (REFERENCE, dataset)]
    line = fit_line(names, reference, here)
    families = [model.family for model in models]
    return line, resample_line(line, names, reference, here, *sizes, families=families)


def _finding(job: JobResult, metric: str, reference: JobResult) -> Finding:
    """Set a job's metric beside what its model's job on ImageNet leads to expect."""
    on_imagenet, here = measured(reference, "top1"), measured(job, metric)
    assert on_imagenet
    assert here
    (top1, n_reference), (value, n) = on_imagenet, here
    about, hashes = replace(subject_of([job]), reference=REFERENCE, n=n), (reference.hash, job.hash)
    if parts := differing(job, reference, among=SAME):
        return without_numbers(about, (reference, job), not_compared(parts))
    line, draws = _line(job.dataset)
    expected, spread = float(line.expected(top1)), float(line.spread_at(top1))
    row = line_row(SOURCE, line, top1) | {"spread": spread}
    params = {"reference": REFERENCE, "n_reference": n_reference, "baseline": SOURCE, "spread": spread}
    drawn = draws.expected(_drawn(reference, "top1", *on_imagenet, SEED + 1))
    interval = interval_of(_drawn(job, metric, *here, SEED + 2) - drawn)
    metrics = (
        Metric(f"expected_{metric}", expected, n, interval_of(drawn), params=params),
        Metric("against_expectation", value - expected, n, interval, main=True, params=params),
    )
    verdict = verdict_of(interval.low, interval.high)
    return Finding(about, metrics, {"line": pd.DataFrame([row])}, hashes, verdict=verdict)


def _drawn(job: JobResult, metric: str, value: float, n: int, seed: int) -> Float64Array:
    """Return (B,) values of a metric in resamples of a job's examples."""
    if metric == "top1" or "per_class" not in job.tables:
        return draw_accuracies(round(value * n), n, seed=seed)
    per_class = job.tables["per_class"].frame()
    counts, right = per_class["n"].to_numpy(), per_class["correct"].to_numpy()
    # Cells for the right and the wrong answers of each class. If all are right, or none, no resample would vary.
    share = corrected(right, counts) if 0 in (right.sum(), (counts - right).sum()) else right / np.maximum(counts, 1)
    shares = np.concatenate([counts * share, counts * (1 - share)]) / counts.sum()
    drawn = np.random.default_rng(seed).multinomial(counts.sum(), shares, RESAMPLES).reshape(RESAMPLES, 2, -1)
    return mean_per_class_recall(drawn.sum(axis=1), drawn[:, 0])
