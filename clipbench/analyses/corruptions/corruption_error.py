"""Corruption error: how much worse a model gets under noise, blur, weather and digital artefacts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from clipbench.analyses.base import AnalysisSettings, Evidence, Finding
from clipbench.analyses.corruptions.images import CorruptedRun, RightOrWrong, corrupted_runs, right_or_wrong
from clipbench.analyses.corruptions.layout import (
    CorruptionErrors,
    Layout,
    ReferenceErrors,
    corruption_errors,
    shares,
)
from clipbench.analyses.robustness.gaps import percentiles
from clipbench.arrays import Float64Array
from clipbench.errors import UserError
from clipbench.reference.imagenet_c import ALEXNET, ALEXNET_CLEAN
from clipbench.results.records import JobResult
from clipbench.stats.bootstrap import resampled_units
from clipbench.stats.intervals import Interval, wilson
from clipbench.stats.paired import KIND as PAIRED
from clipbench.tasks.base import Metric
from clipbench.tasks.wording import ends, listed, points

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


class CorruptionError:
    """Accuracy under corruptions and mCE (Hendrycks & Dietterich 2019), with intervals over the images.

    All of a model's views share their resamples, so what is subtracted or divided is paired.
    """

    name: ClassVar[str] = "corruption_error"
    protocol: ClassVar[int] = 1
    tasks: ClassVar[tuple[str, ...]] = ("zero_shot",)
    Settings: ClassVar[type[AnalysisSettings]] = CorruptionErrorSettings

    def analyse(self, evidence: Evidence, settings: AnalysisSettings) -> Sequence[Finding]:
        """Return one finding for each model, prompt set and subset that has views."""
        assert isinstance(settings, CorruptionErrorSettings)
        runs = corrupted_runs(evidence.jobs, settings.dataset, settings.split, lambda job: _wanted(job, settings))
        prompts = len({run.clean.variant for run in runs}) > 1
        return [_Finding(settings, run, _beside(run, runs, settings), evidence, prompts).make() for run in runs]


def _wanted(job: JobResult, settings: CorruptionErrorSettings) -> bool:
    view = job.about.get("view", {})
    return (
        view.get("protocol") == settings.protocol
        and view.get("jpeg") == settings.jpeg
        and view.get("corruption") in settings.corruptions
        and view.get("severity") in settings.severities
    )


def _beside(run: CorruptedRun, runs: Sequence[CorruptedRun], settings: CorruptionErrorSettings) -> CorruptedRun | None:
    """Return the run of the model that the errors are divided by, measured on the same images."""
    clean = run.clean
    same = [one for one in runs if one.model == settings.relative_to and one.clean.variant == clean.variant]
    return next((one for one in same if one.clean.pedigree.subset == clean.pedigree.subset), None)


@dataclass(frozen=True)
class _Finding:
    settings: CorruptionErrorSettings
    run: CorruptedRun
    beside: CorruptedRun | None
    evidence: Evidence
    prompts: bool
    """Whether the prompt set has to be named, since there are several."""

    def make(self) -> Finding:
        clean = self.run.clean
        about = {
            "model": clean.model,
            "dataset": clean.dataset,
            "split": clean.split,
            "subset": clean.pedigree.subset,
            "variant": ", ".join(part for part in (self._protocol(), clean.variant if self.prompts else "") if part),
        }
        layout, incomplete = self._layout()
        jobs = self.run.jobs + (self.beside.jobs if self.beside and self.beside is not self.run else ())
        if not layout.corruptions:
            return Finding(about, (), jobs=jobs, notes=("No corruption was measured at every severity.",))
        try:
            found = right_or_wrong([self.run, *([self.beside] if self.beside else [])], self.evidence.examples)
        except UserError as error:
            return Finding(about, (), jobs=jobs, notes=(f"Not computed: {error}.",))
        value, drawn = self._errors(layout, found)
        n = len(found[0].clean)
        metrics = tuple(self._metrics(layout, value, drawn, n))
        tables = {"severities": self._severities(layout, found[0]), "corruptions": self._table(layout, value, drawn)}
        notes = tuple(self._notes(layout, metrics, incomplete, found[0].left_out))
        return Finding(about, metrics, tables, jobs, notes)

    def _protocol(self) -> str:
        jpeg = f", JPEG {self.settings.jpeg}" if self.settings.jpeg else ""
        return self.settings.protocol + jpeg

    def _layout(self) -> tuple[Layout, tuple[str, ...]]:
        """Return the corruptions measured at every severity, and those that were not."""
        severities = tuple(sorted(self.settings.severities))
        runs = [self.run, *([self.beside] if self.beside else [])]
        complete = [
            name for name in self.settings.corruptions if all(run.severities(name) == severities for run in runs)
        ]
        incomplete = tuple(name for name in self.settings.corruptions if name not in complete)
        averaged = [name for name in complete if name in self.settings.standard]
        return Layout(tuple(complete), severities, tuple(averaged or complete)), incomplete

    def _errors(self, layout: Layout, found: Sequence[RightOrWrong]) -> tuple[CorruptionErrors, CorruptionErrors]:
        """Return the errors, and those of every resample of the images."""
        matrices = [layout.matrix(one) for one in found]
        measured = [matrix.mean(axis=0, dtype=np.float64)[None] for matrix in matrices]
        blocks = [shares(matrices, weights) for weights in resampled_units(len(matrices[0]), resamples=RESAMPLES)]
        drawn = [np.concatenate([block[at] for block in blocks]) for at in range(len(matrices))]
        return self._from(layout, measured), self._from(layout, drawn)

    def _from(self, layout: Layout, accuracies: Sequence[Float64Array]) -> CorruptionErrors:
        if self.beside:
            return corruption_errors(layout, accuracies[0], ReferenceErrors.measured(layout, accuracies[-1]))
        reference = ReferenceErrors.published(layout, ALEXNET_CLEAN, ALEXNET) if self._by_alexnet() else None
        return corruption_errors(layout, accuracies[0], reference)

    def _by_alexnet(self) -> bool:
        settings = self.settings
        fits = settings.dataset == "imagenet" and settings.protocol == "imagenet-c" and len(settings.severities) == 5
        return fits and settings.relative_to in ("", PUBLISHED) and self.beside is None

    def _metrics(self, layout: Layout, value: CorruptionErrors, drawn: CorruptionErrors, n: int) -> Iterator[Metric]:
        params = {"corruptions": len(layout.averaged), "severities": list(layout.severities)}
        clean = float(value.clean[0])
        yield Metric("clean_top1", clean, n, wilson(round(clean * n), n), params=params)
        gap = value.clean - value.corrupted
        yield _metric("corrupted_top1", value.corrupted, drawn.corrupted, n, params, kind="bootstrap", main=True)
        yield _metric("corruption_gap", gap, drawn.clean - drawn.corrupted, n, params, kind=PAIRED)
        if value.ce is None:
            return
        suffix = "" if len(layout.averaged) == STANDARD else f"_{len(layout.averaged)}"
        params = {**params, "reference": self._reference()}
        for name in ("ce", "relative_ce"):
            mean, resampled = (one.mean(getattr(one, name), layout) for one in (value, drawn))
            assert mean is not None
            assert resampled is not None
            title = name.replace("ce", "mce") + suffix
            yield _metric(title, mean, resampled, n, params, kind=PAIRED if self.beside else "bootstrap")

    def _reference(self) -> str:
        return self.beside.model if self.beside else "AlexNet (published)"

    def _severities(self, layout: Layout, found: RightOrWrong) -> pd.DataFrame:
        rows = []
        for name, severity in layout.views:
            right = found.corrupted[name, severity]
            interval = wilson(int(right.sum()), len(right))
            kind = self.run.views[name, severity].about["view"].get("kind", "")
            rows.append((name, kind, severity, float(right.mean()), interval.low, interval.high))
        return pd.DataFrame(rows, columns=["corruption", "kind", "severity", "top1", "low", "high"])

    def _table(self, layout: Layout, value: CorruptionErrors, drawn: CorruptionErrors) -> pd.DataFrame:
        rows = []
        for at, name in enumerate(layout.corruptions):
            top1, interval = float(value.accuracy[0, at]), percentiles(drawn.accuracy[:, at])
            assert interval is not None
            kind = self.run.views[name, layout.severities[0]].about["view"].get("kind", "")
            ce, relative = (None if one is None else _defined(one[0, at]) for one in (value.ce, value.relative_ce))
            rows.append((name, kind, top1, interval.low, interval.high, 1 - top1, ce, relative))
        columns = ["corruption", "kind", "top1", "low", "high", "error", "ce", "relative_ce"]
        return pd.DataFrame(rows, columns=columns)

    def _notes(
        self, layout: Layout, metrics: Sequence[Metric], incomplete: Sequence[str], left_out: int
    ) -> Iterator[str]:
        yield _sentence(layout, {metric.name: metric for metric in metrics})
        if self.settings.absent:
            names = listed([_words(name) for name in self.settings.absent])
            yield f"Absent: {names}, whose photographs are not installed (pip install 'clipbench[corruptions]')."
        if incomplete:
            yield f"Left out, not measured at every severity: {listed([_words(name) for name in incomplete])}."
        if left_out:
            yield f"{left_out} images that could not be read in some view are left out of all of them."
        if self.settings.protocol == "adapted":
            yield "Adapted: ImageNet-C's severities on images of another size; comparable with nothing published."
        if self._by_alexnet() and self.settings.jpeg is None:
            yield "AlexNet's published errors are of images saved as JPEG of quality 85, these are not (see `jpeg`)."
        if self.settings.relative_to and self.beside is None and not self._by_alexnet():
            yield f"No mCE: {self._why_not()}."

    def _why_not(self) -> str:
        if self.settings.relative_to == PUBLISHED:
            return "AlexNet's published errors are of ImageNet, protocol imagenet-c, at all five severities"
        return f"{self.settings.relative_to} has no finished jobs on the same images"


def _metric(
    name: str,
    value: Float64Array,
    drawn: Float64Array,
    n: int,
    params: dict[str, Any],
    *,
    kind: str,
    main: bool = False,
) -> Metric:
    defined = _defined(value[0])
    interval: Interval | None = None if defined is None else percentiles(drawn, kind)
    return Metric(name, defined, n, interval, main=main, params=params)


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _sentence(layout: Layout, found: dict[str, Metric]) -> str:
    clean, corrupted, gap = (found[name] for name in ("clean_top1", "corrupted_top1", "corruption_gap"))
    assert clean.value is not None
    assert corrupted.value is not None
    assert gap.value is not None
    assert gap.interval is not None
    return (
        f"Top-1 is {100 * clean.value:.1f} % on clean images and {100 * corrupted.value:.1f} % on average over "
        f"{len(layout.averaged)} corruptions: {points(gap.value)} points lost"
        f"{ends(gap.interval.low, gap.interval.high)}."
    )
