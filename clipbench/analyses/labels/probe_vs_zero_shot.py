"""What labels are worth: a fitted head beside the zero-shot classifier of the same model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import pandas as pd

from clipbench.analyses.base import AnalysisSettings, Evidence, Finding, verdict_of
from clipbench.analyses.comparable import differing, not_compared, same_examples, subject_of
from clipbench.analyses.labels.shots_curve import METRIC, SHOTS_CURVE, UNIT, shots_curve
from clipbench.errors import UserError
from clipbench.metrics.specs import MetricSpec, TableSpec
from clipbench.results.records import JobResult, Record, Subject
from clipbench.stats.paired import paired_difference, paired_recall_difference
from clipbench.tasks.base import Metric

PRECISIONS = ("map", "map_voc2007_11point")
DIFFERENCE = "the fitted head's minus zero-shot's, on the same images, in points."

SAME = ("weights", "architecture", "transform", "precision", "data", "subset", "labels")
"""The parts of two pedigrees that must agree for their accuracies to be set side by side."""

METRICS = (
    MetricSpec("top1_difference", "top-1 difference", "difference", definition=DIFFERENCE),
    MetricSpec(
        "mean_per_class_recall_difference", "mean per-class recall difference", "difference", definition=DIFFERENCE
    ),
    MetricSpec("map_difference", "mAP difference", "difference", definition=DIFFERENCE),
    MetricSpec(
        "map_voc2007_11point_difference", "mAP (VOC2007, 11-point) difference", "difference", definition=DIFFERENCE
    ),
    MetricSpec(
        METRIC,
        "labels to match zero-shot",
        UNIT,
        None,
        "labelled examples of each class with which a fitted head is as good as zero-shot, interpolated "
        "log-linearly between the numbers that were tried.",
        "Radford et al. 2021, figure 8",
    ),
)

_Key = tuple[str, str, str, str]


class ProbeVsZeroShotSettings(AnalysisSettings):
    """Settings of the comparison: it has none."""

    analysis: Literal["probe_vs_zero_shot"]


@dataclass(frozen=True)
class _Fitted:
    """A probe with few-shot jobs on the same features; either may be missing."""

    probe: JobResult | None
    few: tuple[JobResult, ...]

    @property
    def jobs(self) -> tuple[JobResult, ...]:
        return (*((self.probe,) if self.probe else ()), *self.few)


class ProbeVsZeroShot:
    """The difference between probe and zero-shot, and the labelled examples a class that match zero-shot.

    As in figures 7 and 8 of Radford et al. 2021, with intervals: the difference is paired by image, and the
    number of examples is interpolated log-linearly between the few-shot accuracies and the probe's.
    """

    name: ClassVar[str] = "probe_vs_zero_shot"
    protocol: ClassVar[int] = 1
    tasks: ClassVar[tuple[str, ...]] = ("zero_shot", "linear_probe", "few_shot")
    automatic: ClassVar[bool] = True
    label: ClassVar[str] = "linear probe against zero-shot"
    metrics: ClassVar[tuple[MetricSpec, ...]] = METRICS
    tables: ClassVar[tuple[TableSpec, ...]] = (SHOTS_CURVE,)
    Settings = ProbeVsZeroShotSettings

    def analyse(self, evidence: Evidence, settings: ProbeVsZeroShotSettings) -> Sequence[Finding]:
        """Set every head beside every zero-shot classifier of the same model, data set, split and subset."""
        together: dict[_Key, list[JobResult]] = defaultdict(list)
        for job in evidence.jobs:
            together[(job.model, job.dataset, job.split, job.pedigree.subset)].append(job)
        return [
            _finding(zero_shot, fitted, evidence)
            for jobs in together.values()
            for fitted in _fitted(jobs)
            for zero_shot in jobs
            if zero_shot.task == "zero_shot"
        ]


def _fitted(jobs: Sequence[JobResult]) -> Iterator[_Fitted]:
    """Gather each probe with the few-shot jobs on its features, and few-shot jobs that have no probe.

    Few-shot jobs whose heads are fitted differently make several curves.
    """
    few: dict[tuple[object, object], dict[str, list[JobResult]]] = defaultdict(lambda: defaultdict(list))
    for job in jobs:
        if job.task == "few_shot":
            few[_features(job)][job.condition.head].append(job)
    probes = [job for job in jobs if job.task == "linear_probe"]
    for probe in probes:
        curves = few.get(_features(probe), {"": []})
        yield from (_Fitted(probe, tuple(curve)) for curve in curves.values())
    for features, curves in few.items():
        if features not in {_features(probe) for probe in probes}:
            yield from (_Fitted(None, tuple(curve)) for curve in curves.values())


def _params(job: JobResult) -> Mapping[str, Any]:
    return job.main.params if job.main else {}


def _features(job: JobResult) -> tuple[object, object]:
    return _params(job).get("features"), _params(job).get("normalised")


def _about(zero_shot: JobResult, fitted: _Fitted) -> Subject:
    """Return what is compared: a few-shot curve's head where it has one, else the probe's, with zero-shot's prompts."""
    return replace(
        subject_of([zero_shot]),
        reference="zero_shot",
        task="linear_probe" if fitted.probe else "few_shot",
        condition=replace(fitted.jobs[-1].condition, shots=None),
        n_train=_params(fitted.probe).get("n_train") if fitted.probe else None,
    )


