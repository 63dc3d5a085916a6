"""Jobs on a reference and a shift that may be set side by side, and what is lost between the two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from clipbench.analyses.base import verdict_of
from clipbench.analyses.comparable import measured, subject_of
from clipbench.arrays import Float64Array
from clipbench.fingerprint import digest
from clipbench.metrics.shift import corrected, logit
from clipbench.results.choice import fullest
from clipbench.results.records import JobResult, Subject, Verdict
from clipbench.stats.bootstrap import RESAMPLES, percentile
from clipbench.stats.intervals import Interval, wilson
from clipbench.stats.line_draws import draw_accuracies
from clipbench.tasks.base import Metric

SAME = (
    *("weights", "architecture", "transform", "tokenizer", "precision", "adapter", "scale"),
    *("prompts", "protocol", "settings"),
)
"""The parts of two pedigrees that must agree; data and labels differ by nature, and a limit may leave one set whole."""

UNPAIRED = "unpaired bootstrap"


@dataclass(frozen=True)
class Counted:
    """An accuracy as counts."""

    right: int
    n: int

    @property
    def value(self) -> float:
        """The share that is right."""
        return self.right / self.n

    @property
    def inside(self) -> float:
        """The share corrected by half an image, so that none and all have a logit."""
        return float(corrected(self.right, self.n))


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

    @cached_property
    def drawn_reference(self) -> Float64Array:
        """(B,) accuracy on the reference in resamples of its images."""
        return _resampled(self.on_reference, self.reference.hash)

    @cached_property
    def drawn_shift(self) -> Float64Array:
        """(B,) accuracy on the shift in resamples of its images."""
        return _resampled(self.on_shift, self.shift.hash)

    @property
    def drawn_gap(self) -> Float64Array:
        """(B,) the gap in resamples."""
        return self.drawn_reference - self.drawn_shift


def matched_pairs(
    jobs: Sequence[JobResult], reference: str, shift: str, split: str, shift_split: str = ""
) -> tuple[MatchedPair, ...]:
    """Return the pairs of a reference and a shift: one for each model, task and prompt set.

    Evaluated is the same split of both, or `shift_split` of the shift.

    Of each set the job on all examples counts, else that on most. Both must have been decided among the same classes.
    Jobs on the classes of the other set go before whole ones.
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
        for second, on_second in usable
        if second.dataset == shift and second.matched in ("", reference) and _fit(first, second)
    ]
    pairs.sort(key=lambda pair: bool(pair.reference.matched) + bool(pair.shift.matched))
    return tuple({pair.key: pair for pair in pairs}.values())


def _top1(job: JobResult) -> Counted | None:
    top1 = measured(job, "top1")
    return Counted(round(top1[0] * top1[1]), top1[1]) if top1 else None


def _fit(reference: JobResult, shift: JobResult) -> bool:
    same = (reference.model, reference.task, reference.about.get("classes"))
    differing = set(reference.pedigree.differences(shift.pedigree)) & set(SAME)
    return same == (shift.model, shift.task, shift.about.get("classes")) and not differing


def gap_metrics(pair: MatchedPair, params: Mapping[str, Any]) -> tuple[Metric, ...]:
    """Return both accuracies and the gap: as a difference, as a share of the reference, and in logit space.

    Logits are those of accuracies corrected by half an image, so that none and all have one.
    """
    reference, shift = pair.on_reference, pair.on_shift
    n = min(reference.n, shift.n)
    first = logit(corrected(pair.drawn_reference * reference.n, reference.n))
    second = logit(corrected(pair.drawn_shift * shift.n, shift.n))
    logit_gap = float(logit(reference.inside) - logit(shift.inside))
    lost = pair.gap / reference.value if reference.right else None
    drawn = pair.drawn_reference
    shares = np.divide(pair.drawn_gap, drawn, where=drawn > 0, out=np.full(RESAMPLES, np.nan))
    return (
        Metric("reference_top1", reference.value, reference.n, wilson(reference.right, reference.n), params=params),
        Metric("shift_top1", shift.value, shift.n, wilson(shift.right, shift.n), params=params),
        Metric("gap", pair.gap, n, percentiles(pair.drawn_gap), params=params),
        Metric("relative_gap", lost, n, None if lost is None else percentiles(shares), params=params),
        Metric("logit_gap", logit_gap, n, percentiles(first - second), "logit", params=params),
    )


def percentiles(drawn: Float64Array, kind: str = UNPAIRED) -> Interval | None:
    """Return the percentile interval of resamples, NaN where one leaves the value undefined; None if all do."""
    return None if np.isnan(drawn).all() else replace(percentile(drawn), kind=kind)


def verdict_on(difference: Metric) -> Verdict:
    """Return what the interval of a difference says; a gap is higher where something is lost."""
    interval = difference.interval
    return verdict_of(interval.low, interval.high) if interval else "undefined"


def _resampled(accuracy: Counted, job: str) -> Float64Array:
    """Return (B,) accuracies in resamples of a job's images, the same ones wherever the job is used."""
    return draw_accuracies(accuracy.right, accuracy.n, seed=int(digest(job)[:8], 16))
