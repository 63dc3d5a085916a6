"""Jobs of several models that may be set side by side, and what their models are right about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from clipbench.analyses.base import Finding
from clipbench.arrays import BoolArray, IntArray
from clipbench.errors import UserError
from clipbench.results.records import JobResult, Subject

SAME = ("data", "subset", "view", "labels", "training", "prompts", "protocol", "settings")
"""The parts of pedigrees that must agree; the others are the model's own."""

_FIX = "remove the job's files and run the suite again"


def side_by_side(jobs: Iterable[JobResult], find: Callable[[Sequence[JobResult]], Finding]) -> list[Finding]:
    """Return what `find` makes of the jobs of each measurement that several models have and whose pedigrees agree.

    A note names the models that are left out. Where the pedigrees of no two jobs agree, or `find` raises a UserError,
    there is a finding without metrics whose note says why.
    """
    together: dict[tuple[str, ...], list[JobResult]] = defaultdict(list)
    for job in jobs:
        together[job.key[1:]].append(job)
    return [finding for shared in together.values() if len(shared) > 1 for finding in _findings(shared, find)]


def _findings(jobs: Sequence[JobResult], find: Callable[[Sequence[JobResult]], Finding]) -> Iterator[Finding]:
    alike: dict[tuple[str, ...], list[JobResult]] = defaultdict(list)
    for job in jobs:
        alike[tuple(getattr(job.pedigree, part) for part in SAME)].append(job)
    several = [group for group in alike.values() if len(group) > 1]
    if not several:
        yield without_numbers(subject_of(jobs), jobs, not_compared(differing(*jobs)))
    for group in several:
        others = [f"{job.model} ({', '.join(differing(group[0], job))})" for job in jobs if job not in group]
        try:
            finding = find(group)
        except UserError as error:
            finding = without_numbers(subject_of(group), group, f"Not compared: {error}.")
        left_out = f"Left out, since a part of the pedigree differs: {', '.join(others)}."
        yield replace(finding, notes=(*finding.notes, left_out)) if others else finding


def without_numbers(about: Subject, jobs: Sequence[JobResult], note: str) -> Finding:
    """Return the finding of jobs that cannot be compared; the note says why."""
    return Finding(about, (), jobs=tuple(job.hash for job in jobs), notes=(note,))


def subject_of(jobs: Sequence[JobResult]) -> Subject:
    """Return what jobs of one measurement are about: their models, and what they share."""
    job = jobs[0]
    return Subject(
        models=tuple(job.model for job in jobs),
        datasets=(job.dataset,),
        split=job.split,
        task=job.task,
        prompts=job.prompts,
        condition=job.condition,
        subset=job.pedigree.subset,
        limit=job.limit,
        n=job.main.n if job.main else 0,
    )


def measured(job: JobResult, metric: str) -> tuple[float, int] | None:
    """Return the value of a job's metric and its n; None where it has none."""
    values = ((record.value, record.n) for record in job.records if record.metric == metric)
    return next(((value, n) for value, n in values if value is not None), None)


def differing(job: JobResult, *others: JobResult, among: Sequence[str] = SAME) -> list[str]:
    """Name the parts of the pedigree in which any other job differs from the first."""
    found = {part for other in others for part in job.pedigree.differences(other.pedigree)}
    return [part for part in among if part in found]


def not_compared(parts: Sequence[str]) -> str:
    """Return the note of jobs whose pedigrees differ in these parts."""
    return f"Not compared: {', '.join(parts)} {'differs' if len(parts) == 1 else 'differ'} between the jobs."


def read_correct(
    jobs: Sequence[JobResult], examples: Callable[[str], pd.DataFrame], columns: Sequence[str] = ("correct",)
) -> BoolArray:
    """Return (M, n, C): whether each job is right about an example, by these columns of its table.

    The examples are in the order of the first job's table.

    Args:
        jobs: M jobs on the same examples.
        examples: job hash -> its per-example table.
        columns: C columns of truth values.

    Raises:
        UserError: a table cannot be read, holds other examples or labels than the first, or does not say what is right.
    """
    tables: list[pd.DataFrame] = []
    for job in jobs:
        table = examples(job.hash).set_index("id")
        # An image with several labels has no one right answer.
        lacking = [name for name in columns if "labels" in table or name not in table or table[name].dtype != np.bool_]
        if lacking:
            problem = f"the per-example table of {job.model} does not say of each example whether it is right"
            raise UserError(f"{problem} ({lacking[0]!r})", where=job.dataset)
        tables.append(table[[name for name in ("label", *columns) if name in table]])
        if not same_examples(tables[0], tables[-1]):
            raise UserError("the jobs have other examples or labels", where=job.dataset, fix=_FIX)
    return np.stack([table.loc[tables[0].index, list(columns)].to_numpy(bool) for table in tables])


def read_clusters(jobs: Sequence[JobResult], examples: Callable[[str], pd.DataFrame]) -> IntArray | None:
    """Return the (n,) cluster codes of jobs' examples, in the order of the first table; None if none has any.

    Args:
        jobs: on the same examples, see `read_correct`.
        examples: job hash -> its per-example table, whose column `cluster` is read.
    """
    tables = [examples(job.hash).set_index("id") for job in jobs]
    found = next((table["cluster"] for table in tables if "cluster" in table), None)
    return None if found is None else np.unique(found.loc[tables[0].index], return_inverse=True)[1].astype(np.int64)


def same_examples(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    """Return whether two tables, indexed by id, hold the same examples in any order, with the same labels if both say.

    A table without examples, or with an id twice, is the same as none.
    """
    if not (len(first) == len(second) > 0 and first.index.is_unique):
        return False
    # Most jobs have them in one order, which is faster to see.
    if not first.index.equals(second.index):
        if set(first.index) != set(second.index):
            return False
        second = second.loc[first.index]
    both = "label" in first and "label" in second
    return not both or bool((first["label"] == second["label"]).all())
