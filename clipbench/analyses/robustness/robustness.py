"""Benchmark against reality: accuracy gaps under natural shifts, and what was to be expected of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from clipbench.analyses.base import AnalysisSettings, Evidence, Finding
from clipbench.analyses.robustness.baseline import Baseline, find_baseline
from clipbench.analyses.robustness.gaps import Gap, ends_of, gap_metrics, percentiles
from clipbench.analyses.robustness.matched_pairs import MatchedPair, matched_pairs
from clipbench.errors import UserError
from clipbench.results.records import JobResult
from clipbench.stats.intervals import wilson
from clipbench.stats.paired import paired_difference
from clipbench.tasks.base import Metric
from clipbench.tasks.wording import points


class RobustnessAnalysisSettings(AnalysisSettings):
    """What the study compares."""

    analysis: Literal["robustness"]
    reference: str
    shifts: tuple[str, ...]
    split: str = "test"
    baselines: tuple[str, ...] = ()
    relative_to: str = ""
    continuity: float | None = None


_Key = tuple[str, str, str, str]


class RobustnessAnalysis:
    """Gaps between a reference and its shifts, and effective robustness (Taori et al. 2020, arXiv 2007.00644).

    One finding for each model and shift, and one for each model over all its shifts.
    """

    name: ClassVar[str] = "robustness"
    protocol: ClassVar[int] = 1
    tasks: ClassVar[tuple[str, ...]] = ("zero_shot",)
    Settings: ClassVar[type[AnalysisSettings]] = RobustnessAnalysisSettings

    def analyse(self, evidence: Evidence, settings: AnalysisSettings) -> Sequence[Finding]:
        """Set each shift beside the reference among the same classes, model by model."""
        assert isinstance(settings, RobustnessAnalysisSettings)
        compared: dict[_Key, list[_Compared]] = defaultdict(list)
        for shift in settings.shifts:
            pairs = matched_pairs(evidence.jobs, settings.reference, shift, settings.split)
            for pair in pairs:
                baseline, why_not = find_baseline(settings.baselines, settings.continuity, pair, pairs)
                own = _own_baseline(pair, pairs, settings.relative_to)
                compared[pair.key].append(_Compared(Gap(pair), baseline, why_not, own))
        prompts = len({key[2] for key in compared}) > 1
        return [finding for found in compared.values() for finding in _findings(found, settings, evidence, prompts)]


@dataclass(frozen=True)
class _Compared:
    """One model on the reference and one shift, and what that is to be judged by."""

    gap: Gap
    baseline: Baseline | None
    why_not: str
    """Why there is no baseline."""
    own: JobResult | None
    """The job on the shift of the model that relative robustness is against."""

    @property
    def pair(self) -> MatchedPair:
        return self.gap.pair

    @property
    def shift(self) -> str:
        return self.pair.shift.dataset


def _own_baseline(pair: MatchedPair, pairs: Sequence[MatchedPair], model: str) -> JobResult | None:
    if not model or pair.key[0] == model:
        return None
    return next((other.shift for other in pairs if other.key == (model, *pair.key[1:])), None)


def _findings(
    found: Sequence[_Compared], settings: RobustnessAnalysisSettings, evidence: Evidence, prompts: bool
) -> Iterator[Finding]:
    about = {name: _about(one, settings, prompts) for one in found for name in [one.shift]}
    for one in found:
        yield _of_shift(one, about[one.shift], settings, evidence)
    yield _of_all(found, settings, prompts)


def _about(one: _Compared, settings: RobustnessAnalysisSettings, prompts: bool) -> Mapping[str, str]:
    model, _, variant, subset = one.pair.key
    words = f"against {settings.reference}"
    return {
        "model": model,
        "dataset": one.shift,
        "split": settings.split,
        "subset": subset,
        "variant": f"{words}, {variant}" if prompts else words,
    }


def _of_shift(
    one: _Compared, about: Mapping[str, str], settings: RobustnessAnalysisSettings, evidence: Evidence
) -> Finding:
    params = {
        "reference": settings.reference,
        "n_reference": one.gap.reference.n,
        "n_shift": one.gap.shift.n,
        "classes": one.pair.n_classes,
        "baseline": one.baseline.source if one.baseline else "",
    }
    metrics = list(gap_metrics(one.gap, params))
    notes = [] if one.baseline else [f"No baseline: {one.why_not}."]
    tables: dict[str, pd.DataFrame] = {}
    jobs = [one.pair.reference.hash, one.pair.shift.hash]
    if one.baseline:
        metrics += one.baseline.metrics(one.gap, params)
        tables |= one.baseline.tables(one.gap)
        notes += one.baseline.notes(one.gap)
        jobs += [job for job in one.baseline.jobs if job not in jobs]
    if one.own:
        metric, note = _relative(one.pair.shift, one.own, params, evidence)
        metrics += [metric] if metric else []
        notes += [note] if note else []
        jobs += [] if one.own.hash in jobs else [one.own.hash]
    unmatched = one.pair.shift.tables.get("unmatched_classes") or one.pair.reference.tables.get("unmatched_classes")
    if unmatched:
        tables["unmatched_classes"] = unmatched.frame()
        notes.append(_unmatched(unmatched.frame(), one.pair.n_classes))
    return Finding(about, _with_main(metrics, "effective_robustness", "gap"), tables, tuple(jobs), tuple(notes))


def _with_main(metrics: Sequence[Metric], *preferred: str) -> tuple[Metric, ...]:
    """Mark the first preferred metric that there is as the main one."""
    names = {metric.name for metric in metrics}
    main = next((name for name in preferred if name in names), "")
    return tuple(replace(metric, main=metric.name == main) for metric in metrics)


def _relative(
    shift: JobResult, own: JobResult, params: Mapping[str, Any], evidence: Evidence
) -> tuple[Metric | None, str]:
    """Return tau: accuracy on the shift minus that of the model's own baseline, paired by image."""
    if shift.pedigree.data != own.pedigree.data or shift.pedigree.labels != own.pedigree.labels:
        return None, f"No relative robustness: {own.model} was measured on other images or labels."
    try:
        mine, theirs = (evidence.examples(job.hash).set_index("id")["correct"] for job in (shift, own))
    except UserError as error:
        return None, f"No relative robustness: {error}."
    common = mine.index.intersection(theirs.index)
    value, interval = paired_difference(mine.loc[common].to_numpy(bool), theirs.loc[common].to_numpy(bool))
    return Metric("relative_robustness", value, len(common), interval, params={**params, "against": own.model}), ""


