"""Corruption error: how much worse a model gets under noise, blur, weather and digital artefacts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from clipbench.analyses.base import AnalysisSettings, Evidence, Finding
from clipbench.analyses.comparable import differing, subject_of
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
from clipbench.metrics.specs import ColumnSpec, MetricSpec, TableSpec
from clipbench.reference.imagenet_c import ALEXNET, ALEXNET_CLEAN
from clipbench.results.records import JobResult, Subject
from clipbench.stats.bootstrap import percentile, resampled_units
from clipbench.stats.intervals import wilson
from clipbench.stats.paired import KIND as PAIRED
from clipbench.tasks.base import Metric

PUBLISHED = "alexnet"
RESAMPLES = 1000
STANDARD = 15
"""Corruptions in the published mean."""

_HENDRYCKS = "Hendrycks and Dietterich 2019, https://arxiv.org/abs/1903.12261"
_ACCURACIES = (
    "top-1 on the images as they are, and its mean over the standard corruptions and their severities; the gap is "
    "their difference, on the same images."
)
_MCE = (
    "mean corruption error: for each corruption the model's errors over all severities as a share of the reference "
    "model's, averaged over corruptions; 100 % is the reference model, and lower is better. A number behind it says "
    "over how many corruptions, where it is not all 15."
)
_RELATIVE = "the same with the errors on clean images taken off first; lower is better."


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
    protocol: ClassVar[int] = 1
    tasks: ClassVar[tuple[str, ...]] = ("zero_shot",)
    automatic: ClassVar[bool] = False
    Settings: type[CorruptionErrorSettings] = CorruptionErrorSettings
    label: ClassVar[str] = "corruption error"
    metrics: ClassVar[tuple[MetricSpec, ...]] = (
        MetricSpec("clean_top1", "clean top-1", definition=_ACCURACIES),
        MetricSpec("corrupted_top1", "corrupted top-1", definition=_ACCURACIES),
        MetricSpec("corruption_gap", "gap", "gap", False, _ACCURACIES),
        MetricSpec("mce", "mCE", "fraction", False, _MCE, _HENDRYCKS),
        MetricSpec("mce_{n}", "mCE-{n}", "fraction", False, _MCE, _HENDRYCKS),
        MetricSpec("relative_mce", "relative mCE", "fraction", False, _RELATIVE, _HENDRYCKS),
        MetricSpec("relative_mce_{n}", "relative mCE-{n}", "fraction", False, _RELATIVE, _HENDRYCKS),
    )
    tables: ClassVar[tuple[TableSpec, ...]] = (
        TableSpec(
            "severities",
            "Top-1 by corruption and severity",
            (
                ColumnSpec("corruption"),
                ColumnSpec("kind"),
                ColumnSpec("severity", unit="count"),
                ColumnSpec("top1", "top-1", "fraction", "low", "high"),
            ),
        ),
        TableSpec(
            "corruptions",
            "Corruptions, mean over severities",
            (
                ColumnSpec("corruption"),
                ColumnSpec("kind"),
                ColumnSpec("top1", "top-1", "fraction", "low", "high"),
                ColumnSpec("ce", "CE", "fraction"),
                ColumnSpec("relative_ce", "relative CE", "fraction"),
            ),
        ),
    )

    def analyse(self, evidence: Evidence, settings: CorruptionErrorSettings) -> Sequence[Finding]:
        """Return one finding for each model, prompt set and subset that has views."""
        runs = corrupted_runs(evidence.jobs, settings.dataset, settings.split, settings.wants)
        return [_finding(_Compared(settings, run, _reference(run, runs, settings), runs), evidence) for run in runs]


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
    metrics = tuple(_metrics(compared, layout, measured, drawn, n))
    tables = {
        "severities": _severities(layout, compared.run, correct[0]),
        "corruptions": _means(layout, compared.run, measured, drawn),
    }
    notes = tuple(_notes(compared, layout, left_out))
    gap = next(metric for metric in metrics if metric.name == "corruption_gap")
    return Finding(replace(about, n=n), metrics, tables, jobs, notes, verdict_on(gap))


def _metrics(
    compared: _Compared,
    layout: Layout,
    measured: Mapping[str, Float64Array],
    drawn: Mapping[str, Float64Array],
    n: int,
) -> Iterator[Metric]:
    params: dict[str, Any] = {"corruptions": len(layout.averaged), "severities": list(layout.severities)}
    clean = float(measured["clean"][0])
    yield Metric("clean_top1", clean, n, wilson(round(clean * n), n), params=params)
    corrupted = _metric("corrupted_top1", (measured["corrupted"], drawn["corrupted"]), n, params, "bootstrap")
    yield replace(corrupted, main=True)
    gaps = measured["clean"] - measured["corrupted"], drawn["clean"] - drawn["corrupted"]
    yield _metric("corruption_gap", gaps, n, params, PAIRED)
    suffix = "" if len(layout.averaged) == STANDARD else f"_{len(layout.averaged)}"
    params = {**params, "reference": compared.subject.reference}
    for name, title in (("ce", "mce"), ("relative_ce", "relative_mce")):
        if name in measured:
            means = layout.mean(measured[name]), layout.mean(drawn[name])
            yield _metric(title + suffix, means, n, params, PAIRED if compared.reference else "bootstrap")


def _metric(name: str, values: tuple[Float64Array, Float64Array], n: int, params: dict[str, Any], kind: str) -> Metric:
    """Return a metric of (1,) the value and (B,) its resamples."""
    value = None if np.isnan(values[0][0]) else float(values[0][0])
    interval = None if value is None or np.isnan(values[1]).all() else replace(percentile(values[1]), kind=kind)
    return Metric(name, value, n, interval, params=params)


def _severities(layout: Layout, run: CorruptedRun, correct: Float32Array) -> pd.DataFrame:
    rows = []
    for view, right in zip(layout.views, correct[:, 1:].sum(axis=0).astype(int).tolist(), strict=True):
        interval = wilson(right, len(correct))
        rows.append((view[0], run.kind(view), view[1], right / len(correct), interval.low, interval.high))
    return pd.DataFrame(rows, columns=["corruption", "kind", "severity", "top1", "low", "high"])


def _means(
    layout: Layout, run: CorruptedRun, measured: Mapping[str, Float64Array], drawn: Mapping[str, Float64Array]
) -> pd.DataFrame:
    intervals = [percentile(resamples) for resamples in drawn["top1"].T]
    unknown = np.full((1, len(intervals)), np.nan)
    return pd.DataFrame(
        {
            "corruption": layout.corruptions,
            "kind": [run.kind((name, layout.severities[0])) for name in layout.corruptions],
            "top1": measured["top1"][0],
            "low": [interval.low for interval in intervals],
            "high": [interval.high for interval in intervals],
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
    if compared.published and settings.jpeg is None:
        yield "AlexNet's published errors are of images saved as JPEG of quality 85, these are not (see `jpeg`)."
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
