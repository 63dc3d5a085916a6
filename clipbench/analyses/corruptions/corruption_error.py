"""Corruption error: how much worse a model gets under noise, blur, weather and digital artefacts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from clipbench.analyses.base import AnalysisSettings, Evidence, Finding
from clipbench.analyses.corruptions.images import CorruptedRun, RightOrWrong, corrupted_runs, right_or_wrong
from clipbench.analyses.corruptions.layout import CorruptionErrors, Layout, ReferenceErrors, corruption_errors, shares
from clipbench.analyses.robustness.matched_pairs import percentiles, verdict_on
from clipbench.arrays import Float64Array
from clipbench.errors import UserError, listed
from clipbench.metrics.specs import ColumnSpec, MetricSpec, TableSpec
from clipbench.reference.imagenet_c import ALEXNET, ALEXNET_CLEAN
from clipbench.results.records import JobResult, Subject
from clipbench.stats.bootstrap import resampled_units
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
        return [_finding(_Compared(settings, run, _reference(run, runs, settings)), evidence) for run in runs]


def _reference(
    run: CorruptedRun, runs: Sequence[CorruptedRun], settings: CorruptionErrorSettings
) -> CorruptedRun | None:
    """Return the run of the model that the errors are divided by, measured on the same images."""
    wanted = (settings.relative_to, run.clean.variant, run.clean.pedigree.subset)
    keys = ((other.model, other.clean.variant, other.clean.pedigree.subset) for other in runs)
    return next((other for other, key in zip(runs, keys, strict=True) if key == wanted), None)


@dataclass(frozen=True)
class _Compared:
    """A model's run with what its errors are divided by."""

    settings: CorruptionErrorSettings
    run: CorruptedRun
    reference: CorruptedRun | None

    @property
    def runs(self) -> tuple[CorruptedRun, ...]:
        return (self.run, self.reference) if self.reference else (self.run,)

    @property
    def published(self) -> bool:
        """Whether the errors are divided by AlexNet's."""
        return self.settings.by_alexnet and self.reference is None

    @property
    def subject(self) -> Subject:
        clean, jpeg = self.run.clean, self.settings.jpeg
        return Subject(
            models=(clean.model,),
            datasets=(clean.dataset,),
            reference=self.reference.model if self.reference else "AlexNet (published)" if self.published else "",
            split=clean.split,
            task=clean.task,
            prompts=clean.prompts,
            condition=clean.condition,
            protocol=f"{self.settings.protocol}, JPEG {jpeg}" if jpeg else self.settings.protocol,
            subset=clean.pedigree.subset,
            limit=clean.limit,
        )

    def layout(self) -> Layout:
        """Return the corruptions measured at every severity."""
        severities = tuple(sorted(self.settings.severities))
        complete = tuple(
            name for name in self.settings.corruptions if all(run.severities(name) == severities for run in self.runs)
        )
        averaged = tuple(name for name in complete if name in self.settings.standard)
        return Layout(complete, severities, averaged or complete)

    def errors(self, layout: Layout, accuracies: Sequence[Float64Array]) -> CorruptionErrors:
        """Return the errors from (b, 1 + views) accuracies of the run, and of the reference's."""
        if self.reference:
            return corruption_errors(layout, accuracies[0], ReferenceErrors.measured(layout, accuracies[-1]))
        reference = ReferenceErrors.published(layout, ALEXNET_CLEAN, ALEXNET) if self.published else None
        return corruption_errors(layout, accuracies[0], reference)


