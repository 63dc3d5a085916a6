"""Two models on the same examples: the difference of their accuracies, and whether chance could have made it.

The interval is the paired bootstrap of `clipbench.stats.paired`; p is McNemar's exact test, and p_holm the same after
Holm's correction for all that was compared (`clipbench.stats.significance`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from clipbench.analyses.base import Evidence
from clipbench.arrays import BoolArray
from clipbench.errors import UserError, did_you_mean
from clipbench.results.folder import Results
from clipbench.results.records import JobResult
from clipbench.stats.intervals import Interval
from clipbench.stats.paired import paired_difference
from clipbench.stats.significance import holm, mcnemar

SAME = ("data", "subset", "view", "labels", "training", "prompts", "protocol", "settings")
"""The parts of two pedigrees that must agree; the others are the model's own."""

_NO_ANSWERS = "an example has no one right or wrong answer here"

_Pair = tuple[str, str]


@dataclass(frozen=True)
class _Counts:
    """How often two models are right about the same examples."""

    n: int
    first: int
    second: int
    only_first: int
    only_second: int
    difference: float
    interval: Interval

    @classmethod
    def of(cls, first: BoolArray, second: BoolArray) -> _Counts:
        difference, interval = paired_difference(first, second)
        return cls(
            n=len(first),
            first=int(first.sum()),
            second=int(second.sum()),
            only_first=int((first & ~second).sum()),
            only_second=int((second & ~first).sum()),
            difference=difference,
            interval=interval,
        )

    @property
    def p(self) -> float:
        """Of McNemar's exact test."""
        return float(mcnemar(self.only_first, self.only_second))


@dataclass(frozen=True)
class _Comparison:
    """One job of two models, with their counts or why there are none."""

    models: _Pair
    jobs: tuple[JobResult, JobResult]
    counts: _Counts | None
    note: str = ""


def compare(results: Results, first: str | None = None, second: str | None = None) -> pd.DataFrame:
    """Compare two models example by example, one row for each job that both have.

    Columns: dataset, split, task, variant, subset, view, matched, trained_on; n; first and second, the accuracies;
    difference, the first minus the second, with low, high (95 %) and interval, how it was made; p of McNemar's exact
    test, and p_holm, corrected for the number of rows; note, why a row has no numbers. The models' names are in
    `attrs`.

    Args:
        results: of both models; folders are seen as one by `load_results(A, B)`.
        first: a model's name; may be left out where the results hold two models.
        second: another's.

    Raises:
        UserError: the results have no such model, or the two share no job.
    """
    jobs = [job for job in results.jobs() if job.status == "done"]
    pair = _two(list(dict.fromkeys(job.model for job in jobs)), first, second, str(results.folder))
    compared = list(_compare(Evidence(jobs, results.examples), [pair]))
    if not compared:
        fix = "run one suite with both: a data set, split, prompts and limit must be the same"
        raise UserError(f"{pair[0]!r} and {pair[1]!r} share no job", where=str(results.folder), fix=fix)
    rows = [_row(comparison, p_holm) for comparison, p_holm in zip(compared, _holm(compared), strict=True)]
    frame = pd.DataFrame(rows)
    frame.attrs.update(first=pair[0], second=pair[1])
    return frame


