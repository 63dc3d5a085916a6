"""Jobs on a reference and a shift that may be set side by side, and what is lost between the two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from clipbench.analyses.base import Evidence, verdict_of
from clipbench.analyses.comparable import measured, subject_of
from clipbench.arrays import Float64Array
from clipbench.errors import UserError
from clipbench.metrics.shift import corrected, logit
from clipbench.results.choice import fullest
from clipbench.results.records import JobResult, Record, Subject, Verdict
from clipbench.stats.combined import combined, ratio
from clipbench.stats.intervals import Interval, wilson
from clipbench.stats.significance import NORMAL
from clipbench.stats.simultaneous import bonferroni, level_of
from clipbench.tasks.base import Metric

SAME = (
    *("weights", "architecture", "transform", "tokenizer", "precision", "adapter", "scale"),
    *("prompts", "protocol", "settings"),
)
"""The parts of two pedigrees that must agree; data and labels differ by nature, and a limit may leave one set whole."""

LEVEL = 0.95
PLAIN = "wilson"
"""Of a share of independent images."""

Ends = tuple[Interval | None, Interval | None]
"""Of the reference and of the shift."""


@dataclass(frozen=True)
class Counted:
    """An accuracy as counts."""

    right: int
    n: int
    effective: float | None
    """How many independent images would be as good; None for too few, or too few clusters, for any interval."""
    record: Record
    """Of the job."""

    @property
    def value(self) -> float:
        """The share that is right."""
        return self.right / self.n

    @property
    def inside(self) -> float:
        """The share corrected by half an image, so that none and all have a logit."""
        return float(corrected(self.right, self.n))

    def interval(self, family: int = 1) -> Interval | None:
        """Return Wilson's, wide enough for so many of them to hold together."""
        if self.effective is None:
            return None
        found = wilson(self.value * self.effective, self.effective, level_of(bonferroni(family)))
        return replace(found, level=LEVEL, family=family)

    def metric(self, name: str, params: Mapping[str, Any]) -> Metric:
        """Return the accuracy with its interval, and what guessing gives."""
        chance, commonest = self.record.chance, self.record.commonest
        interval = self.interval()
        return Metric(name, self.value, self.n, interval, params=params, chance=chance, commonest=commonest)


@dataclass(frozen=True)
class MatchedPair:
    """One model on the reference and on a shift, both classified among the same classes."""

    reference: JobResult
    shift: JobResult
    on_reference: Counted
    on_shift: Counted

    @property
    def key(self) -> tuple[str, str, str]:
        """Model, task and prompts: what tells it from the other pairs of one shift."""
        return (self.shift.model, self.shift.task, self.reference.variant)

    @property
    def subject(self) -> Subject:
        """What a finding about this pair is about."""
        about = subject_of([self.shift if self.shift.pedigree.subset else self.reference])
        about = replace(about, prompts=self.reference.prompts)
        return replace(about, datasets=(self.shift.dataset,), reference=self.reference.dataset, n=0)

    @property
    def gap(self) -> float:
        """Accuracy on the reference minus that on the shift, as a fraction."""
        return self.on_reference.value - self.on_shift.value


def matched_pairs(
    jobs: Sequence[JobResult], reference: str, shift: str, split: str, shift_split: str = "", names: str = ""
) -> tuple[MatchedPair, ...]:
    """Return the pairs of a reference and a shift: one for each model, task and prompt set.

    Evaluated is the same split of both, or `shift_split` of the shift.

    Of each set the job on all examples counts, else that on most. Both must have been decided among the same classes.
    Jobs on the classes of the other set go before whole ones. Where the two sets call classes otherwise, `names` says
    whose names the reference has: its 'own' or those of the 'shift'; '' for any.
    """
    splits = {reference: split, shift: shift_split or split}
    usable = [
        (job, top1)
        for job in fullest(jobs)
        if job.split == splits.get(job.dataset) and not job.view and (top1 := _top1(job))
    ]
    pairs = [
        MatchedPair(first, second, on_first, on_second)
        for first, on_first in usable
        if first.dataset == reference and first.matched in ("", shift)
        if not names or class_names(first) in ("", names)
        for second, on_second in usable
        if second.dataset == shift and second.matched in ("", reference) and _fit(first, second)
    ]
    pairs.sort(key=lambda pair: bool(pair.reference.matched) + bool(pair.shift.matched))
    return tuple({pair.key: pair for pair in pairs}.values())


def _top1(job: JobResult) -> Counted | None:
    top1 = measured(job, "top1")
    if top1 is None:
        return None
    record = record_of(job, "top1")
    return Counted(round(top1[0] * top1[1]), top1[1], effective_n(record), record)


