"""Two models on the same examples: the difference of their accuracies, and whether chance could have made it.

The interval is the paired bootstrap of `clipbench.stats.paired`; p is McNemar's exact test, and p_holm the same after
Holm's correction for all that was compared (`clipbench.stats.significance`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, permutations
from typing import Any

import pandas as pd

from clipbench.analyses.base import Finding
from clipbench.analyses.comparable import read_correct, side_by_side, subject_of
from clipbench.errors import UserError, did_you_mean
from clipbench.results.folder import Results
from clipbench.results.records import JobResult
from clipbench.stats.paired import compare_pair
from clipbench.stats.significance import holm

_NUMBERS = ("n", "first", "second", "difference", "low", "high", "interval", "p")


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
    jobs = {job.hash: job for job in results.jobs() if job.status == "done"}
    pair = _two(sorted({job.model for job in jobs.values()}), first, second, str(results.folder))
    shared = (job for job in jobs.values() if job.model in pair)
    findings = side_by_side(shared, lambda both: _finding(sorted(both, key=lambda job: pair.index(job.model)), results))
    if not findings:
        fix = "run one suite with both: a data set, split, prompts and limit must be the same"
        raise UserError(f"{pair[0]!r} and {pair[1]!r} share no job", where=str(results.folder), fix=fix)
    rows = [_row(jobs[finding.jobs[0]], finding) for finding in findings]
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


def _finding(jobs: Sequence[JobResult], results: Results) -> Finding:
    first, second = read_correct(jobs, results.examples)[:, :, 0]
    comparison = compare_pair(first, second)
    interval = comparison.interval
    values = (len(first), float(first.mean()), float(second.mean()), comparison.difference)
    row = (*values, interval.low, interval.high, interval.kind, comparison.p)
    table = pd.DataFrame([row], columns=list(_NUMBERS))
    return Finding(subject_of(jobs), (), {"comparison": table}, tuple(job.hash for job in jobs))


def _row(job: JobResult, finding: Finding) -> dict[str, Any]:
    row = {name: getattr(job, name) for name in ("dataset", "split", "task", "variant")}
    row |= {"subset": job.pedigree.subset, "view": job.view, "matched": job.matched, "trained_on": job.trained_on}
    table = finding.tables.get("comparison")
    row |= {name: None if table is None else table[name].item() for name in _NUMBERS}
    return row | {"p_holm": None, "note": " ".join(finding.notes)}
