"""What labels are worth: a fitted head beside the zero-shot classifier of the same model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pandas as pd

from clipbench.analyses.base import AnalysisSettings, Evidence, Finding
from clipbench.analyses.comparable import (
    differing,
    measured,
    not_compared,
    same_examples,
    subject_of,
    without_numbers,
)
from clipbench.analyses.labels.shots_curve import METRIC, SHOTS_CURVE, UNIT, shots_curve
from clipbench.analyses.robustness.matched_pairs import verdict_on
from clipbench.errors import UserError
from clipbench.metrics.specs import MetricSpec, TableSpec
from clipbench.results.choice import fullest
from clipbench.results.records import JobResult
from clipbench.stats.paired import paired_difference, paired_recall_difference
from clipbench.tasks.base import Metric

PRECISIONS = ("map", "map_voc2007_11point")
DIFFERENCE = "the fitted head's minus zero-shot's, on the same images, in points."

SAME = ("weights", "architecture", "transform", "precision", "data", "labels")
"""The parts of two pedigrees that must agree for their accuracies to be set side by side."""

LABELS = {
    "top1": "top-1",
    "mean_per_class_recall": "mean per-class recall",
    "map": "mAP",
    "map_voc2007_11point": "mAP (VOC2007, 11-point)",
}
METRICS = (
    *(
        MetricSpec(f"{name}_difference", f"{label} difference", "difference", definition=DIFFERENCE)
        for name, label in LABELS.items()
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


_Fitted = tuple[JobResult | None, tuple[JobResult, ...]]
"""A probe with few-shot jobs on the same features; either may be missing."""


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
    Settings = AnalysisSettings

    def analyse(self, evidence: Evidence, settings: AnalysisSettings) -> Sequence[Finding]:
        """Set every head beside every zero-shot classifier of the same model, data set and split.

        Heads fitted on fewer examples than others of their kind are left out.
        """
        zero_shot = [job for job in evidence.jobs if job.task == "zero_shot"]
        together: dict[tuple[str, ...], list[JobResult]] = defaultdict(list)
        for job in fullest(job for job in evidence.jobs if job.task != "zero_shot"):
            together[(job.model, job.dataset, job.split, job.pedigree.data)].append(job)
        return [
            _finding(given, probe, few, evidence)
            for jobs in together.values()
            for probe, few in _fitted(jobs)
            for given in _given(zero_shot, jobs[0])
        ]


def _given(zero_shot: Sequence[JobResult], fitted: JobResult) -> tuple[JobResult, ...]:
    """Return the zero-shot jobs to set a head beside, each prompt set's once: on the same images where there is one."""
    places = (fitted.model, fitted.dataset, fitted.split)
    jobs = [job for job in zero_shot if (job.model, job.dataset, job.split) == places]
    alike = {job.measurement: job for job in jobs if job.pedigree.data == fitted.pedigree.data}
    return tuple(alike.get(job.measurement, job) for job in fullest(jobs))


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
        yield from ((probe, tuple(curve)) for curve in few.get(_features(probe), {"": []}).values())
    for features, curves in few.items():
        if features not in map(_features, probes):
            yield from ((None, tuple(curve)) for curve in curves.values())


def _params(job: JobResult | None) -> Mapping[str, Any]:
    return job.main.params if job and job.main else {}


def _features(job: JobResult) -> tuple[object, object]:
    return _params(job).get("features"), _params(job).get("normalised")


def _finding(zero_shot: JobResult, probe: JobResult | None, few: tuple[JobResult, ...], evidence: Evidence) -> Finding:
    jobs = (zero_shot, *([probe] if probe else []), *few)
    # A few-shot curve's head where it has one, else the probe's, with zero-shot's prompts.
    limited = next((job for job in jobs if job.pedigree.subset), zero_shot)
    about = replace(
        subject_of([zero_shot]),
        subset=limited.pedigree.subset,
        limit=limited.limit,
        reference="zero_shot",
        task="linear_probe" if probe else "few_shot",
        condition=replace(jobs[-1].condition, shots=None),
        n_train=_params(probe).get("n_train"),
    )
    if parts := differing(*jobs, among=SAME):
        return without_numbers(about, jobs, not_compared(parts))
    if any(record.metric in PRECISIONS for record in zero_shot.records):
        note = "A difference of average precisions has no interval here."
        return replace(without_numbers(about, jobs, note), metrics=tuple(_precisions(zero_shot, probe)))
    try:
        tables = {job.hash: evidence.examples(job.hash).set_index("id") for job in jobs}
    except UserError as error:
        return without_numbers(about, jobs, f"Not compared: {error}.")
    answers = tables[zero_shot.hash]
    if not all(same_examples(answers, tables[job.hash]) for job in jobs[1:]):
        return without_numbers(about, jobs, "Not compared: the jobs have other examples or labels.")
    aligned = {name: table.loc[answers.index] for name, table in tables.items()}
    metrics = _differences(answers, aligned[probe.hash]) if probe else ()
    table, crossing = shots_curve(zero_shot, probe, few, aligned)
    return Finding(
        about,
        (*metrics, *((crossing,) if crossing else ())),
        tables={"shots_curve": table},
        jobs=tuple(job.hash for job in jobs),
        verdict=verdict_on(metrics[0]) if metrics else "undefined",
    )


def _precisions(zero_shot: JobResult, probe: JobResult | None) -> Iterator[Metric]:
    """Yield differences of average precisions, of which per-example tables hold too little for an interval."""
    if probe is None:
        return
    for metric in PRECISIONS:
        given, fitted = measured(zero_shot, metric), measured(probe, metric)
        if given and fitted:
            yield Metric(f"{metric}_difference", fitted[0] - given[0], given[1])


def _differences(zero_shot: pd.DataFrame, probe: pd.DataFrame) -> tuple[Metric, ...]:
    labels = zero_shot["label"].to_numpy()
    fitted, given = probe["correct"].to_numpy(bool), zero_shot["correct"].to_numpy(bool)
    top1, of_top1 = paired_difference(fitted, given)
    recall, of_recall = paired_recall_difference(labels, fitted, given)
    return (
        Metric("top1_difference", top1, len(labels), of_top1),
        Metric("mean_per_class_recall_difference", recall, len(labels), of_recall),
    )
