"""Which of two models each template puts ahead: what `data/wordings.js` holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from clipbench.report.site.pages.base import SiteData
from clipbench.results.records import AnalysisResult, JobResult


def orders(data: SiteData) -> list[Mapping[str, Any]]:
    """Return for each data set with prompt sensitivity of two models what each template makes of them.

    Right answers are counts, so that equal models are equal. Of each pair, in the order of `numpy.triu_indices(M, 1)`,
    `sure` is how many templates put the first ahead beyond chance, and how many the second, as the rank stability
    analysis tests it.
    """
    jobs = {job.hash: job for job in data.here.jobs}
    found = [made for result in data.analyses for made in _of_result(result, jobs, data.places)]
    return [{"place": place, **made} for place, made in enumerate(found)]


def _of_result(
    result: AnalysisResult, jobs: Mapping[str, JobResult], places: Mapping[str, int]
) -> Iterator[Mapping[str, Any]]:
    if result.analysis != "rank_stability" or "rank_flips" not in result.tables:
        return
    known = {jobs[name].model: jobs[name] for name in result.jobs if name in jobs and jobs[name].model in places}
    if len(known) < 2 or any("top1" not in job.tables["templates"].columns for job in known.values()):
        return
    flips = {(row["first"], row["second"]): row for row in result.tables["rank_flips"].dicts()}
    right = {model: _right(job) for model, job in known.items()}
    models = sorted(known, key=places.__getitem__)
    job = known[models[0]]
    yield {
        "dataset": job.dataset,
        "prompts": job.prompts,
        "subset": job.pedigree.subset,
        "n": job.main.n if job.main else 0,
        "models": [places[model] for model in models],
        "chance": [places[model] for model in models if known[model].at_chance],
        "templates": list(right[models[0]]),
        "right": [list(right[model].values()) for model in models],
        "sure": [_sure(flips, one, other) for one, other in combinations(models, 2)],
    }


def _right(job: JobResult) -> Mapping[str, int]:
    """Return the right answers with each template; controls, which are there to be worse, are none."""
    n = job.main.n if job.main else 0
    return {row["template"]: round(row["top1"] * n) for row in job.tables["templates"].dicts() if row["role"] == ""}


def _sure(flips: Mapping[tuple[str, str], Mapping[str, Any]], one: str, other: str) -> Sequence[int]:
    if (one, other) in flips:
        return [flips[one, other]["first_significant"], flips[one, other]["second_significant"]]
    return [flips[other, one]["second_significant"], flips[other, one]["first_significant"]]
