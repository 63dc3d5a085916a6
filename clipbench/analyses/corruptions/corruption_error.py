"""Corruption error: how much worse a model gets under noise, blur, weather and digital artefacts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from clipbench.analyses.base import AnalysisSettings, Evidence, Finding
from clipbench.analyses.comparable import differing, subject_of
from clipbench.analyses.corruptions.declarations import METRICS, PLAIN_FILES, TABLES
from clipbench.analyses.corruptions.layout import (
    CorruptedRun,
    Layout,
    corrupted_runs,
    corruption_errors,
    read_correct,
    shares,
)
from clipbench.analyses.robustness.matched_pairs import verdict_on
from clipbench.arrays import Float32Array, Float64Array
from clipbench.errors import UserError, listed
from clipbench.metrics.specs import MetricSpec, TableSpec
from clipbench.reference.imagenet_c import ALEXNET, ALEXNET_CLEAN
from clipbench.results.records import JobResult, Record, Subject
from clipbench.stats.bootstrap import percentile, resampled_units
from clipbench.stats.clusters import answers_interval, mean_interval
from clipbench.stats.intervals import Interval, ends, wilson
from clipbench.stats.simultaneous import bonferroni
from clipbench.tasks.base import Metric

PUBLISHED = "alexnet"
RESAMPLES = 1000
STANDARD = 15
"""Corruptions in the published mean."""


class CorruptionErrorSettings(AnalysisSettings):
    """What the study measured on one data set."""

    analysis: Literal["corruption_error"]
    dataset: str
    split: str = "test"
    corruptions: tuple[str, ...]
    standard: tuple[str, ...]
    """Those of the 15 that published means are over."""
    severities: tuple[int, ...]
    protocol: str
    jpeg: int | None = None
    relative_to: str = ""
    absent: tuple[str, ...] = ()
    """Asked for as part of a group, but not to be had where it ran."""

    @property
    def by_alexnet(self) -> bool:
        """Whether AlexNet's published errors fit what was measured, and no other model is asked for."""
        fits = self.dataset == "imagenet" and self.protocol == "imagenet-c" and len(self.severities) == 5
        return fits and self.relative_to in ("", PUBLISHED)

    def wants(self, job: JobResult) -> bool:
        """Say whether a job is of one of the views."""
        view = job.about.get("view", {})
        return (
            view.get("protocol") == self.protocol
            and view.get("jpeg") == self.jpeg
            and view.get("corruption") in self.corruptions
            and view.get("severity") in self.severities
        )


class CorruptionError:
    """Accuracy under corruptions and mCE (Hendrycks & Dietterich 2019), with intervals over the images.

    All of a model's views share their resamples, so what is subtracted or divided is paired.
    """

    name: ClassVar[str] = "corruption_error"
    protocol: ClassVar[int] = 2
    tasks: ClassVar[tuple[str, ...]] = ("zero_shot",)
    automatic: ClassVar[bool] = False
    Settings: type[CorruptionErrorSettings] = CorruptionErrorSettings
    label: ClassVar[str] = "corruption error"
    metrics: ClassVar[tuple[MetricSpec, ...]] = METRICS
    tables: ClassVar[tuple[TableSpec, ...]] = TABLES

    def analyse(self, evidence: Evidence, settings: CorruptionErrorSettings) -> Sequence[Finding]:
        """Return one finding for each model, prompt set and subset that has views."""
        runs = corrupted_runs(evidence.jobs, settings.dataset, settings.split, settings.wants)
        compared = [_Compared(settings, run, _reference(run, runs, settings), runs) for run in runs]
        return [_finding(each, evidence) for each in compared]


def _reference(
    run: CorruptedRun, runs: Sequence[CorruptedRun], settings: CorruptionErrorSettings
) -> CorruptedRun | None:
    """Return the run of the model that the errors are divided by: on the same images, with the same prompts."""
    named = (other for other in runs if other.clean.model == settings.relative_to)
    return next((other for other in named if not differing(run.clean, other.clean)), None)


