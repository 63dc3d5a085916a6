"""Which images a model gets right, clean and under each corruption, image by image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipbench.arrays import BoolArray
from clipbench.results.records import JobResult

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class CorruptedRun:
    """One model on one data set, clean and through views: a clean job and one for each view."""

    clean: JobResult
    views: Mapping[tuple[str, int], JobResult]
    """(corruption, severity) -> job."""

    @property
    def model(self) -> str:
        """The model's name."""
        return self.clean.model

    @property
    def jobs(self) -> tuple[str, ...]:
        """Hashes of its jobs, the clean one first."""
        return (self.clean.hash, *(job.hash for job in self.views.values()))

    def severities(self, corruption: str) -> tuple[int, ...]:
        """Return the severities at which a corruption was measured."""
        return tuple(sorted(severity for name, severity in self.views if name == corruption))


@dataclass(frozen=True)
class RightOrWrong:
    """Whether each answer is right, of the images that are readable in every view of every run."""

    clean: BoolArray
    """(n,)."""
    corrupted: Mapping[tuple[str, int], BoolArray]
    """(corruption, severity) -> (n,)."""
    left_out: int
    """Images that could not be read in some view."""


def corrupted_runs(
    jobs: Sequence[JobResult], dataset: str, split: str, wanted: Callable[[JobResult], bool]
) -> tuple[CorruptedRun, ...]:
    """Gather clean jobs with those of the wanted views, of every model, prompt set and subset."""
    views: dict[tuple[str, ...], dict[tuple[str, int], JobResult]] = {}
    clean: dict[tuple[str, ...], JobResult] = {}
    for job in jobs:
        if job.dataset != dataset or job.split != split or job.matched:
            continue
        key = (job.model, job.task, job.variant, job.pedigree.subset)
        if not job.view:
            clean[key] = job
        elif wanted(job):
            about = job.about["view"]
            views.setdefault(key, {})[about["corruption"], about["severity"]] = job
    return tuple(
        CorruptedRun(clean[key], {at: job for at, job in found.items() if not _differ(clean[key], job)})
        for key, found in views.items()
        if key in clean
    )


def _differ(clean: JobResult, corrupted: JobResult) -> bool:
    """Say whether a view's job was made of other images, labels, prompts or weights than the clean one."""
    return bool(set(clean.pedigree.differences(corrupted.pedigree)) - {"view"})


def right_or_wrong(runs: Sequence[CorruptedRun], examples: Callable[[str], pd.DataFrame]) -> tuple[RightOrWrong, ...]:
    """Read the runs' per-example tables and keep the images that all of them could read, in one order.

    Raises:
        UserError: a table cannot be read.
    """
    tables = [{job: examples(job).set_index("id")["correct"] for job in run.jobs} for run in runs]
    indices = [column.index for columns in tables for column in columns.values()]
    common = indices[0]
    for index in indices[1:]:
        common = common.intersection(index)
    every = max(len(index) for index in indices)
    return tuple(
        RightOrWrong(
            clean=columns[run.clean.hash].loc[common].to_numpy(bool),
            corrupted={at: columns[job.hash].loc[common].to_numpy(bool) for at, job in run.views.items()},
            left_out=every - len(common),
        )
        for run, columns in zip(runs, tables, strict=True)
    )
