"""Benchmark against reality: accuracy gaps under natural shifts, and what was to be expected of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from clipbench.analyses.base import AnalysisSettings, Evidence, Finding
from clipbench.analyses.robustness.baseline import Baseline, beyond, find_baseline
from clipbench.analyses.robustness.matched_pairs import (
    Counted,
    MatchedPair,
    class_names,
    gap_metrics,
    matched_pairs,
    shared_reference,
    verdict_on,
)
from clipbench.errors import UserError
from clipbench.metrics.specs import ColumnSpec, MetricSpec, TableSpec
from clipbench.results.records import JobResult
from clipbench.stats.combined import combined
from clipbench.stats.intervals import Interval
from clipbench.stats.paired import compare_pair
from clipbench.stats.simultaneous import bonferroni
from clipbench.tasks.base import Metric

_TAORI = "Taori et al. 2020, https://arxiv.org/abs/2007.00644"
_ACCURACIES = (
    "top-1 on the benchmark, on a shifted set with the same classes, its mean over shifts, and where it is lowest. "
    "Where a shift has only some of the classes, the reference is cut down to the same ones."
)
_GAP = "reference top-1 minus shift top-1, in points: what is lost on the way from benchmark to reality."
_LOGIT_GAP = "the same gap between logits, ln(p / (1 − p)), which do not flatten near 0 and 100 %."
_EXPECTED = "shift top-1 that the line of the baseline models, fitted to logits, gives for this reference top-1."
_EFFECTIVE = (
    "shift top-1 minus the expected one, in points; a model whose interval lies above zero is more robust than the "
    "baseline leads to expect of a model as good on the reference."
)
_RELATIVE = "shift top-1 minus that of the model's own baseline, the same model before it was changed, in points."


class RobustnessAnalysisSettings(AnalysisSettings):
    """What the study compares."""

    analysis: Literal["robustness"]
    reference: str
    shifts: tuple[str, ...]
    split: str = "test"
    shift_split: str = ""
    """The split of the shifts, where it is called otherwise."""
    baselines: tuple[str, ...] = ()
    relative_to: str = ""
    continuity: float | None = None
    names: Literal["own", "shift"] = "own"
    """Whose class names the reference has where a shift calls the same classes otherwise."""


class RobustnessAnalysis:
    """Gaps between a reference and its shifts, and effective robustness (Taori et al. 2020, arXiv 2007.00644).

    One finding for each model and shift, and one for each model over all its shifts.
    """

    name: ClassVar[str] = "robustness"
    protocol: ClassVar[int] = 2
    tasks: ClassVar[tuple[str, ...]] = ("zero_shot",)
    automatic: ClassVar[bool] = False
    Settings: type[RobustnessAnalysisSettings] = RobustnessAnalysisSettings
    label: ClassVar[str] = "robustness to shifts"
    metrics: ClassVar[tuple[MetricSpec, ...]] = (
        MetricSpec("reference_top1", "reference top-1", definition=_ACCURACIES),
        MetricSpec("shift_top1", "shift top-1", definition=_ACCURACIES),
        MetricSpec("gap", "gap", "gap", False, _GAP),
        MetricSpec("relative_gap", "relative gap", "fraction", False, "the gap as a share of the reference top-1."),
        MetricSpec("logit_gap", "logit gap", "logit", False, _LOGIT_GAP),
        MetricSpec("expected_top1", "expected top-1", "fraction", None, _EXPECTED, _TAORI),
        MetricSpec("effective_robustness", "effective robustness", "difference", True, _EFFECTIVE, _TAORI),
        MetricSpec("relative_robustness", "relative robustness", "difference", True, _RELATIVE, _TAORI),
        MetricSpec("mean_shift_top1", "mean shift top-1", definition=_ACCURACIES),
        MetricSpec("mean_gap", "mean gap", "gap", False, _GAP),
        MetricSpec("worst_shift_top1", "worst shift top-1", definition=_ACCURACIES),
        MetricSpec("mean_effective_robustness", "mean effective robustness", "difference", True, _EFFECTIVE, _TAORI),
    )
    tables: ClassVar[tuple[TableSpec, ...]] = (
        TableSpec(
            "baseline",
            "Baseline",
            (
                ColumnSpec("source"),
                ColumnSpec("slope", "slope, logit by logit", "number"),
                ColumnSpec("intercept", "intercept, logit", "number"),
                ColumnSpec("r2", "R²", "number"),
                ColumnSpec("models", "models in the line", "count"),
                ColumnSpec("lowest", "lowest on the reference", "fraction"),
                ColumnSpec("highest", "highest on the reference", "fraction"),
                ColumnSpec("left_out"),
                ColumnSpec("families", "families of models", "count"),
                ColumnSpec("spread", "spread about the line", "fraction"),
                ColumnSpec("without", "own rows left out"),
            ),
        ),
        TableSpec(
            "unmatched_classes",
            "Classes that only one of the two has",
            (ColumnSpec("class"), ColumnSpec("of")),
        ),
    )

    def analyse(self, evidence: Evidence, settings: RobustnessAnalysisSettings) -> Sequence[Finding]:
        """Set each shift beside the reference among the same classes, model by model."""
        by_model: dict[tuple[str, ...], list[_Judged]] = defaultdict(list)
        for shift in settings.shifts:
            asked = (settings.reference, shift, settings.split, settings.shift_split, settings.names)
            pairs = matched_pairs(evidence.jobs, *asked)
            for pair in pairs:
                baseline, why_not = find_baseline(settings.baselines, settings.continuity, pair, pairs)
                parent = _parent(pair, pairs, settings.relative_to)
                by_model[pair.key].append(_Judged(pair, baseline, why_not, parent))
        several = [judged for shifts in by_model.values() for judged in shifts]
        together = _Together(
            gaps=len(several),
            effective=sum(judged.baseline is not None for judged in several),
            relative=sum(judged.parent is not None for judged in several),
            models=len(by_model),
        )
        findings: list[Finding] = []
        for shifts in by_model.values():
            findings += [_on_shift(judged, evidence, together) for judged in shifts]
            findings.append(_over_shifts(shifts, settings.shifts, evidence, together))
        return findings


@dataclass(frozen=True)
class _Together:
    """How many differences of a kind the study has: the intervals of all of them hold at once."""

    gaps: int
    effective: int
    relative: int
    models: int


@dataclass(frozen=True)
class _Judged:
    """One model on the reference and one shift, and what that is to be judged by."""

    pair: MatchedPair
    baseline: Baseline | None
    why_not: str
    parent: JobResult | None
    """The job on the shift of the model that relative robustness is against."""


def _parent(pair: MatchedPair, pairs: Sequence[MatchedPair], model: str) -> JobResult | None:
    if not model or pair.key[0] == model:
        return None
    return next((other.shift for other in pairs if other.key == (model, *pair.key[1:])), None)


def _on_shift(judged: _Judged, evidence: Evidence, together: _Together) -> Finding:
    pair, baseline = judged.pair, judged.baseline
    n_classes = int(pair.shift.about.get("n_classes", 0))
    params = {
        "reference": pair.reference.dataset,
        "n_reference": pair.on_reference.n,
        "n_shift": pair.on_shift.n,
        "classes": n_classes,
        "baseline": baseline.source if baseline else "",
        "class_names": class_names(pair.reference),
    }
    metrics = list(gap_metrics(pair, params, together.gaps))
    notes = [] if baseline else [f"No baseline: {judged.why_not}."]
    tables: dict[str, pd.DataFrame] = {}
    jobs = [pair.reference.hash, pair.shift.hash]
    if baseline:
        metrics += baseline.metrics(pair, params, together.effective)
        tables |= baseline.tables(pair)
        notes += baseline.notes(pair)
        jobs += baseline.jobs
    if judged.parent:
        metric, note = _relative(pair.shift, judged.parent, params, evidence, together.relative)
        metrics += [metric] if metric else []
        notes += [note] if note else []
        jobs.append(judged.parent.hash)
    unmatched = pair.shift.tables.get("unmatched_classes") or pair.reference.tables.get("unmatched_classes")
    if unmatched:
        tables["unmatched_classes"] = frame = unmatched.frame()
        counts = ", ".join(f"{count:,} of {name}" for name, count in frame.groupby("of", sort=False).size().items())
        left_out = f"left out: {counts} (listed in unmatched_classes)"
        notes.append(f"Compared on the {n_classes:,} classes that both have; {left_out}.")
    return _finding(pair, metrics, "effective_robustness" if baseline else "gap", tables, jobs, notes)


def _finding(
    pair: MatchedPair,
    metrics: Sequence[Metric],
    main: str,
    tables: Mapping[str, pd.DataFrame],
    jobs: Sequence[str],
    notes: Sequence[str],
    **about: Any,
) -> Finding:
    """Mark the main metric, whose verdict the finding's is."""
    marked = tuple(replace(metric, main=metric.name == main) for metric in metrics)
    difference = next(metric for metric in marked if metric.main)
    subject = replace(pair.subject, n=difference.n, **about)
    return Finding(subject, marked, tables, tuple(dict.fromkeys(jobs)), tuple(notes), verdict_on(difference))


