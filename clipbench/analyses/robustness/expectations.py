"""Weak and strong sides: a model's zero-shot results beside those of published models as good on ImageNet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from clipbench.analyses.base import AnalysisSettings, Evidence, Finding
from clipbench.arrays import Float64Array
from clipbench.metrics.accuracy import mean_per_class_recall
from clipbench.metrics.shift import LogitLine, corrected, fit_line
from clipbench.reference.openclip import openclip_columns, openclip_models
from clipbench.results.records import JobResult
from clipbench.stats.bootstrap import RESAMPLES, SEED
from clipbench.stats.line_draws import LineDraws, draw_accuracies, interval_of, resample_line
from clipbench.tasks.base import Metric

REFERENCE = "imagenet"
SOURCE = "open_clip results"

LOW_R2 = 0.25
"""Below it a finding says that ImageNet accuracy tells little."""

SAME = ("weights", "architecture", "transform", "tokenizer", "precision")
"""The parts of two pedigrees that must agree for one accuracy to say what to expect of the other."""


class ExpectationsSettings(AnalysisSettings):
    """Settings of the comparison: it has none."""

    analysis: Literal["expectations"]


class Expectations:
    """Each zero-shot result beside a line through published models, logit of its metric on logit of ImageNet top-1.

    The published models are those of open_clip's table of results on DataComp's sets (Gadre et al. 2023), and the
    line is that of `clipbench.metrics.shift`.
    """

    name: ClassVar[str] = "expectations"
    protocol: ClassVar[int] = 1
    tasks: ClassVar[tuple[str, ...]] = ("zero_shot",)
    Settings: ClassVar[type[AnalysisSettings]] = ExpectationsSettings

    def analyse(self, evidence: Evidence, settings: AnalysisSettings) -> Sequence[Finding]:
        """Return a finding for each job on a published set whose model also has a job on ImageNet."""
        jobs = [job for job in evidence.jobs if job.task == "zero_shot"]
        of_imagenet = [(job, top1) for job in jobs if job.dataset == REFERENCE and (top1 := _measured(job, "top1"))]
        variants = Counter((job.model, job.dataset, job.split, job.pedigree.subset) for job in jobs)
        found = []
        for job in jobs:
            measured, reference = _of_published_metric(job), _on_imagenet(job, of_imagenet)
            if measured and reference:
                several = variants[job.model, job.dataset, job.split, job.pedigree.subset] > 1
                found.append(_finding(_Compared(job, measured, *reference), _about(job, several)))
        return found


@dataclass(frozen=True)
class _Compared:
    """A job with the job on ImageNet that says what to expect of it."""

    job: JobResult
    measured: _Measured
    reference: JobResult
    on_imagenet: _Measured


@dataclass(frozen=True)
class _Line:
    """What published models lead to expect on one data set."""

    line: LogitLine
    draws: LineDraws

    def row(self, reference: float) -> Mapping[str, Any]:
        """Return what there is to say of it beside a model of this ImageNet accuracy."""
        return {
            "source": SOURCE,
            "slope": self.line.slope,
            "intercept": self.line.intercept,
            "r2": self.line.r2,
            "models": len(self.line.models),
            "lowest": self.line.lowest,
            "highest": self.line.highest,
            "left_out": ", ".join(self.line.left_out),
            "outside": not self.line.covers(reference),
            "spread": float(self.line.spread_at(reference)),
        }


@cache
def _line(dataset: str) -> _Line:
    models, columns = openclip_models(), openclip_columns()
    names = [model.name for model in models]
    reference, here = ([model.accuracies[name] for model in models] for name in (REFERENCE, dataset))
    sizes = [columns[name].images or 0 for name in (REFERENCE, dataset)]
    line = fit_line(names, reference, here)
    families = [model.family for model in models]
    return _Line(line, resample_line(line, names, reference, here, *sizes, families=families))


@dataclass(frozen=True)
class _Measured:
    """A metric of a job that has a value."""

    metric: str
    value: float
    n: int


def _measured(job: JobResult, metric: str) -> _Measured | None:
    found = (
        _Measured(metric, one.value, one.n) for one in job.records if one.metric == metric and one.value is not None
    )
    return next(found, None)


def _of_published_metric(job: JobResult) -> _Measured | None:
    """Return a job's value of the metric that is published for its data set."""
    column = openclip_columns().get(job.dataset)
    return _measured(job, column.metric) if column and job.dataset != REFERENCE else None


