"""What was run: suites, versions, machines, and the jobs with their outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clipbench.report.details import ColumnDetail, Fact, JobDetail, facts, moment
from clipbench.report.text import numbers
from clipbench.report.text.labels import capitalised
from clipbench.results.folder import MergedResults, Results


@dataclass(frozen=True)
class Run:
    """One results folder."""

    name: str
    description: str
    groups: tuple[tuple[str, tuple[Fact, ...]], ...]
    """Titles with facts: versions, machine, ..."""
    suite: str
    """Its text; '' where the run has none."""


@dataclass(frozen=True)
class JobRow:
    """One job in the list of what was run."""

    detail: JobDetail
    column: str
    task: str
    time: str
    finished: str


def runs(results: Results) -> tuple[Run, ...]:
    """Describe each results folder from its run.json."""
    parts = results.parts if isinstance(results, MergedResults) else (results,)
    return tuple(_run(part.run, part.folder.name) for part in parts)


def _run(run: Mapping[str, Any], folder: str) -> Run:
    apart = {"format", "suite", "description", "suite_text"}
    nested = {key: value for key, value in run.items() if isinstance(value, Mapping)}
    plain = {key: value for key, value in run.items() if key not in {*apart, *nested}}
    groups = [("Run", facts(plain)), *((capitalised(key), facts(value)) for key, value in nested.items())]
    return Run(
        name=str(run.get("suite") or folder),
        description=str(run.get("description") or ""),
        groups=tuple(group for group in groups if group[1]),
        suite=str(run.get("suite_text") or "").strip("\n"),
    )


def job_rows(details: tuple[ColumnDetail, ...]) -> tuple[JobRow, ...]:
    """List every job once, those that failed first."""
    rows: dict[str, JobRow] = {}
    for detail in details:
        for job in detail.jobs:
            rows.setdefault(job.job.hash, _row(detail, job))
    return tuple(sorted(rows.values(), key=lambda row: row.detail.job.status != "failed"))


def _row(column: ColumnDetail, detail: JobDetail) -> JobRow:
    seconds = detail.job.provenance.get("seconds")
    time = numbers.duration(seconds) if isinstance(seconds, int | float) else numbers.MISSING
    finished = moment(str(detail.job.provenance.get("finished", "")))
    return JobRow(detail, column.column.label, column.column.measurement.label, time, finished)
