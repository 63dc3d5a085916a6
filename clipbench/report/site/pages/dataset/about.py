"""What a data set is: description, size, chance, and the prompts that stand for its classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from clipbench.datasets.catalog import catalog_definitions
from clipbench.report.run_metadata import Fact
from clipbench.report.site.data.board import Column
from clipbench.report.site.data.names import without_paths
from clipbench.report.site.pages.base import SiteData
from clipbench.report.site.pages.dataset.source import MeasuredColumn, pictures_of
from clipbench.report.text import numbers
from clipbench.results.records import JobResult

SAMPLES = 8


@dataclass(frozen=True)
class Prompts:
    """The templates of a prompt set, as jobs have used them."""

    name: str
    templates: tuple[tuple[str, str], ...]
    """Each with its first prompt."""


@dataclass(frozen=True)
class About:
    """What is known of a data set."""

    description: str
    facts: tuple[Fact, ...]
    prompts: tuple[Prompts, ...]
    samples: tuple[Mapping[str, str], ...]
    """Pictures, of one class each as far as there are any."""
    hard: bool
    """Whether these are among a model's mistakes, and not chosen without regard to any model."""


def about(data: SiteData, dataset: str, measured: Sequence[MeasuredColumn]) -> About:
    """Describe a data set by what its jobs declare, else by the catalog."""
    jobs = list(chain.from_iterable(column.jobs for column in measured))
    known = catalog_definitions().get(dataset)
    declared: dict[str, Any] = {}
    for told in (*(job.about for job in jobs), vars(known.info) if known else {}):
        declared = {**told, **{name: value for name, value in declared.items() if value}}
    column = next(column for column in data.board.columns if column.dataset == dataset)
    samples = pictures_of(data, dataset, column.split, samples=True)
    stored = samples or pictures_of(data, dataset, column.split)
    return About(
        description=str(declared.get("description") or ""),
        facts=tuple(_facts(column, declared, jobs)),
        prompts=tuple(_prompts(jobs)),
        samples=tuple(_of_distinct_classes(list(stored.values()))),
        hard=not samples,
    )


def _facts(column: Column, declared: Mapping[str, Any], jobs: Sequence[JobResult]) -> Iterator[Fact]:
    copies = next((job.duplicates.within for job in jobs if job.duplicates), 0)
    told = {
        "regime": declared.get("regime"),
        "source": declared.get("source"),
        "licence": declared.get("licence"),
        "images": numbers.count(column.n) + (f" ({column.limit})" if column.limit else "") if column.n else None,
        "equal to an earlier image": numbers.count(copies) if copies else None,
        "come in clusters by": declared.get("cluster"),
        "split": column.split if jobs else None,
        "classes": numbers.count(column.classes) if column.classes else None,
        "guessing gives": numbers.with_unit(column.chance, column.unit) if column.chance is not None else None,
        "always the commonest class": numbers.with_unit(column.commonest, column.unit) if column.commonest else None,
    }
    yield from (Fact(name, str(without_paths(str(text)))) for name, text in told.items() if text)


def _prompts(jobs: Sequence[JobResult]) -> Iterator[Prompts]:
    seen = set()
    for job in jobs:
        table, key = job.tables.get("prompts"), (job.prompts, job.pedigree.prompts)
        if table and {"template", "first_prompt"} <= set(table.columns) and key not in seen:
            seen.add(key)
            rows = ((str(row["template"]), str(row["first_prompt"])) for row in table.dicts())
            yield Prompts(job.prompts, tuple(rows))


def _of_distinct_classes(pictures: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """Return the first picture of each class, then others, `SAMPLES` at most."""
    first = {picture.get("true_label") or picture["id"]: picture for picture in reversed(pictures)}
    ordered = [*reversed(first.values()), *(picture for picture in pictures if picture not in first.values())]
    return ordered[:SAMPLES]