@dataclass(frozen=True)
class _Compared:
    """A model's run with what its errors are divided by."""

    settings: CorruptionErrorSettings
    run: CorruptedRun
    reference: CorruptedRun | None
    others: Sequence[CorruptedRun]
    """The runs of all models, among which there may be others of the reference's name."""

    @property
    def runs(self) -> tuple[CorruptedRun, ...]:
        return (self.run, self.reference) if self.reference else (self.run,)

    @property
    def published(self) -> bool:
        """Whether the errors are divided by AlexNet's."""
        return self.settings.by_alexnet and self.reference is None

    @property
    def clean_top1(self) -> Record:
        """The run's number on the images as they are."""
        return next(record for record in self.run.clean.records if record.metric == "top1")

    @property
    def independent(self) -> bool:
        """Whether its images are enough, and come in no clusters, so that resamples of images say how sure it is."""
        return self.clean_top1.interval == "wilson"

    @property
    def subject(self) -> Subject:
        measured, jpeg = subject_of([self.run.clean]), self.settings.jpeg
        by = self.reference.clean.model if self.reference else "AlexNet (published)" if self.published else ""
        protocol = f"{self.settings.protocol}, JPEG {jpeg}" if jpeg else self.settings.protocol
        return replace(measured, reference=by, protocol=protocol, n=0)

    def layout(self) -> Layout:
        """Return the corruptions measured at every severity."""
        severities = tuple(sorted(self.settings.severities))
        complete = tuple(
            name for name in self.settings.corruptions if all(run.severities(name) == severities for run in self.runs)
        )
        averaged = tuple(name for name in complete if name in self.settings.standard)
        return Layout(complete, severities, averaged or complete)

    def values(self, layout: Layout, accuracies: Sequence[Float64Array]) -> dict[str, Float64Array]:
        """Return (b,) clean and corrupted accuracy and (b, C) of each corruption, and its errors by the reference.

        Args:
            layout: what the columns are.
            accuracies: (b, 1 + views) of the run, and of the reference's.
        """
        means = layout.by_corruption(accuracies[0])
        found = {"clean": accuracies[0][:, 0], "corrupted": layout.mean(means), "top1": means}
        if self.reference:
            errors = 1 - accuracies[-1][:, 0], 1 - layout.by_corruption(accuracies[-1])
        elif self.published:
            errors = np.array([ALEXNET_CLEAN]), np.array([[ALEXNET.get(name, np.nan) for name in layout.corruptions]])
        else:
            return found
        return found | corruption_errors(layout, accuracies[0], errors)


def _finding(compared: _Compared, evidence: Evidence) -> Finding:
    about, layout = compared.subject, compared.layout()
    jobs = tuple(dict.fromkeys(job for measured in compared.runs for job in measured.jobs))
    if not layout.corruptions:
        return Finding(about, (), jobs=jobs, notes=("No corruption was measured at every severity.",))
    try:
        correct, left_out = read_correct(compared.runs, layout, evidence.examples)
    except UserError as error:
        return Finding(about, (), jobs=jobs, notes=(f"Not computed: {error}.",))
    n = len(correct[0])
    measured = compared.values(layout, [matrix.mean(axis=0, dtype=np.float64)[None] for matrix in correct])
    blocks = [shares(correct, weights) for weights in resampled_units(n, resamples=RESAMPLES)]
    drawn = compared.values(layout, [np.concatenate(resamples) for resamples in zip(*blocks, strict=True)])
    apart = correct[0][:, 0] - layout.mean(layout.by_corruption(correct[0].astype(np.float64)))
    gap = mean_interval(apart, bonferroni(len(compared.others)), family=len(compared.others))
    of_each = _intervals(layout, correct[0]) if compared.independent else {}
    metrics = tuple(_metrics(compared, layout, measured, drawn, n, gap, of_each.get("")))
    tables = {
        "severities": _severities(layout, compared, correct[0]),
        "corruptions": _means(layout, compared.run, measured, of_each),
    }
    notes = tuple(_notes(compared, layout, left_out))
    difference = next(metric for metric in metrics if metric.name == "corruption_gap")
    return Finding(replace(about, n=n), metrics, tables, jobs, notes, verdict_on(difference))


