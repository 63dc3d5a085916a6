"""What the files of a job are called."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from clipbench.fingerprint import digest
from clipbench.results.records import JobResult, Pedigree


def job_hash(
    model: str, dataset: str, split: str, task: str, variant: str, pedigree: Pedigree, matched: str = ""
) -> str:
    """Return the name of a finished job's files: a digest of what is measured and of its pedigree.

    Args:
        model: its name.
        dataset: its name.
        split: that is evaluated.
        task: as the suite calls it; of one that is built in, its name.
        variant: of the task.
        pedigree: all that could change its numbers.
        matched: the data set whose classes this one was cut down to.
    """
    parts = {name: part for name, part in asdict(pedigree).items() if part}
    if split != "test":
        parts["split"] = split
    measured: list[Any] = [model, dataset, task, variant, parts]
    return digest([*measured, matched] if matched else measured)[:32]


def expected_hash(job: JobResult) -> str:
    """Return the name that the files of a finished job of a built-in task have."""
    return job_hash(job.model, job.dataset, job.split, job.task, job.variant, job.pedigree, job.matched)