def _unmatched(table: pd.DataFrame, n_classes: int) -> str:
    counts = ", ".join(f"{count:,} of {name}" for name, count in table.groupby("of", sort=False).size().items())
    return f"Compared on the {n_classes:,} classes that both have; left out: {counts} (listed in unmatched_classes)."


def _of_all(found: Sequence[_Compared], settings: RobustnessAnalysisSettings, prompts: bool) -> Finding:
    """Sum up a model's shifts: means, the worst shift, and a sentence."""
    model, _, variant, subset = found[0].pair.key
    count = f"{len(found)} shift" + ("" if len(found) == 1 else "s")
    words = f"mean over {count}"
    about = {
        "model": model,
        "dataset": settings.reference,
        "split": settings.split,
        "subset": subset,
        "variant": f"{words}, {variant}" if prompts else words,
    }
    params = {"reference": settings.reference, "shifts": [one.shift for one in found]}
    metrics = _with_main(_means(found, params), "mean_gap")
    jobs = tuple(dict.fromkeys(job.hash for one in found for job in (one.pair.reference, one.pair.shift)))
    notes = [_sentence(found, {metric.name: metric for metric in metrics})]
    lacking = [name for name in settings.shifts if name not in params["shifts"]]
    if lacking:
        notes.append(f"Not in the mean, since a job is missing or failed: {', '.join(lacking)}.")
    return Finding(about, metrics, jobs=jobs, notes=tuple(notes))


def _means(found: Sequence[_Compared], params: Mapping[str, Any]) -> list[Metric]:
    n = min(min(one.gap.reference.n, one.gap.shift.n) for one in found)
    worst = min(found, key=lambda one: one.gap.shift.value)
    top1 = float(np.mean([one.gap.shift.value for one in found]))
    gap = float(np.mean([one.gap.value for one in found]))
    at_worst = worst.gap.shift
    metrics = [
        Metric("mean_shift_top1", top1, n, percentiles(_mean([one.gap.drawn_shift for one in found])), params=params),
        Metric("mean_gap", gap, n, percentiles(_mean([one.gap.drawn for one in found])), params=params),
        Metric(
            "worst_shift_top1",
            at_worst.value,
            at_worst.n,
            wilson(at_worst.right, at_worst.n),
            params={**params, "dataset": worst.shift},
        ),
    ]
    baselines = [one.baseline for one in found if one.baseline]
    if len(baselines) == len(found):
        judged = [(baseline, one.gap) for baseline, one in zip(baselines, found, strict=True)]
        rho = float(np.mean([baseline.effective(gap) for baseline, gap in judged]))
        drawn = _mean([baseline.drawn_effective(gap) for baseline, gap in judged])
        interval = percentiles(drawn, judged[0][0].interval)
        metrics.append(Metric("mean_effective_robustness", rho, n, interval, params=params))
    return metrics


def _mean(drawn: Sequence[np.ndarray[Any, np.dtype[np.float64]]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.mean(np.stack(drawn), axis=0)  # type: ignore[no-any-return]


def _sentence(found: Sequence[_Compared], metrics: Mapping[str, Metric]) -> str:
    """Say the result in words: accuracy here and there, what is lost, and against what was expected."""
    model, reference = found[0].pair.key[0], found[0].pair.reference.dataset
    on_reference, elsewhere = (
        float(np.mean([getattr(one.gap, side).value for one in found])) for side in ("reference", "shift")
    )
    classes = f"the {found[0].pair.n_classes:,} common classes" if len(found) == 1 else "on each shift's classes"
    cut = f" ({classes})" if any(one.pair.reference.matched for one in found) else ""
    where = found[0].shift if len(found) == 1 else f"the same classes elsewhere (mean of {len(found)} shifts)"
    gap = metrics["mean_gap"]
    assert gap.value is not None
    lost = f"{points(gap.value)} points lost" if gap.value >= 0 else f"{points(-gap.value)} points gained"
    here, there = f"{100 * on_reference:.1f} % on {reference}{cut}", f"{100 * elsewhere:.1f} % on {where}"
    sentence = f"{model}: {here}, {there}: {lost}{ends_of(gap)}"
    rho = metrics.get("mean_effective_robustness")
    if rho is None or rho.value is None:
        return f"{sentence}. No baseline says what was to be expected."
    more = "more" if rho.value >= 0 else "less"
    return (
        f"{sentence}. That is {points(abs(rho.value))} points {more} than expected at its accuracy on {reference}"
        f"{ends_of(rho)}."
    )
