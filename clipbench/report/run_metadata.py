"""What was run: suites, versions, machines, and the jobs with their outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clipbench.report.details import ColumnDetail, Fact, JobDetail, facts, moment
from clipbench.report.text import numbers
from clipbench.results.folder import MergedResults, Results


@dataclass(frozen=True)
class Run:
    """One results folder."""

    name: str
    description: str
    groups: tuple[tuple[str, tuple[Fact, ...]], ...]
    """Titles with facts: versions, machine, ..."""
    texts: tuple[Fact, ...]
    """Longer texts, shown as they are: the suite."""


@dataclass(frozen=True)
class JobRow:
    """One job in the list of what was run."""

    detail: JobDetail
    column: str
    broken: str
    time: str
    finished: str


def runs(results: Results) -> tuple[Run, ...]:
    """Describe each results folder from its run.json."""
    parts = results.parts if isinstance(results, MergedResults) else (results,)
    return tuple(_run(part.run, part.folder.name) for part in parts)


def job_rows(details: tuple[ColumnDetail, ...]) -> tuple[JobRow, ...]:
    """List every job once, those that failed first."""
    rows: dict[str, JobRow] = {}
    for detail in details:
        for job in detail.jobs:
            rows.setdefault(job.job.hash, _row(detail.column.label, job))
    return tuple(sorted(rows.values(), key=lambda row: row.detail.job.status != "failed"))


def _row(column: str, detail: JobDetail) -> JobRow:
    seconds = detail.job.provenance.get("seconds")
    time = numbers.duration(seconds) if isinstance(seconds, int | float) else numbers.MISSING
    finished = moment(str(detail.job.provenance.get("finished", "")))
    return JobRow(detail, column, numbers.count(detail.job.n_broken), time, finished)


def _run(run: Mapping[str, Any], folder: str) -> Run:
    texts = {name: value for name, value in run.items() if isinstance(value, str) and "\n" in value.strip()}
    hidden = {*texts, "format", "description", "suite"}
    suite = run.get("suite")
    name = suite if isinstance(suite, str) and suite not in texts.values() else str(run.get("name") or folder)
    rest = {key: value for key, value in run.items() if key not in hidden}
    if isinstance(suite, Mapping):
        rest["suite"] = suite
    nested = {key: value for key, value in rest.items() if isinstance(value, Mapping)}
    plain = {key: value for key, value in rest.items() if key not in nested}
    groups = [("Run", facts(plain)), *((_label(key), facts(value)) for key, value in nested.items())]
    shown = tuple(Fact(_label(key), value.strip("\n")) for key, value in texts.items() if key != "description")
    return Run(name, str(run.get("description") or ""), tuple(group for group in groups if group[1]), shown)


def _label(key: str) -> str:
    return key.replace("_", " ").removesuffix(" text").capitalize()