def _metrics(
    compared: _Compared,
    layout: Layout,
    measured: Mapping[str, Float64Array],
    drawn: Mapping[str, Float64Array],
    n: int,
    gap: Interval | None,
    of_corrupted: Interval | None,
) -> Iterator[Metric]:
    params: dict[str, Any] = {"corruptions": len(layout.averaged), "severities": list(layout.severities)}
    clean, top1 = float(measured["clean"][0]), compared.clean_top1
    told = partial(replace, chance=top1.chance, commonest=top1.commonest)
    sure = wilson(round(clean * n), n) if compared.independent else None
    yield told(Metric("clean_top1", clean, n, sure, params=params))

    def metric(name: str, value: Float64Array, resamples: Float64Array, kind: str = "bootstrap") -> Metric:
        known = None if np.isnan(value[0]) else float(value[0])
        undefined = known is None or not compared.independent or np.isnan(resamples).all()
        return Metric(name, known, n, None if undefined else replace(percentile(resamples), kind=kind), params=params)

    corrupted = float(measured["corrupted"][0])
    yield told(Metric("corrupted_top1", corrupted, n, of_corrupted, main=True, params=params))
    yield Metric("corruption_gap", clean - corrupted, n, gap if compared.independent else None, params=params)
    suffix = "" if len(layout.averaged) == STANDARD else f"_{len(layout.averaged)}"
    suffix += PLAIN_FILES if compared.published and compared.settings.jpeg is None else ""
    params = {**params, "reference": compared.subject.reference, "jpeg": compared.settings.jpeg}
    for name, title in (("ce", "mce"), ("relative_ce", "relative_mce")):
        if name in measured:
            kind = "paired bootstrap" if compared.reference else "bootstrap"
            yield metric(title + suffix, layout.mean(measured[name]), layout.mean(drawn[name]), kind)


def _intervals(layout: Layout, correct: Float32Array) -> dict[str, Interval | None]:
    """Return the interval of each corruption's mean over severities, and under '' that of the mean over corruptions."""
    answers = correct[:, 1:].reshape(len(correct), len(layout.corruptions), len(layout.severities))
    of_each = {name: answers[:, place] for place, name in enumerate(layout.corruptions)}
    averaged = np.concatenate([of_each[name] for name in layout.averaged], axis=1)
    return {name: answers_interval(right) for name, right in {**of_each, "": averaged}.items()}


def _severities(layout: Layout, compared: _Compared, correct: Float32Array) -> pd.DataFrame:
    rows = []
    for view, right in zip(layout.views, correct[:, 1:].sum(axis=0).astype(int).tolist(), strict=True):
        low, high = ends(wilson(right, len(correct)) if compared.independent else None)
        rows.append((view[0], compared.run.kind(view), view[1], right / len(correct), low, high))
    return pd.DataFrame(rows, columns=["corruption", "kind", "severity", "top1", "low", "high"])


def _means(
    layout: Layout, run: CorruptedRun, measured: Mapping[str, Float64Array], of_each: Mapping[str, Interval | None]
) -> pd.DataFrame:
    low, high = zip(*(ends(of_each.get(name)) for name in layout.corruptions), strict=True)
    unknown = np.full((1, len(layout.corruptions)), np.nan)
    return pd.DataFrame(
        {
            "corruption": layout.corruptions,
            "kind": [run.kind((name, layout.severities[0])) for name in layout.corruptions],
            "top1": measured["top1"][0],
            "low": low,
            "high": high,
            "error": 1 - measured["top1"][0],
            "ce": measured.get("ce", unknown)[0],
            "relative_ce": measured.get("relative_ce", unknown)[0],
        }
    )


def _notes(compared: _Compared, layout: Layout, left_out: int) -> Iterator[str]:
    settings = compared.settings
    incomplete = [name for name in settings.corruptions if name not in layout.corruptions]
    if settings.absent:
        names = listed([_words(name) for name in settings.absent])
        yield f"Absent: {names}, whose photographs are not installed (pip install 'clipbench[corruptions]')."
    if incomplete:
        yield f"Left out, not measured at every severity: {listed([_words(name) for name in incomplete])}."
    if left_out:
        yield f"{left_out} images that could not be read in some view are left out of all of them."
    if settings.protocol == "adapted":
        yield "Adapted: ImageNet-C's severities on images of another size; comparable with nothing published."
    if settings.relative_to and not (compared.reference or compared.published):
        yield f"No mCE: {_why_not(compared)}."


def _why_not(compared: _Compared) -> str:
    name, clean = compared.settings.relative_to, compared.run.clean
    if name == PUBLISHED:
        return "AlexNet's published errors are of ImageNet, protocol imagenet-c, at all five severities"
    named = [other.clean for other in compared.others if other.clean.model == name]
    # The one that is nearest.
    if parts := min((differing(clean, other) for other in named), key=len, default=[]):
        return f"{', '.join(parts)} {'differs' if len(parts) == 1 else 'differ'} from that of {name}"
    return f"{name} has no finished jobs on the same images"


def _words(name: str) -> str:
    return name.replace("_", " ")