def same_examples(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    """Return whether two tables, indexed by id, hold the same examples in any order, with the same labels if both say.

    A table without examples, or with an id twice, is the same as none.
    """
    if not (len(first) == len(second) > 0 and first.index.is_unique and set(first.index) == set(second.index)):
        return False
    both = "label" in first and "label" in second
    return not both or bool((first["label"] == second.loc[first.index, "label"]).all())


def _two(models: Sequence[str], first: str | None, second: str | None, where: str) -> _Pair:
    for name in (first, second):
        if name is not None and name not in models:
            raise UserError(f"there is no finished job of model {name!r}", where=where, fix=did_you_mean(name, models))
    if first is not None and first == second:
        raise UserError(f"{first!r} is named twice", where=where, fix="name another model")
    pairs = list(_pairs(models, first, second))
    if len(pairs) == 1:
        return pairs[0]
    if len(models) < 2:
        fix = "run the suite with another model, or add a results folder that has one"
        raise UserError("holds no finished jobs of two models", where=where, fix=fix)
    fix = f"name the first and the second: {', '.join(models)}"
    raise UserError(f"holds jobs of {len(models)} models, and two are compared", where=where, fix=fix)


def _pairs(models: Sequence[str], first: str | None, second: str | None) -> Iterator[_Pair]:
    if first is None and second is None:
        yield from combinations(models, 2)
        return
    for model in models if first is None else (first,):
        for other in models if second is None else (second,):
            if model != other:
                yield model, other


def _compare(evidence: Evidence, pairs: Sequence[_Pair]) -> Iterator[_Comparison]:
    """Compare job by job, so that each table is read once and those of one job alone are held."""
    shared: dict[tuple[str, ...], dict[str, JobResult]] = defaultdict(dict)
    for job in evidence.jobs:
        shared[job.key[1:]][job.model] = job
    for jobs in shared.values():
        present = [pair for pair in pairs if pair[0] in jobs and pair[1] in jobs]
        answers = {model: _answers(jobs[model], evidence) for model in dict.fromkeys(sum(present, ()))}
        for first, second in present:
            yield _compare_pair((first, second), (jobs[first], jobs[second]), (answers[first], answers[second]))


def _answers(job: JobResult, evidence: Evidence) -> pd.DataFrame | str:
    """Return whether the model is right, by example, with the label if there is one; or why that is not known."""
    if job.main is not None and job.main.metric.startswith("map"):
        return _NO_ANSWERS
    try:
        table = evidence.examples(job.hash)
    except UserError as error:
        return str(error)
    if "correct" not in table or table["correct"].dtype != np.bool_:
        return _NO_ANSWERS
    return table.set_index("id")[[name for name in ("correct", "label") if name in table]]


def _compare_pair(
    models: _Pair, jobs: tuple[JobResult, JobResult], answers: tuple[pd.DataFrame | str, pd.DataFrame | str]
) -> _Comparison:
    differ = [part for part in jobs[0].pedigree.differences(jobs[1].pedigree) if part in SAME]
    if differ:
        verb = "differs" if len(differ) == 1 else "differ"
        return _Comparison(models, jobs, None, f"Not compared: {', '.join(differ)} {verb} between the jobs.")
    first, second = answers
    if isinstance(first, str) or isinstance(second, str):
        reason = first if isinstance(first, str) else second
        return _Comparison(models, jobs, None, f"Not compared: {reason}.")
    if not same_examples(first, second):
        return _Comparison(models, jobs, None, "Not compared: the jobs have other examples or labels.")
    right = first["correct"].to_numpy(bool), second.loc[first.index, "correct"].to_numpy(bool)
    return _Comparison(models, jobs, _Counts.of(*right))


def _holm(compared: Sequence[_Comparison]) -> list[float | None]:
    return holm([comparison.counts.p if comparison.counts else None for comparison in compared])


def _row(comparison: _Comparison, p_holm: float | None) -> dict[str, Any]:
    job = comparison.jobs[0]
    row = {name: getattr(job, name) for name in ("dataset", "split", "task", "variant")}
    row |= {"subset": job.pedigree.subset, "view": job.view, "matched": job.matched, "trained_on": job.trained_on}
    counts = comparison.counts
    measured = {} if counts is None else _measured(counts, p_holm)
    names = ("n", "first", "second", "difference", "low", "high", "interval", "p", "p_holm")
    return row | {name: measured.get(name) for name in names} | {"note": comparison.note}


def _measured(counts: _Counts, p_holm: float | None) -> Mapping[str, Any]:
    return {
        "n": counts.n,
        "first": counts.first / counts.n,
        "second": counts.second / counts.n,
        "difference": counts.difference,
        "low": counts.interval.low,
        "high": counts.interval.high,
        "interval": counts.interval.kind,
        "p": counts.p,
        "p_holm": p_holm,
    }
