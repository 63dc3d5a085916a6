"""Two models on the same examples: the difference of their accuracies, and whether chance could have made it.

The interval is the paired bootstrap of `clipbench.stats.paired`; p is McNemar's exact test, and p_holm the same after
Holm's correction for all that was compared (`clipbench.stats.significance`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import combinations, permutations
from typing import Any

import pandas as pd

from clipbench.analyses.comparable import differing, not_compared, read_correct
from clipbench.errors import UserError, did_you_mean
from clipbench.results.folder import Results
from clipbench.results.records import JobResult
from clipbench.stats.paired import compare_pair
from clipbench.stats.significance import holm

_NUMBERS = ("n", "first", "second", "difference", "low", "high", "interval", "p", "p_holm")


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
    jobs: dict[tuple[str, ...], dict[str, JobResult]] = defaultdict(dict)
    for job in results.jobs():
        if job.status == "done":
            jobs[job.key[1:]][job.model] = job
    models = sorted({model for by_model in jobs.values() for model in by_model})
    pair = _two(models, first, second, str(results.folder))
    shared = [[by_model[model] for model in pair] for by_model in jobs.values() if by_model.keys() >= set(pair)]
    if not shared:
        fix = "run one suite with both: a data set, split, prompts and limit must be the same"
        raise UserError(f"{pair[0]!r} and {pair[1]!r} share no job", where=str(results.folder), fix=fix)
    rows = [_row(both, results.examples) for both in shared]
    corrected = holm([row["p"] for row in rows])
    frame = pd.DataFrame([row | {"p_holm": p_holm} for row, p_holm in zip(rows, corrected, strict=True)])
    frame.attrs.update(first=pair[0], second=pair[1])
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
