"""What fitting to the benchmark gains there, and what it gains or costs under shift."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from clipbench.analyses.base import AnalysisSettings, Evidence, Finding
from clipbench.analyses.robustness.gaps import ends_of
from clipbench.analyses.robustness.matched_pairs import MatchedPair, matched_pairs
from clipbench.arrays import BoolArray
from clipbench.errors import UserError
from clipbench.metrics.shift import share_closed
from clipbench.results.records import JobResult
from clipbench.stats.intervals import Interval
from clipbench.stats.paired import KIND, paired_difference
from clipbench.tasks.base import Metric
from clipbench.tasks.wording import points


class RobustnessPairSettings(AnalysisSettings):
    """What the study compares."""

    analysis: Literal["robustness_pair"]
    reference: str
    shifts: tuple[str, ...]
    split: str = "test"


@dataclass(frozen=True)
class _Answers:
    """Which of the same images the two classifiers get right."""

    zero_shot: BoolArray
    fitted: BoolArray

    @property
    def gain(self) -> tuple[float, Interval]:
        """Accuracy of the fitted head minus that of zero-shot, with its interval."""
        return paired_difference(self.fitted, self.zero_shot)


@dataclass(frozen=True)
class _Compared:
    pair: MatchedPair
    reference: _Answers
    shift: _Answers

    @property
    def gaps(self) -> tuple[float, float]:
        """Reference minus shift, of zero-shot and of the fitted head."""
        zero_shot = float(self.reference.zero_shot.mean() - self.shift.zero_shot.mean())
        return zero_shot, float(self.reference.fitted.mean() - self.shift.fitted.mean())


class RobustnessPair:
    """A zero-shot classifier beside a linear head fitted on the reference, as in section 3.3 of Radford et al. 2021.

    The share of the gap that is closed is 1 - gap of zero-shot / gap of the fitted head. The heads between the two
    (WiSE-FT, Wortsman et al. 2022) make a curve.
    """

    name: ClassVar[str] = "robustness_pair"
    protocol: ClassVar[int] = 1
    tasks: ClassVar[tuple[str, ...]] = ("wise_ft",)
    Settings: ClassVar[type[AnalysisSettings]] = RobustnessPairSettings

    def analyse(self, evidence: Evidence, settings: AnalysisSettings) -> Sequence[Finding]:
        """Return one finding for each model, prompt set and subset."""
        assert isinstance(settings, RobustnessPairSettings)
        found: dict[tuple[str, str, str, str], list[MatchedPair]] = defaultdict(list)
        for shift in settings.shifts:
            for pair in matched_pairs(evidence.jobs, settings.reference, shift, settings.split):
                found[pair.key].append(pair)
        prompts = len({key[2] for key in found}) > 1
        return [_finding(pairs, evidence, prompts) for pairs in found.values()]


def _finding(pairs: Sequence[MatchedPair], evidence: Evidence, prompts: bool) -> Finding:
    model, _, variant, subset = pairs[0].key
    reference = pairs[0].reference
    about = {
        "model": model,
        "dataset": reference.dataset,
        "split": reference.split,
        "subset": subset,
        "variant": f"zero-shot beside a fitted head{f', {variant}' if prompts else ''}",
    }
    jobs = tuple(dict.fromkeys(job.hash for pair in pairs for job in (pair.reference, pair.shift)))
    try:
        compared = [
            _Compared(pair, _answers(pair.reference, evidence), _answers(pair.shift, evidence)) for pair in pairs
        ]
    except UserError as error:
        return Finding(about, (), jobs=jobs, notes=(f"Not compared: {error}.",))
    tables = {"pair": _pair_table(compared), "interpolation": _interpolation(pairs)}
    metrics = _metrics(compared)
    return Finding(about, metrics, tables, jobs, (_sentence(model, reference.dataset, compared, metrics),))


def _answers(job: JobResult, evidence: Evidence) -> _Answers:
    examples = evidence.examples(job.hash)
    return _Answers(examples["correct.zero_shot"].to_numpy(bool), examples["correct.fitted"].to_numpy(bool))


def _pair_table(compared: Sequence[_Compared]) -> pd.DataFrame:
    rows = []
    for one in compared:
        first, second = one.gaps
        closed = share_closed(first, second)
        accuracies = float(one.shift.zero_shot.mean()), float(one.shift.fitted.mean())
        rows.append((one.pair.shift.dataset, *accuracies, first, second, closed))
    columns = ["dataset", "first_top1", "second_top1", "gap_first", "gap_second", "share_closed"]
    return pd.DataFrame(rows, columns=columns)


def _interpolation(pairs: Sequence[MatchedPair]) -> pd.DataFrame:
    """Return alpha, accuracy on the reference (mean over its class subsets) and mean accuracy on the shifts."""
    tables = [
        (pair.reference.tables["alpha_curve"].frame(), pair.shift.tables["alpha_curve"].frame()) for pair in pairs
    ]
    return pd.DataFrame(
        {
            "alpha": tables[0][0]["alpha"],
            "reference_top1": np.mean([one["top1"].to_numpy(float) for one, _ in tables], axis=0),
            "mean_shift_top1": np.mean([one["top1"].to_numpy(float) for _, one in tables], axis=0),
        }
    )


def _metrics(compared: Sequence[_Compared]) -> tuple[Metric, ...]:
    """Return the gain on the reference, paired by image, and the mean gain on the shifts."""
    first = compared[0]
    n = len(first.reference.fitted)
    gain, interval = first.reference.gain
    gains = [one.shift.gain for one in compared]
    mean = float(np.mean([value for value, _ in gains]))
    params = {"shifts": [one.pair.shift.dataset for one in compared]}
    size = min(len(one.shift.fitted) for one in compared)
    return (
        Metric("reference_gain", gain, n, interval, params={"against": "zero-shot"}),
        Metric("mean_shift_gain", mean, size, _combined(mean, [one for _, one in gains]), main=True, params=params),
    )


def _combined(mean: float, intervals: Sequence[Interval]) -> Interval:
    """Return the interval of a mean over independent sets (square-and-add, Zou & Donner 2008)."""
    centres = [(one.low + one.high) / 2 for one in intervals]
    half = float(np.hypot.reduce([one.high - centre for one, centre in zip(intervals, centres, strict=True)]))
    return Interval(mean - half / len(intervals), mean + half / len(intervals), KIND)


def _sentence(model: str, reference: str, compared: Sequence[_Compared], metrics: Sequence[Metric]) -> str:
    gain, shifted = metrics
    where = f"{len(compared)} shifts" if len(compared) > 1 else compared[0].pair.shift.dataset
    return f"{model}: fitting a linear head on {reference} {_says(gain, 'there')} and {_says(shifted, f'on {where}')}."


def _says(metric: Metric, place: str) -> str:
    assert metric.value is not None
    return f"{'gains' if metric.value >= 0 else 'costs'} {points(abs(metric.value))} points {place}{ends_of(metric)}"
