"""Jobs that may be set side by side: a reference and a shift among the same classes, by the same model and prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clipbench.results.records import JobResult, Record

SAME = ("weights", "architecture", "transform", "tokenizer", "precision", "prompts", "protocol", "settings", "subset")
"""The parts of two pedigrees that must agree; data and labels differ by nature."""

TOP1 = "top1"


@dataclass(frozen=True)
class Counted:
    """An accuracy as counts."""

    right: int
    n: int

    @property
    def value(self) -> float:
        """The share that is right."""
        return self.right / self.n


@dataclass(frozen=True)
class MatchedPair:
    """One model on the reference and on a shift, both classified among the same classes."""

    reference: JobResult
    shift: JobResult

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Model, task, prompts and subset: what tells it from the other pairs of one shift."""
        job = self.shift
        return (job.model, job.task, self.reference.variant, job.pedigree.subset)

    @property
    def of_reference(self) -> Counted:
        """Accuracy on the reference."""
        return counted(self.reference)

    @property
    def of_shift(self) -> Counted:
        """Accuracy on the shift."""
        return counted(self.shift)

    @property
    def n_classes(self) -> int:
        """How many classes both have."""
        return int(self.shift.about.get("n_classes", 0))


def record_of(job: JobResult, metric: str) -> Record | None:
    """Return a job's record of a metric, if it has a value."""
    return next((one for one in job.records if one.metric == metric and one.value is not None), None)


def counted(job: JobResult) -> Counted:
    """Return a job's top-1 as counts."""
    record = record_of(job, TOP1)
    assert record is not None
    assert record.value is not None
    return Counted(round(record.value * record.n), record.n)


def matched_pairs(jobs: Sequence[JobResult], reference: str, shift: str, split: str) -> tuple[MatchedPair, ...]:
    """Return the pairs of a reference and a shift: one for each model, task, prompt set and subset.

    Both must have been decided among the same classes. Jobs on the classes of the other set go before whole ones.
    """
    usable = [job for job in jobs if job.split == split and not job.view and record_of(job, TOP1)]
    found = [
        MatchedPair(one, other)
        for one in usable
        if one.dataset == reference and one.matched in ("", shift)
        for other in usable
        if other.dataset == shift and other.matched in ("", reference) and _fit(one, other)
    ]
    found.sort(key=lambda pair: bool(pair.reference.matched) + bool(pair.shift.matched))
    return tuple({pair.key: pair for pair in found}.values())


def _fit(reference: JobResult, shift: JobResult) -> bool:
    same = (reference.model, reference.task, reference.about.get("classes"))
    differing = set(reference.pedigree.differences(shift.pedigree)) & set(SAME)
    return same == (shift.model, shift.task, shift.about.get("classes")) and not differing
