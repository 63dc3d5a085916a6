"""How far accuracy, and the order of models, depend on the wording of prompts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from clipbench.report.figures.matrix import NUMBERED, Matrix
from clipbench.report.sections.comparisons.section import matrix
from clipbench.report.site.data.names import slugs
from clipbench.report.site.pages.base import DataFile, Document, SiteData
from clipbench.report.site.pages.listing import Listing
from clipbench.report.site.pages.wording.tables import families, templates, wordings
from clipbench.report.text import labels
from clipbench.report.text.claims import at_chance, chance, rests_on
from clipbench.results.records import AnalysisResult, JobResult, Record


@dataclass(frozen=True)
class Spread:
    """How far the templates of one model lie apart, freed of the noise of the images."""

    model: str
    record: Record


@dataclass(frozen=True)
class Wordings:
    """The models on one data set, asked in the same words."""

    slug: str
    name: str
    condition: str
    """Prompt set, split and subset, as far as they need saying."""
    count: int
    """Templates."""
    basis: str
    chance: str
    spreads: tuple[Spread, ...]
    """The smallest and the largest one, or the only one; none where no model is above chance."""
    models: int
    at_chance: tuple[str, ...]
    """Models that are not above chance in the mean over templates, nor with the best one."""
    orders: AnalysisResult | None
    flips: Matrix | None
    numbers: Listing
    families: Listing | None
    templates: Listing | None


class WordingPage:
    """The range over templates of each model, and whether the wording decides who is ahead."""

    name: ClassVar[str] = "wording"
    label: ClassVar[str] = "Wording"

    def documents(self, data: SiteData) -> Iterable[Document | DataFile]:
        """Return its documents; none where there is nothing to show."""
        groups = _groups(data)
        return (Document("wording.html", "Wording", lambda: _content(groups, data)),) if groups else ()


def _groups(data: SiteData) -> tuple[tuple[JobResult, ...], ...]:
    """Gather the jobs that were asked the same of the same images, in the leaderboard's order of models."""
    found: dict[tuple[object, ...], list[JobResult]] = defaultdict(list)
    for job in data.as_report.jobs:
        done = job.task == "prompt_sensitivity" and job.plain and job.status == "done" and job.main
        if done and job.model in data.places:
            found[_asked(job)].append(job)
    groups = (tuple(sorted(jobs, key=lambda job: data.places[job.model])) for jobs in found.values())
    regimes = {column.dataset: labels.regime_order(column.regime) for column in data.board.columns}
    return tuple(sorted(groups, key=lambda jobs: (regimes[jobs[0].dataset], labels.natural(jobs[0].dataset))))


def _asked(job: JobResult) -> tuple[object, ...]:
    return (job.dataset, job.split, job.prompts, job.pedigree.subset, job.pedigree.data, *job.condition.words)


def _content(groups: Sequence[Sequence[JobResult]], data: SiteData) -> tuple[Wordings, ...]:
    several = [jobs[0].dataset for jobs in groups]
    conditions = [_condition(jobs[0]) if several.count(jobs[0].dataset) > 1 else "" for jobs in groups]
    names = [" ".join(part for part in both if part) for both in zip(several, conditions, strict=True)]
    addresses = slugs(names)
    return tuple(
        _wordings(jobs, addresses[name], condition, data)
        for jobs, name, condition in zip(groups, names, conditions, strict=True)
    )


def _condition(job: JobResult) -> str:
    parts = (f"prompts {job.prompts}" if job.prompts else "", f"split {job.split}", job.pedigree.subset)
    return ", ".join(part for part in parts if part)


def _wordings(jobs: Sequence[JobResult], slug: str, condition: str, data: SiteData) -> Wordings:
    first, told = jobs[0].main, {job.model: {record.metric: record for record in job.records} for job in jobs}
    assert first is not None
    nothing = [model for model, records in told.items() if _nothing(records.values())]
    spreads = [
        Spread(model, found)
        for model, records in told.items()
        if (found := records.get("template_spread")) and found.value is not None and model not in nothing
    ]
    spreads.sort(key=lambda spread: spread.record.value or 0.0)
    orders = _orders(jobs, data)
    return Wordings(
        slug=slug,
        name=jobs[0].dataset,
        condition=condition,
        count=int(first.params.get("templates", 0)),
        basis=rests_on(first, jobs[0].pedigree.subset),
        chance=chance(first),
        spreads=tuple(spreads if len(spreads) < 2 else (spreads[0], spreads[-1])),
        models=len(jobs),
        at_chance=tuple(nothing),
        orders=orders,
        flips=matrix(orders, NUMBERED) if orders else None,
        numbers=wordings(jobs, data),
        families=families(jobs, data),
        templates=templates(jobs, data),
    )


def _nothing(records: Iterable[Record]) -> bool:
    known = [record for record in records if record.metric in ("mean", "best")]
    return bool(known) and all(map(at_chance, known))


def _orders(jobs: Sequence[JobResult], data: SiteData) -> AnalysisResult | None:
    """Return what was found of the order of these models; of several results that of most of them."""
    hashes = {job.hash for job in jobs}
    found = [
        result
        for result in data.as_report.results_of("rank_stability")
        if result.status == "done" and result.records and set(result.jobs) <= hashes
    ]
    return max(found, key=lambda result: len(result.jobs), default=None)