def _relative(
    shift: JobResult, parent: JobResult, params: Mapping[str, Any], evidence: Evidence, family: int
) -> tuple[Metric | None, str]:
    """Return tau: accuracy on the shift minus that of the model's own baseline, paired by image."""
    if shift.pedigree.data != parent.pedigree.data or shift.pedigree.labels != parent.pedigree.labels:
        return None, f"No relative robustness: {parent.model} was measured on other images or labels."
    try:
        columns = ["id", "correct", "cluster"]
        changed, before = (evidence.examples(job.hash, columns).set_index("id") for job in (shift, parent))
    except UserError as error:
        return None, f"No relative robustness: {error}."
    common = changed.index.intersection(before.index)
    right = [table.loc[common, "correct"].to_numpy(bool) for table in (changed, before)]
    clusters = changed.loc[common, "cluster"].astype("category").cat.codes.to_numpy() if "cluster" in changed else None
    found = compare_pair(right[0], right[1], bonferroni(family), family, clusters)
    params = {**params, "against": parent.model}
    return Metric("relative_robustness", found.difference, found.n, found.interval, params=params), ""


def _over_shifts(judged: Sequence[_Judged], wanted: Sequence[str], evidence: Evidence, together: _Together) -> Finding:
    """Sum up a model's shifts: means and the worst shift."""
    pairs = [shift.pair for shift in judged]
    names = tuple(pair.shift.dataset for pair in pairs)
    params = {"reference": pairs[0].reference.dataset, "shifts": list(names)}
    missing = [name for name in wanted if name not in names]
    notes = [f"Not in the mean, since a job is missing or failed: {', '.join(missing)}."] if missing else []
    jobs = [job.hash for pair in pairs for job in (pair.reference, pair.shift)]
    n = min(min(pair.on_reference.n, pair.on_shift.n) for pair in pairs)
    worst = min(pairs, key=lambda pair: pair.on_shift.value)
    on_worst, of_worst = worst.on_shift, {**params, "dataset": worst.shift.dataset}
    shifts, mean = [pair.on_shift for pair in pairs], np.full(len(pairs), 1 / len(pairs))
    top1 = combined([shift.value for shift in shifts], [shift.interval() for shift in shifts], mean)
    metrics = [
        Metric("mean_shift_top1", fmean(shift.value for shift in shifts), n, top1, params=params),
        Metric("mean_gap", fmean(pair.gap for pair in pairs), n, _mean_gap(pairs, evidence, together), params=params),
        Metric("worst_shift_top1", on_worst.value, on_worst.n, _lowest(shifts), params=of_worst),
    ]
    metrics[0] = replace(metrics[0], chance=_mean_of("chance", shifts), commonest=_mean_of("commonest", shifts))
    lines = [(shift.baseline, shift.pair) for shift in judged if shift.baseline]
    if len(lines) == len(judged):
        value = fmean(baseline.effective(pair) for baseline, pair in lines)
        interval = _mean_effective(lines, together)
        metrics.append(Metric("mean_effective_robustness", value, n, interval, params=params))
    return _finding(pairs[0], metrics, "mean_gap", {}, jobs, notes, datasets=names, averaged=True)


