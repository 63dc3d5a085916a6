"""Made-up results of analyses, and the section of the page that shows them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clipbench.report import page
from clipbench.report.leaderboard import make_leaderboard
from clipbench.report.pictures import Album
from clipbench.report.sections.base import PageData, Section
from clipbench.report.sections.registry import load_sections
from clipbench.results.folder import Results
from clipbench.results.records import AnalysisResult, JobResult, Record, Subject, Table


def finding(
    analysis: str, models: Sequence[str], dataset: str, records: Sequence[Record] = (), **more: Any
) -> AnalysisResult:
    """What an analysis found of some models on one data set."""
    about = Subject(tuple(models), (dataset,), split="test")
    return AnalysisResult(f"{analysis} {models} {dataset}", analysis, 1, "done", about, records=tuple(records), **more)


def difference(value: float, low: float, high: float, metric: str = "top1_difference") -> Record:
    """A paired difference with its interval."""
    return Record(metric, value, "fraction", low, high, 0.95, "paired bootstrap", 300)


def table(*rows: dict[str, Any]) -> Table:
    """Rows that have the same columns."""
    return Table(tuple(rows[0]), tuple(tuple(row.values()) for row in rows))


def shown(section: Section, *results: AnalysisResult, jobs: Sequence[JobResult] = ()) -> Any:
    """What a section has to show of results."""
    claimed = frozenset(name for known in load_sections() for name in known.analyses)
    data = PageData(Results(Path("nowhere")), jobs, results, make_leaderboard(jobs), (), Album(), claimed)
    return section.show(data, 0)


def markup(section: Section, *results: AnalysisResult, jobs: Sequence[JobResult] = ()) -> str:
    """The section's part of a page."""
    content = shown(section, *results, jobs=jobs)
    return page._template(section).render(section=content, series={}, coloured=False)