def record_of(job: JobResult, metric: str) -> Record:
    """Return a metric's record of a job that has it."""
    return next(record for record in job.records if record.metric == metric)


def effective_n(record: Record) -> float | None:
    """Return on how many independent images a share would be as sure, by its interval; None where it has none."""
    if record.low is None or record.high is None:
        return None
    if record.interval == PLAIN or record.high <= record.low:
        return record.n
    inside = float(corrected((record.value or 0) * record.n, record.n))
    return min(float(record.n), inside * (1 - inside) * (2 * NORMAL / (record.high - record.low)) ** 2)


def class_names(reference: JobResult) -> str:
    """Return whose class names the reference has, where the shift's differ from its 'own': either; '' elsewhere."""
    return str(reference.about.get("class_names", ""))


def _fit(reference: JobResult, shift: JobResult) -> bool:
    same = (reference.model, reference.task, reference.about.get("classes"))
    # With the names that both have, the prompts must be the same.
    prompts = str(reference.about.get("shared_prompts", reference.pedigree.prompts))
    pedigree = replace(reference.pedigree, prompts=prompts)
    differing = set(pedigree.differences(shift.pedigree)) & set(SAME)
    return same == (shift.model, shift.task, shift.about.get("classes")) and not differing


def shared_reference(pairs: Sequence[MatchedPair], evidence: Evidence) -> Float64Array:
    """Return (S, S) correlations of a model's accuracies on the reference among the classes of each of S shifts.

    They rest on the same images, as far as the classes are the same, but decided among other classes. What cannot be
    read, or does not vary, counts as the same, which makes intervals of means no narrower.
    """
    names = [pair.reference.hash for pair in pairs]
    if len(set(names)) == 1:
        return np.ones((len(pairs), len(pairs)))
    try:
        correct = {
            name: evidence.examples(name, ["id", "correct"]).set_index("id")["correct"] for name in dict.fromkeys(names)
        }
    except UserError:
        return np.ones((len(pairs), len(pairs)))
    frame = pd.concat(correct, axis=1).astype(float)
    apart = (frame - frame.mean()).fillna(0.0)[names].to_numpy()
    products = apart.T @ apart
    lengths = np.sqrt(np.diag(products))
    together = np.outer(lengths, lengths)
    return np.asarray(np.divide(products, together, where=together > 0, out=np.ones_like(products)))


def gap_metrics(pair: MatchedPair, params: Mapping[str, Any], family: int = 1) -> tuple[Metric, ...]:
    """Return both accuracies and the gap: as a difference, as a share of the reference, and in logit space.

    Logits are those of accuracies corrected by half an image, so that none and all have one.

    Args:
        family: how many gaps are judged together; their intervals hold at once.
    """
    reference, shift = pair.on_reference, pair.on_shift
    n, ends = min(reference.n, shift.n), (reference.interval(family), shift.interval(family))
    gap = combined((reference.value, shift.value), ends, (1, -1))
    logit_gap = float(logit(reference.inside) - logit(shift.inside))
    return (
        reference.metric("reference_top1", params),
        shift.metric("shift_top1", params),
        Metric("gap", pair.gap, n, gap, params=params),
        Metric("relative_gap", *_relative_gap(pair, ends), params=params),
        Metric("logit_gap", logit_gap, n, _logit_interval(pair, ends), "logit", params=params),
    )


def _relative_gap(pair: MatchedPair, ends: Ends) -> tuple[float | None, int, Interval | None]:
    """Return the gap as a share of the reference, its n and interval; None where nothing is right there."""
    reference, shift = pair.on_reference, pair.on_shift
    n = min(reference.n, shift.n)
    if not reference.right:
        return None, n, None
    kept = ratio(shift.value, reference.value, ends[1], ends[0]) if ends[0] and ends[1] else None
    interval = replace(kept, low=1 - kept.high, high=1 - kept.low) if kept else None
    return pair.gap / reference.value, n, interval


def _logit_interval(pair: MatchedPair, ends: Ends) -> Interval | None:
    """Return the interval of the gap between logits; None where an end has no logit."""
    known = [interval for interval in ends if interval]
    limits = [logit([interval.low, interval.high]) for interval in known]
    if len(known) < len(ends) or not np.isfinite(limits).all():
        return None
    values = logit([pair.on_reference.inside, pair.on_shift.inside])
    intervals = [replace(end, low=low, high=high) for end, (low, high) in zip(known, limits, strict=True)]
    return combined(values, intervals, (1, -1))


def verdict_on(difference: Metric) -> Verdict:
    """Return what the interval of a difference says; a gap is higher where something is lost."""
    interval = difference.interval
    return verdict_of(interval.low, interval.high) if interval else "undefined"
