"""What labels are worth: a fitted head beside the zero-shot classifier of the same model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import pandas as pd

from clipbench.analyses.base import AnalysisSettings, Evidence, Finding
from clipbench.analyses.labels.shots_curve import ShotsCurve, shots_curve
from clipbench.analyses.same_examples import same_examples
from clipbench.errors import UserError
from clipbench.results.records import JobResult, Record
from clipbench.stats.paired import paired_difference, paired_recall_difference
from clipbench.tasks.base import Metric

SAME = ("weights", "architecture", "transform", "precision", "data", "subset", "labels")
"""The parts of two pedigrees that must agree for their accuracies to be set side by side."""

_Key = tuple[str, str, str, str]


class ProbeVsZeroShotSettings(AnalysisSettings):
    """Settings of the comparison: it has none."""

    analysis: Literal["probe_vs_zero_shot"]


@dataclass(frozen=True)
class _Fitted:
    """A probe with few-shot jobs on the same features; either may be missing."""

    probe: JobResult | None
    few: tuple[JobResult, ...]
    recipe: str = ""
    """What tells these few-shot jobs from others on the same features, e.g. 'C = 1'."""

    @property
    def jobs(self) -> tuple[JobResult, ...]:
        return (*((self.probe,) if self.probe else ()), *self.few)

    @property
    def variant(self) -> str:
        if self.probe:
            few = f" and few-shot ({self.recipe})" if self.recipe else ""
            return f"linear probe{_in_brackets(self.probe.variant)}{few}"
        features = _params(self.few[0])
        words = [str(features.get("features", "")), "normalised" if features.get("normalised") else "", self.recipe]
        return f"few-shot{_in_brackets(', '.join(word for word in words if word))}"


class ProbeVsZeroShot:
    """The difference between probe and zero-shot, and the labelled examples a class that match zero-shot.

    As in figures 7 and 8 of Radford et al. 2021, with intervals: the difference is paired by image, and the
    number of examples is interpolated log-linearly between the few-shot accuracies and the probe's.
    """

    name: ClassVar[str] = "probe_vs_zero_shot"
    protocol: ClassVar[int] = 1
    tasks: ClassVar[tuple[str, ...]] = ("zero_shot", "linear_probe", "few_shot")
    Settings: ClassVar[type[AnalysisSettings]] = ProbeVsZeroShotSettings

    def analyse(self, evidence: Evidence, settings: AnalysisSettings) -> Sequence[Finding]:
        """Set every head beside every zero-shot classifier of the same model, data set, split and subset."""
        together: dict[_Key, list[JobResult]] = defaultdict(list)
        for job in evidence.jobs:
            together[(job.model, job.dataset, job.split, job.pedigree.subset)].append(job)
        return [
            _finding(key, zero_shot, fitted, evidence)
            for key, jobs in together.items()
            for fitted in _fitted(jobs)
            for zero_shot in jobs
            if zero_shot.task == "zero_shot"
        ]


def _fitted(jobs: Sequence[JobResult]) -> Iterator[_Fitted]:
    """Gather each probe with the few-shot jobs on its features, and few-shot jobs that have no probe.

    Few-shot jobs of several recipes make several curves.
    """
    few: dict[tuple[object, object], dict[str, list[JobResult]]] = defaultdict(lambda: defaultdict(list))
    for job in jobs:
        if job.task == "few_shot":
            few[_features(job)][_recipe(job)].append(job)
    probes = [job for job in jobs if job.task == "linear_probe"]
    for probe in probes:
        curves = few.get(_features(probe), {"": []})
        yield from (_Fitted(probe, tuple(curve), recipe) for recipe, curve in curves.items())
    for features, curves in few.items():
        if features not in {_features(probe) for probe in probes}:
            yield from (_Fitted(None, tuple(curve), recipe) for recipe, curve in curves.items())


def _params(job: JobResult) -> Mapping[str, object]:
    return job.main.params if job.main else {}


def _features(job: JobResult) -> tuple[object, object]:
    return _params(job).get("features"), _params(job).get("normalised")


def _recipe(job: JobResult) -> str:
    """Return what a few-shot variant says beside shots and features; of one shot, C alone would not tell it."""
    return ", ".join(word for word in job.variant.split(", ")[1:] if word not in ("projected", "normalised"))


def _finding(key: _Key, zero_shot: JobResult, fitted: _Fitted, evidence: Evidence) -> Finding:
    model, dataset, split, subset = key
    about = {
        "model": model,
        "dataset": dataset,
        "split": split,
        "subset": subset,
        "variant": f"{fitted.variant} against zero-shot{_in_brackets(zero_shot.variant)}",
    }
    hashes = (zero_shot.hash, *(job.hash for job in fitted.jobs))
    differ = sorted(
        {part for job in fitted.jobs for part in zero_shot.pedigree.differences(job.pedigree) if part in SAME}
    )
    if differ:
        return Finding(about, (), jobs=hashes, notes=(f"Not compared: {', '.join(differ)} differ between the jobs.",))
    if zero_shot.main and zero_shot.main.metric.startswith("map"):
        return _precision(about, hashes, zero_shot, fitted)
    try:
        tables = {job.hash: evidence.examples(job.hash).set_index("id") for job in (zero_shot, *fitted.jobs)}
    except UserError as error:
        return Finding(about, (), jobs=hashes, notes=(f"Not compared: {error}.",))
    of_zero_shot = tables[zero_shot.hash]
    for job in fitted.jobs:
        if not same_examples(of_zero_shot, tables[job.hash]):
            return Finding(about, (), jobs=hashes, notes=("Not compared: the jobs have other examples or labels.",))
    aligned = {name: table.loc[of_zero_shot.index] for name, table in tables.items()}
    metrics = tuple(_differences(aligned[zero_shot.hash], aligned[fitted.probe.hash] if fitted.probe else None))
    curve = shots_curve(zero_shot, fitted.probe, fitted.few, aligned)
    return Finding(
        about,
        (*metrics, *((curve.metric,) if curve.metric else ())),
        tables={"shots_curve": curve.table},
        jobs=hashes,
        notes=tuple(_sentences(metrics, curve)),
    )


def _precision(about: Mapping[str, str], hashes: tuple[str, ...], zero_shot: JobResult, fitted: _Fitted) -> Finding:
    """Compare average precisions, of which per-example tables hold too little for an interval."""
    theirs = {record.metric: record for record in fitted.probe.records} if fitted.probe else {}
    metrics = tuple(
        Metric(f"{record.metric}_difference", theirs[record.metric].value - record.value, record.n)  # type: ignore[operator]
        for record in zero_shot.records
        if record.metric in ("map", "map_voc2007_11point") and _both(record, theirs.get(record.metric))
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


def _sentences(metrics: Sequence[Metric], curve: ShotsCurve) -> Iterator[str]:
    for metric in metrics[:1]:
        assert metric.value is not None
        assert metric.interval is not None
        points, low, high = (100 * number for number in (metric.value, metric.interval.low, metric.interval.high))
        compared = f"{abs(points):.1f} points {'better' if points > 0 else 'worse'} than" if points else "as good as"
        yield (
            f"With all labels the probe is {compared} zero-shot in top-1 "
            f"(95 % interval of the difference {low:.1f} to {high:.1f})."
        )
    yield from curve.notes


def _in_brackets(words: str) -> str:
    return f" ({words})" if words else ""