def _on_imagenet(
    job: JobResult, candidates: Sequence[tuple[JobResult, _Measured]]
) -> tuple[JobResult, _Measured] | None:
    """Return the same model's job on ImageNet: that with the same prompts, else the best, as published figures are."""
    own = [one for one in candidates if (one[0].model, one[0].split) == (job.model, job.split)]
    fitting = [one for one in own if not _differing(job, one[0])] or own
    return max(fitting, key=lambda one: (one[0].variant == job.variant, one[1].value), default=None)


def _differing(job: JobResult, reference: JobResult) -> list[str]:
    return [part for part in job.pedigree.differences(reference.pedigree) if part in SAME]


def _about(job: JobResult, several: bool) -> Mapping[str, str]:
    words = "for its ImageNet accuracy"
    return {
        "model": job.model,
        "dataset": job.dataset,
        "split": job.split,
        "subset": job.pedigree.subset,
        "variant": f"{words}, {job.variant or 'own prompts'}" if several else words,
    }


def _finding(one: _Compared, about: Mapping[str, str]) -> Finding:
    hashes = (one.reference.hash, one.job.hash)
    if differ := _differing(one.job, one.reference):
        note = f"Not compared with what ImageNet leads to expect: {', '.join(differ)} differ between the jobs."
        return Finding(about, (), jobs=hashes, notes=(note,))
    measured, on_imagenet = one.measured, one.on_imagenet
    published = _line(one.job.dataset)
    row = published.row(on_imagenet.value)
    params = {"reference": REFERENCE, "n_reference": on_imagenet.n, "baseline": SOURCE, "spread": row["spread"]}
    expected = float(published.line.expected(on_imagenet.value))
    drawn = published.draws.expected(_drawn(one.reference, on_imagenet, SEED + 1))
    off = _drawn(one.job, measured, SEED + 2) - drawn
    metrics = (
        Metric(f"expected_{measured.metric}", expected, measured.n, interval_of(drawn), params=params),
        Metric(
            "against_expectation",
            measured.value - expected,
            measured.n,
            interval_of(off),
            main=True,
            params=params,
        ),
    )
    return Finding(about, metrics, {"line": pd.DataFrame([row])}, hashes, tuple(_sentences(one, metrics[1], row)))


def _drawn(job: JobResult, measured: _Measured, seed: int) -> Float64Array:
    """Return (B,) values of a metric in resamples of a job's examples."""
    if measured.metric == "top1" or "per_class" not in job.tables:
        return draw_accuracies(round(measured.value * measured.n), measured.n, seed=seed)
    per_class = job.tables["per_class"].frame()
    counts, right = per_class["n"].to_numpy(), per_class["correct"].to_numpy()
    # Cells for the right and the wrong answers of each class. If all are right, or none, no resample would vary.
    share = corrected(right, counts) if 0 in (right.sum(), (counts - right).sum()) else right / np.maximum(counts, 1)
    shares = np.concatenate([counts * share, counts * (1 - share)]) / counts.sum()
    drawn = np.random.default_rng(seed).multinomial(counts.sum(), shares, RESAMPLES).reshape(RESAMPLES, 2, -1)
    return mean_per_class_recall(drawn.sum(axis=1), drawn[:, 0])


def _sentences(one: _Compared, against: Metric, row: Mapping[str, Any]) -> Iterator[str]:
    assert against.value is not None
    assert against.interval is not None
    off, low, high = (100 * number for number in (against.value, against.interval.low, against.interval.high))
    if low <= 0 <= high:
        words = f"neither clearly weak nor clearly strong at {one.job.dataset} ({off:+.1f} points, "
    elif off > 0:
        words = f"{off:.1f} points strong at {one.job.dataset} ("
    else:
        words = f"{-off:.1f} points weak at {one.job.dataset} ("
        low, high = -high, -low
    yield (
        f"For its ImageNet accuracy ({100 * one.on_imagenet.value:.1f} %) this model is {words}95 % interval "
        f"{low:.1f} to {high:.1f}): {100 * one.measured.value:.1f} % against "
        f"{100 * (one.measured.value - against.value):.1f} % expected of the {row['models']} published models."
    )
    yield (
        f"Published models lie {100 * row['spread']:.1f} points (standard deviation) about the line at that place, "
        f"which makes the difference {abs(against.value) / row['spread']:.1f} standard deviations."
    )
    if row["r2"] < LOW_R2:
        yield (
            f"ImageNet accuracy says little about {one.job.dataset}: it explains {100 * row['r2']:.0f} % of the "
            "differences between published models (R2 in logit space)."
        )
    if row["outside"]:
        yield (
            f"Its ImageNet accuracy lies outside that of the published models ({100 * row['lowest']:.1f} to "
            f"{100 * row['highest']:.1f} %), beyond which the line is drawn on."
        )
