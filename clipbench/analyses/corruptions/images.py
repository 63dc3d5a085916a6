"""Which images a model gets right, clean and under each corruption, image by image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipbench.arrays import BoolArray
from clipbench.results.records import JobResult

if TYPE_CHECKING:
    import pandas as pd

View = tuple[str, int]
"""(corruption, severity)."""


@dataclass(frozen=True)
class CorruptedRun:
    """One model on one data set, clean and through views: a clean job and one for each view."""

    clean: JobResult
    views: Mapping[View, JobResult]

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

    def kind(self, view: View) -> str:
        """Return what kind of corruption a view is, e.g. 'noise'."""
        return str(self.views[view].about["view"].get("kind", ""))


@dataclass(frozen=True)
class RightOrWrong:
    """Whether each answer is right, of the images that are readable in every view of every run."""

    clean: BoolArray
    """(n,)."""
    corrupted: Mapping[View, BoolArray]
    """View -> (n,)."""
    left_out: int
    """Images that could not be read in some view."""


def corrupted_runs(
    jobs: Sequence[JobResult], dataset: str, split: str, wanted: Callable[[JobResult], bool]
) -> tuple[CorruptedRun, ...]:
    """Gather clean jobs with those of the wanted views, of every model, prompt set and subset.

    A view's job that was made of other images, labels, prompts or weights than the clean one is left out.
    """
    views: dict[tuple[str, ...], dict[View, JobResult]] = {}
    clean: dict[tuple[str, ...], JobResult] = {}
    for job in jobs:
        if job.dataset != dataset or job.split != split or job.matched:
            continue
        key = (job.model, job.task, job.variant, job.pedigree.subset)
        if not job.view:
            clean[key] = job
        elif wanted(job):
            view = job.about["view"]
            views.setdefault(key, {})[view["corruption"], view["severity"]] = job
    return tuple(
        CorruptedRun(clean[key], {view: job for view, job in corrupted.items() if _same_but_view(clean[key], job)})
        for key, corrupted in views.items()
        if key in clean
    )


def _same_but_view(clean: JobResult, corrupted: JobResult) -> bool:
    return set(clean.pedigree.differences(corrupted.pedigree)) <= {"view"}


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
    left_out = max(len(index) for index in indices) - len(common)
    return tuple(
        RightOrWrong(
            columns[run.clean.hash].loc[common].to_numpy(bool),
            {view: columns[job.hash].loc[common].to_numpy(bool) for view, job in run.views.items()},
            left_out,
        )
        for run, columns in zip(runs, tables, strict=True)
    )
