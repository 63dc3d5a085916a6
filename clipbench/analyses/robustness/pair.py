"""What fitting to the benchmark gains there, and what it gains or costs under shift."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from clipbench.analyses.base import AnalysisSettings, Evidence, Finding
from clipbench.analyses.robustness.matched_pairs import MatchedPair, matched_pairs, verdict_on
from clipbench.arrays import BoolArray
from clipbench.errors import UserError
from clipbench.metrics.shift import share_closed
from clipbench.metrics.specs import ColumnSpec, CurveSpec, MetricSpec, TableSpec
from clipbench.reference.clip_pair import CLAIM, NOT_MATCHED, ClipPair, PairShift, clip_pair
from clipbench.results.records import JobResult, Subject
from clipbench.stats.combined import combined
from clipbench.stats.paired import paired_difference
from clipbench.tasks.base import Metric

_GAIN = "top-1 of the head that was fitted on the reference minus that of zero-shot, in points."


def pair_table(first: str, second: str) -> TableSpec:
    """Declare the table of a zero-shot classifier beside a supervised one, called so."""
    columns = (
        ColumnSpec("dataset", "data set"),
        ColumnSpec("first_top1", first, "fraction"),
        ColumnSpec("second_top1", second, "fraction"),
        ColumnSpec("gap_first", f"gap of {first}, points", "gap"),
        ColumnSpec("gap_second", f"gap of {second}, points", "gap"),
        ColumnSpec("share_closed", "share closed", "fraction"),
    )
    definition = f"Share closed: how much of the gap of {second} is not there for {first}; above 100 % there is a gain."
    return TableSpec("pair", f"{first} beside {second}", columns, definition=definition)


class RobustnessPairSettings(AnalysisSettings):
    """What the study compares."""

    analysis: Literal["robustness_pair"]
    reference: str
    shifts: tuple[str, ...]
    split: str = "test"
    shift_split: str = ""
    """The split of the shifts, where it is called otherwise."""


class RobustnessPair:
    """A zero-shot classifier beside a linear head fitted on the reference, as in section 3.3 of Radford et al. 2021.

    The share of the gap that is closed is 1 - gap of zero-shot / gap of the fitted head. The heads between the two
    (WiSE-FT, Wortsman et al. 2022) make a curve.
    """

    name: ClassVar[str] = "robustness_pair"
    protocol: ClassVar[int] = 2
    tasks: ClassVar[tuple[str, ...]] = ("wise_ft",)
    automatic: ClassVar[bool] = False
    Settings: type[RobustnessPairSettings] = RobustnessPairSettings
    label: ClassVar[str] = "zero-shot beside supervised"
    metrics: ClassVar[tuple[MetricSpec, ...]] = (
        MetricSpec("reference_gain", "reference gain", "difference", definition=_GAIN),
        MetricSpec("mean_shift_gain", "mean shift gain", "difference", definition=_GAIN),
    )
    tables: ClassVar[tuple[TableSpec, ...]] = (
        pair_table("zero-shot", "fitted head"),
        TableSpec(
            "interpolation",
            "From zero-shot to fitted weights",
            (
                ColumnSpec("alpha", unit="number"),
                ColumnSpec("reference_top1", "reference top-1", "fraction"),
                ColumnSpec("mean_shift_top1", "mean shift top-1", "fraction"),
            ),
            curve=CurveSpec("reference_top1", "mean_shift_top1"),
        ),
    )

    def analyse(self, evidence: Evidence, settings: RobustnessPairSettings) -> Sequence[Finding]:
        """Return one finding for each model and prompt set."""
        by_model: dict[tuple[str, ...], list[MatchedPair]] = defaultdict(list)
        for shift in settings.shifts:
            for pair in matched_pairs(evidence.jobs, settings.reference, shift, settings.split, settings.shift_split):
                by_model[pair.key].append(pair)
        return [_finding(pairs, evidence) for pairs in by_model.values()]


def _finding(pairs: Sequence[MatchedPair], evidence: Evidence) -> Finding:
    names = tuple(pair.shift.dataset for pair in pairs)
    job = pairs[0].reference
    about = replace(pairs[0].subject, datasets=names, n_train=job.main.params.get("n_train") if job.main else None)
    jobs = tuple(dict.fromkeys(job.hash for pair in pairs for job in (pair.reference, pair.shift)))
    try:
        answers = [[_answers(job, evidence) for job in (pair.reference, pair.shift)] for pair in pairs]
    except UserError as error:
        return Finding(about, (), jobs=jobs, notes=(f"Not compared: {error}.",))
    tables = {"pair": _pair_table(names, answers), "interpolation": _interpolation(pairs)}
    gains = _gains(names, answers)
    return Finding(replace(about, n=gains[-1].n), gains, tables, jobs, verdict=verdict_on(gains[-1]))


def _answers(job: JobResult, evidence: Evidence) -> BoolArray:
    """Return (2, n): whether zero-shot, and the fitted head, are right about an image."""
    columns = ["correct.zero_shot", "correct.fitted"]
    return evidence.examples(job.hash)[columns].to_numpy(bool).T


def _pair_table(names: Sequence[str], answers: Sequence[Sequence[BoolArray]]) -> pd.DataFrame:
    rows = []
    for name, pair in zip(names, answers, strict=True):
        reference, shift = ([float(right.mean()) for right in side] for side in pair)
        first, second = (here - there for here, there in zip(reference, shift, strict=True))
        rows.append(PairShift(name, shift[0], shift[1], first, second, share_closed(first, second)))
    return pd.DataFrame(rows)


def _interpolation(pairs: Sequence[MatchedPair]) -> pd.DataFrame:
    """Return alpha, accuracy on the reference (mean over its class subsets) and mean accuracy on the shifts."""
    curves = [[job.tables["alpha_curve"].frame() for job in (pair.reference, pair.shift)] for pair in pairs]
    reference, shift = (
        np.mean([curve["top1"].to_numpy(float) for curve in side], axis=0) for side in zip(*curves, strict=True)
    )
    return pd.DataFrame({"alpha": curves[0][0]["alpha"], "reference_top1": reference, "mean_shift_top1": shift})


def _gains(names: Sequence[str], answers: Sequence[Sequence[BoolArray]]) -> tuple[Metric, Metric]:
    """Return the gain on the reference, paired by image, and the mean gain on the shifts."""
    (zero_shot, fitted), _ = answers[0]
    gain, interval = paired_difference(fitted, zero_shot)
    gains = [paired_difference(shift[1], shift[0]) for _, shift in answers]
    values, intervals = zip(*gains, strict=True)
    smallest = min(shift.shape[1] for _, shift in answers)
    of_mean = combined(values, intervals, np.full(len(values), 1 / len(values)))
    return (
        Metric("reference_gain", gain, len(fitted), interval, params={"against": "zero-shot"}),
        Metric("mean_shift_gain", float(np.mean(values)), smallest, of_mean, main=True, params={"shifts": list(names)}),
    )


class PublishedPair:
    """Section 3.3 of Radford et al. 2021, to stand beside a run on ImageNet and its shifts."""

    name: ClassVar[str] = "published_pair"
    protocol: ClassVar[int] = 1
    tasks: ClassVar[tuple[str, ...]] = ()
    automatic: ClassVar[bool] = False
    Settings = AnalysisSettings
    label: ClassVar[str] = "the published pair"
    tables: ClassVar[tuple[TableSpec, ...]] = (
        replace(pair_table("zero-shot CLIP", "ResNet-101"), caption="zero-shot CLIP beside ResNet-101, as published"),
    )

    def analyse(self, evidence: Evidence, settings: AnalysisSettings) -> Sequence[Finding]:
        """Return the published figures; they rest on no job."""
        pair = clip_pair()
        about = Subject(
            models=(pair.zero_shot, pair.supervised),
            datasets=tuple(shift.dataset for shift in pair.shifts),
            reference="imagenet",
            split="test",
        )
        return [Finding(about, (), tables={"pair": pd.DataFrame(pair.shifts)}, notes=_notes(pair))]


def _notes(pair: ClipPair) -> tuple[str, ...]:
    shares = [100 * shift.share_closed for shift in pair.shifts if shift.share_closed is not None]
    return (
        f"Both reach {100 * pair.imagenet:.1f} % on ImageNet. The paper says that zero-shot CLIP shrinks "
        f"the gap by {CLAIM}; by its own table it closes {min(shares):.0f} to {max(shares):.0f} % of it, set by set.",
        NOT_MATCHED,
    )