def _mean_gap(pairs: Sequence[MatchedPair], evidence: Evidence, together: _Together) -> Interval | None:
    """Return the interval of the mean gap; all shifts share the images of the reference."""
    sides = [pair.on_reference for pair in pairs], [pair.on_shift for pair in pairs]
    accuracies = [accuracy for side in sides for accuracy in side]
    correlations = np.eye(len(accuracies))
    correlations[: len(pairs), : len(pairs)] = shared_reference(pairs, evidence)
    weights = np.repeat([1, -1], len(pairs)) / len(pairs)
    ends = [accuracy.interval(together.models) for accuracy in accuracies]
    return combined([accuracy.value for accuracy in accuracies], ends, weights, correlations)


def _mean_of(name: Literal["chance", "commonest"], shifts: Sequence[Counted]) -> float | None:
    """Return the mean of what guessing, or the commonest class, gives; None where one is not known."""
    known = [value for shift in shifts if (value := getattr(shift.record, name)) is not None]
    return fmean(known) if len(known) == len(shifts) else None


def _lowest(shifts: Sequence[Counted]) -> Interval | None:
    """Return the interval of the lowest accuracy: it lies between the lowest ends of intervals that hold together."""
    ends = [end for shift in shifts if (end := shift.interval(len(shifts)))]
    if len(ends) < len(shifts):
        return None
    return replace(ends[0], low=min(end.low for end in ends), high=min(end.high for end in ends), family=1)


def _mean_effective(lines: Sequence[tuple[Baseline, MatchedPair]], together: _Together) -> Interval | None:
    """Return the interval of mean effective robustness: a model may lie off its lines in the same way on all shifts."""
    found = (baseline.predicted(pair, together.models) for baseline, pair in lines)
    predicted = [interval for interval in found if interval]
    if len(predicted) < len(lines):
        return None
    low, high = fmean(interval.low for interval in predicted), fmean(interval.high for interval in predicted)
    return beyond(fmean(pair.on_shift.value for _, pair in lines), replace(predicted[0], low=low, high=high))