def _finding(compared: _Compared, evidence: Evidence) -> Finding:
    about, run, layout = compared.subject, compared.run, compared.layout()
    jobs = tuple(dict.fromkeys(job for measured in compared.runs for job in measured.jobs))
    if not layout.corruptions:
        return Finding(about, (), jobs=jobs, notes=("No corruption was measured at every severity.",))
    try:
        answers = right_or_wrong(compared.runs, evidence.examples)
    except UserError as error:
        return Finding(about, (), jobs=jobs, notes=(f"Not computed: {error}.",))
    matrices = [layout.matrix(of_run) for of_run in answers]
    measured = compared.errors(layout, [matrix.mean(axis=0, dtype=np.float64)[None] for matrix in matrices])
    blocks = [shares(matrices, weights) for weights in resampled_units(len(matrices[0]), resamples=RESAMPLES)]
    drawn = compared.errors(layout, [np.concatenate(resamples) for resamples in zip(*blocks, strict=True)])
    n = len(matrices[0])
    metrics = tuple(_metrics(compared, layout, measured, drawn, n))
    tables = {"severities": _severities(layout, run, answers[0]), "corruptions": _means(layout, run, measured, drawn)}
    notes = tuple(_notes(compared, layout, answers[0].left_out))
    gap = next(metric for metric in metrics if metric.name == "corruption_gap")
    return Finding(replace(about, n=n), metrics, tables, jobs, notes, verdict_on(gap))


def _metrics(
    compared: _Compared, layout: Layout, measured: CorruptionErrors, drawn: CorruptionErrors, n: int
) -> Iterator[Metric]:
    params: dict[str, Any] = {"corruptions": len(layout.averaged), "severities": list(layout.severities)}
    clean = float(measured.clean[0])
    yield Metric("clean_top1", clean, n, wilson(round(clean * n), n), params=params)
    corrupted = _metric("corrupted_top1", (measured.corrupted, drawn.corrupted), n, params, "bootstrap")
    yield replace(corrupted, main=True)
    gaps = measured.clean - measured.corrupted, drawn.clean - drawn.corrupted
    yield _metric("corruption_gap", gaps, n, params, PAIRED)
    suffix = "" if len(layout.averaged) == STANDARD else f"_{len(layout.averaged)}"
    params = {**params, "reference": compared.subject.reference}
    for name, title in (("ce", "mce"), ("relative_ce", "relative_mce")):
        if name in measured.errors:
            means = layout.mean(measured.errors[name]), layout.mean(drawn.errors[name])
            yield _metric(title + suffix, means, n, params, PAIRED if compared.reference else "bootstrap")


def _metric(name: str, values: tuple[Float64Array, Float64Array], n: int, params: dict[str, Any], kind: str) -> Metric:
    """Return a metric of (1,) the value and (B,) its resamples."""
    value = _defined(values[0][0])
    return Metric(name, value, n, None if value is None else percentiles(values[1], kind), params=params)


def _severities(layout: Layout, run: CorruptedRun, answers: RightOrWrong) -> pd.DataFrame:
    rows = []
    for view in layout.views:
        right = answers.corrupted[view]
        interval = wilson(int(right.sum()), len(right))
        rows.append((view[0], run.kind(view), view[1], float(right.mean()), interval.low, interval.high))
    return pd.DataFrame(rows, columns=["corruption", "kind", "severity", "top1", "low", "high"])


def _means(layout: Layout, run: CorruptedRun, measured: CorruptionErrors, drawn: CorruptionErrors) -> pd.DataFrame:
    rows = []
    for place, name in enumerate(layout.corruptions):
        top1, interval = float(measured.accuracy[0, place]), percentiles(drawn.accuracy[:, place])
        assert interval is not None
        kind = run.kind((name, layout.severities[0]))
        errors = (measured.errors.get(error) for error in ("ce", "relative_ce"))
        shown = (None if error is None else _defined(error[0, place]) for error in errors)
        rows.append((name, kind, top1, interval.low, interval.high, 1 - top1, *shown))
    columns = ["corruption", "kind", "top1", "low", "high", "error", "ce", "relative_ce"]
    return pd.DataFrame(rows, columns=columns)


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
        yield f"No mCE: {_why_not(settings)}."


def _why_not(settings: CorruptionErrorSettings) -> str:
    if settings.relative_to == PUBLISHED:
        return "AlexNet's published errors are of ImageNet, protocol imagenet-c, at all five severities"
    return f"{settings.relative_to} has no finished jobs on the same images"


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _words(name: str) -> str:
    return name.replace("_", " ")
