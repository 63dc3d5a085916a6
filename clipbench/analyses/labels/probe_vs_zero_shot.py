"""What labels are worth: a fitted head beside the zero-shot classifier of the same model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from clipbench.analyses.base import Evidence, Finding
from clipbench.analyses.comparable import (
    differing,
    measured,
    not_compared,
    read_clusters,
    same_examples,
    subject_of,
    without_numbers,
)
from clipbench.analyses.labels.head_pairs import HeadPair, differences
from clipbench.analyses.labels.shots_curve import METRIC, SHOTS_CURVE, UNIT, shots_curve
from clipbench.analyses.labels.two_models import (
    HEADS,
    HEADS_SET_BY_SET,
    SETS,
    ProbeVsZeroShotSettings,
    heads_of_two_models,
)
from clipbench.analyses.robustness.matched_pairs import verdict_on
from clipbench.errors import UserError
from clipbench.metrics.specs import MetricSpec, TableSpec
from clipbench.results.choice import fullest
from clipbench.results.records import JobResult, Subject, Verdict
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
AT_CHANCE = "Zero-shot is not above chance, so that there is nothing to match."

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
    *SETS,
)


_Fitted = tuple[JobResult | None, tuple[JobResult, ...]]
"""A probe with few-shot jobs on the same features; either may be missing."""


class ProbeVsZeroShot:
    """The difference between probe and zero-shot, and the labelled examples a class that match zero-shot.

    As in figures 7 and 8 of Radford et al. 2021, with intervals: the difference is paired by image, and the
    number of examples is interpolated log-linearly between the few-shot accuracies and the probe's. With `against`, a
    head of every model beside one of another model, set by set, as in figure 5.
    """

    name: ClassVar[str] = "probe_vs_zero_shot"
    protocol: ClassVar[int] = 2
    tasks: ClassVar[tuple[str, ...]] = (*HEADS, "few_shot")
    automatic: ClassVar[bool] = True
    label: ClassVar[str] = "linear probe against zero-shot"
    metrics: ClassVar[tuple[MetricSpec, ...]] = METRICS
    tables: ClassVar[tuple[TableSpec, ...]] = (SHOTS_CURVE, HEADS_SET_BY_SET)
    Settings = ProbeVsZeroShotSettings

    def analyse(self, evidence: Evidence, settings: ProbeVsZeroShotSettings) -> Sequence[Finding]:
        """Set every head beside every zero-shot classifier of the same model, data set and split.

        Heads fitted on fewer examples than others of their kind are left out. Intervals of all differences hold
        together. With `against`, heads of two models are set side by side instead.
        """
        if settings.against:
            return heads_of_two_models(evidence, settings)
        zero_shot = [job for job in evidence.jobs if job.task == "zero_shot"]
        together: dict[tuple[str, ...], list[JobResult]] = defaultdict(list)
        for job in fullest(job for job in evidence.jobs if job.task in ("linear_probe", "few_shot")):
            together[(job.model, job.dataset, job.split, job.pedigree.data)].append(job)
        drafts = [
            _draft(given, probe, few, evidence)
            for jobs in together.values()
            for probe, few in _fitted(jobs)
            for given in _given(zero_shot, jobs[0])
        ]
        corrected = iter(differences([draft.pair for draft in drafts if draft.pair]))
        return [draft.corrected(next(corrected)) if draft.pair else draft.finding for draft in drafts]


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


@dataclass(frozen=True)
class _Draft:
    """A finding of a fitted head beside zero-shot, before its differences are corrected for all the others."""

    finding: Finding
    pair: HeadPair | None = None
    """Of a probe."""

    def corrected(self, metrics: tuple[Metric, ...]) -> Finding:
        """Return the finding with these differences, that of the data set's main metric first."""
        nothing = bool(self.pair and self.pair.at_chance)
        if nothing:
            metrics = tuple(replace(metric, params={"at_chance": True}) for metric in metrics)
        verdict: Verdict = "not_distinguishable" if nothing else verdict_on(metrics[0])
        return replace(self.finding, metrics=(*metrics, *self.finding.metrics), verdict=verdict)


def _draft(zero_shot: JobResult, probe: JobResult | None, few: tuple[JobResult, ...], evidence: Evidence) -> _Draft:
    jobs = (zero_shot, *([probe] if probe else []), *few)
    about = _about(zero_shot, probe, jobs)
    if parts := differing(*jobs, among=SAME):
        return _Draft(without_numbers(about, jobs, not_compared(parts)))
    if any(record.metric in PRECISIONS for record in zero_shot.records):
        note = "A difference of average precisions has no interval here."
        return _Draft(replace(without_numbers(about, jobs, note), metrics=tuple(_precisions(zero_shot, probe))))
    try:
        tables = {job.hash: evidence.examples(job.hash).set_index("id") for job in jobs}
        answers = tables[zero_shot.hash]
        if not all(same_examples(answers, tables[job.hash]) for job in jobs[1:]):
            raise UserError("the jobs have other examples or labels")
        pair = HeadPair.read(probe, zero_shot, evidence.examples) if probe else None
        clusters = read_clusters(jobs, evidence.examples)
    except UserError as error:
        return _Draft(without_numbers(about, jobs, f"Not compared: {error}."))
    aligned = {name: table.loc[answers.index] for name, table in tables.items()}
    table, crossing = shots_curve(zero_shot, probe, few, aligned, clusters)
    nothing = zero_shot.at_chance
    finding = Finding(
        about,
        (crossing,) if crossing and not nothing else (),
        tables={"shots_curve": table},
        jobs=tuple(job.hash for job in jobs),
        notes=(AT_CHANCE,) if few and nothing else (),
    )
    return _Draft(finding, pair)


def _about(zero_shot: JobResult, probe: JobResult | None, jobs: Sequence[JobResult]) -> Subject:
    # A few-shot curve's head where it has one, else the probe's, with zero-shot's prompts.
    limited = next((job for job in jobs if job.pedigree.subset), zero_shot)
    return replace(
        subject_of([zero_shot]),
        subset=limited.pedigree.subset,
        limit=limited.limit,
        reference="zero_shot",
        task="linear_probe" if probe else "few_shot",
        condition=replace(jobs[-1].condition, shots=None),
        n_train=_params(probe).get("n_train"),
    )


def _precisions(zero_shot: JobResult, probe: JobResult | None) -> Iterator[Metric]:
    """Yield differences of average precisions, of which per-example tables hold too little for an interval."""
    if probe is None:
        return
    for metric in PRECISIONS:
        given, fitted = measured(zero_shot, metric), measured(probe, metric)
        if given and fitted:
            yield Metric(f"{metric}_difference", fitted[0] - given[0], given[1])
