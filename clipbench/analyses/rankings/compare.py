"""Two models, or one of two runs, on the same examples: the difference of accuracies, and whether chance made it.

The interval is the paired bootstrap of `clipbench.stats.paired`; p is McNemar's exact test, and p_holm the same after
Holm's correction for all that was compared (`clipbench.stats.significance`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, permutations
from typing import Any

import pandas as pd

from clipbench.analyses.comparable import SAME, differing, not_compared, read_correct
from clipbench.errors import UserError, did_you_mean
from clipbench.results.choice import fullest
from clipbench.results.folder import Results
from clipbench.results.records import JobResult
from clipbench.stats.paired import compare_pair
from clipbench.stats.significance import holm

_NUMBERS = ("n", "first", "second", "difference", "low", "high", "interval", "p", "p_holm")


def compare(results: Results, first: Results | str | None = None, second: str | None = None) -> pd.DataFrame:
    """Compare two models, or one model of two runs, example by example, one row for each job that both have.

    Columns: dataset, split, task, variant, subset, view, matched, trained_on; n; first and second, the accuracies;
    difference, the first minus the second, with low, high (95 %) and interval, how it was made; p of McNemar's exact
    test, and p_holm, corrected for the number of rows; note, why a row has no numbers. What is compared is named in
    `attrs`. Of two runs there is also a column model, and the note names the parts of the model that differ. Of what
    both have on all examples and on some, the fullest is compared.

    Args:
        results: of both models; folders are seen as one by `load_results(A, B)`. Of two folders that hold a model of
            the same name, and no names given, each such model is compared across the two.
        first: a model's name, which may be left out where the results hold two models; or the results of another run.
        second: another's; beside the results of another run the one model to compare, by default all that both have.

    Raises:
        UserError: the results have no such model, or the two share no job.
    """
    if isinstance(first, Results):
        return _between_runs(results, first, second)
    if len(results.parts) == 2 and first == second:
        one, other = results.parts
        shared = {job.model for job in one.jobs()} & {job.model for job in other.jobs()}
        if shared and (first is None or first in shared):
            return _between_runs(one, other, first)
    by_model: dict[str, list[JobResult]] = defaultdict(list)
    for job in results.jobs(trials=True):
        if job.status == "done":
            by_model[job.model].append(job)
    pair = _two(sorted(by_model), first, second, str(results.folder))
    shared_jobs = _shared(*(by_model[model] for model in pair))
    if not shared_jobs:
        fix = "run one suite with both: a data set, split, prompts and limit must be the same"
        raise UserError(f"{pair[0]!r} and {pair[1]!r} share no job", where=str(results.folder), fix=fix)
    return _frame([_row(both, results.examples) for both in shared_jobs], pair)


def _between_runs(one: Results, other: Results, model: str | None) -> pd.DataFrame:
    sides = [[job for job in run.jobs(trials=True) if job.status == "done"] for run in (one, other)]
    where = f"{one.folder} and {other.folder}"
    known = sorted({job.model for job in sides[0]} & {job.model for job in sides[1]})
    if model is not None and model not in known:
        raise UserError(f"they share no model {model!r}", where=where, fix=did_you_mean(model, known))
    pairs = [
        (first, second) for name in known for first, second in _shared(*sides, model=name) if model in (None, name)
    ]
    if not pairs:
        fix = "run one suite into both: the model, data set, split, prompts and limit must be the same"
        raise UserError("they share no job of a model", where=where, fix=fix)
    examples = {job.hash: run.examples for run, jobs in zip((one, other), sides, strict=True) for job in jobs}
    rows = []
    for pair in pairs:
        row = _row(pair, lambda job_hash: examples[job_hash](job_hash))
        parts = [part for part in pair[0].pedigree.differences(pair[1].pedigree) if part not in SAME]
        note = f"The model differs: {', '.join(parts)}." if parts else ""
        rows.append({"model": pair[0].model, **row, "note": row["note"] or note})
    names = {row["model"] for row in rows}
    prefix = f"{names.pop()} in " if len(names) == 1 else ""
    return _frame(rows, (f"{prefix}{one.folder}", f"{prefix}{other.folder}"))


def _shared(
    first: Sequence[JobResult], second: Sequence[JobResult], *, model: str | None = None
) -> list[tuple[JobResult, JobResult]]:
    """Pair the jobs of two sides that measure the same on as many examples, of several limits the fullest; by model."""
    others = {job.key[1:]: job for job in second if model in (None, job.model)}
    shared = fullest(job for job in first if model in (None, job.model) and job.key[1:] in others)
    return [(job, others[job.key[1:]]) for job in shared]


def _frame(rows: Sequence[Mapping[str, Any]], names: tuple[str, str]) -> pd.DataFrame:
    corrected = holm([row["p"] for row in rows])
    frame = pd.DataFrame([{**row, "p_holm": p_holm} for row, p_holm in zip(rows, corrected, strict=True)])
    frame.attrs.update(first=names[0], second=names[1])
    return frame


def _two(models: Sequence[str], first: str | None, second: str | None, where: str) -> tuple[str, str]:
    for name in (first, second):
        if name is not None and name not in models:
            raise UserError(f"there is no finished job of model {name!r}", where=where, fix=did_you_mean(name, models))
    if first is not None and first == second:
        raise UserError(f"{first!r} is named twice", where=where, fix="name another model")
    candidates = combinations(models, 2) if first is second is None else permutations(models, 2)
    pairs = [pair for pair in candidates if first in (None, pair[0]) and second in (None, pair[1])]
    if len(pairs) == 1:
        return pairs[0]
    if len(models) < 2:
        fix = "run the suite with another model, or add a results folder that has one"
        raise UserError("holds no finished jobs of two models", where=where, fix=fix)
    fix = f"name the first and the second: {', '.join(models)}"
    raise UserError(f"holds jobs of {len(models)} models, and two are compared", where=where, fix=fix)


def _row(jobs: Sequence[JobResult], examples: Callable[[str], pd.DataFrame]) -> dict[str, Any]:
    job = jobs[0]
    row = {name: getattr(job, name) for name in ("dataset", "split", "task", "variant")}
    row |= {"subset": job.pedigree.subset, "view": job.view, "matched": job.matched, "trained_on": job.trained_on}
    measured: dict[str, Any] = {}
    note = ""
    if parts := differing(*jobs):
        note = not_compared(parts)
    else:
        try:
            measured = _measure(jobs, examples)
        except UserError as error:
            note = f"Not compared: {error}."
    return row | {name: measured.get(name) for name in _NUMBERS} | {"note": note}


def _measure(jobs: Sequence[JobResult], examples: Callable[[str], pd.DataFrame]) -> dict[str, Any]:
    first, second = read_correct(jobs, examples)[:, :, 0]
    found = compare_pair(first, second)
    assert found.interval is not None
    return {
        "n": len(first),
        "first": float(first.mean()),
        "second": float(second.mean()),
        "difference": found.difference,
        "low": found.interval.low,
        "high": found.interval.high,
        "interval": found.interval.kind,
        "p": found.p,
    }