def _finding(zero_shot: JobResult, fitted: _Fitted, evidence: Evidence) -> Finding:
    about = _about(zero_shot, fitted)
    hashes = (zero_shot.hash, *(job.hash for job in fitted.jobs))
    if parts := differing(zero_shot, *fitted.jobs, among=SAME):
        return Finding(about, (), jobs=hashes, notes=(not_compared(parts),))
    if {record.metric for record in zero_shot.records} & set(PRECISIONS):
        return _precision(about, hashes, zero_shot, fitted)
    try:
        tables = {job.hash: evidence.examples(job.hash).set_index("id") for job in (zero_shot, *fitted.jobs)}
    except UserError as error:
        return Finding(about, (), jobs=hashes, notes=(f"Not compared: {error}.",))
    answers = tables[zero_shot.hash]
    for job in fitted.jobs:
        if not same_examples(answers, tables[job.hash]):
            return Finding(about, (), jobs=hashes, notes=("Not compared: the jobs have other examples or labels.",))
    aligned = {name: table.loc[answers.index] for name, table in tables.items()}
    metrics = tuple(_differences(aligned[zero_shot.hash], aligned[fitted.probe.hash] if fitted.probe else None))
    table, crossing = shots_curve(zero_shot, fitted.probe, fitted.few, aligned)
    interval = metrics[0].interval if metrics else None
    return Finding(
        about,
        (*metrics, *((crossing,) if crossing else ())),
        tables={"shots_curve": table},
        jobs=hashes,
        verdict=verdict_of(interval.low, interval.high) if interval else "undefined",
    )


def _precision(about: Subject, hashes: tuple[str, ...], zero_shot: JobResult, fitted: _Fitted) -> Finding:
    """Compare average precisions, of which per-example tables hold too little for an interval."""
    theirs = {record.metric: record for record in fitted.probe.records} if fitted.probe else {}
    metrics = tuple(
        Metric(f"{record.metric}_difference", theirs[record.metric].value - record.value, record.n)  # type: ignore[operator]
        for record in zero_shot.records
        if record.metric in PRECISIONS and _both(record, theirs.get(record.metric))
    )
    return Finding(about, metrics, jobs=hashes, notes=("A difference of average precisions has no interval here.",))


def _both(first: Record, second: Record | None) -> bool:
    return first.value is not None and second is not None and second.value is not None


def _differences(zero_shot: pd.DataFrame, probe: pd.DataFrame | None) -> Iterator[Metric]:
    if probe is None:
        return
    labels = zero_shot["label"].to_numpy()
    fitted, given = probe["correct"].to_numpy(bool), zero_shot["correct"].to_numpy(bool)
    value, interval = paired_difference(fitted, given)
    yield Metric("top1_difference", value, len(labels), interval)
    value, interval = paired_recall_difference(labels, fitted, given)
    yield Metric("mean_per_class_recall_difference", value, len(labels), interval)
