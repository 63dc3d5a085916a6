"""What a page shows of one job when it is opened."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from clipbench.metrics.specs import TableSpec
from clipbench.report import grids
from clipbench.report.figures.curve import Curve, draw
from clipbench.report.leaderboard import Cell, Column, Leaderboard
from clipbench.report.measured import Remark, distinct
from clipbench.report.pictures import Album, Shown, thumbs_of
from clipbench.report.run_metadata import Fact, facts
from clipbench.report.sections.prompts.figures import prompt_curves
from clipbench.report.text.declared import declared
from clipbench.results.folder import Results
from clipbench.results.records import JobResult, Record
from clipbench.tasks.prompt_sensitivity.prompt_sensitivity import PromptSensitivity


@dataclass(frozen=True)
class JobDetail:
    """One job, ready to be shown."""

    anchor: str
    """Unique in the page."""
    job: JobResult
    record: Record | None
    """What the leaderboard shows of it."""
    footnote: int | None
    notes: tuple[str, ...]
    """Those that no other model of the column shares."""
    wordings: Mapping[str, Record]
    """By metric what the sentence that opens a job of prompt sensitivity is made of; empty for other jobs."""
    metrics: grids.Grid | None
    tables: tuple[grids.Grid, ...]
    curves: Mapping[str, Curve]
    classes: list[list[Any]] | None
    """Rows of the searchable table of classes, or None where the tables show all classes."""
    pictures: tuple[Shown, ...]
    pedigree: tuple[Fact, ...]
    run_metadata: tuple[Fact, ...]


@dataclass(frozen=True)
class ColumnDetail:
    """One column of the leaderboard with its jobs."""

    column: Column
    about: Mapping[str, Any]
    remarks: tuple[Remark, ...]
    """Notes of several models."""
    jobs: tuple[JobDetail, ...]


def curves_of(job: JobResult) -> Mapping[str, Curve]:
    """Return the curves of a job, by the name of their table; none of fewer than two points."""
    tables = [(spec, job.tables[spec.name]) for spec in declared(job).tables if spec.name in job.tables]
    curves = {spec.name: draw(spec, table.dicts(), _chosen(job, spec)) for spec, table in tables}
    return {name: curve for name, curve in curves.items() if curve is not None} | prompt_curves(job)


def _chosen(job: JobResult, spec: TableSpec) -> object:
    """Return where a curve's ring is, as far as one of the job's metrics has it among its parameters."""
    metric, param = spec.curve.chosen_param if spec.curve else ("", "")
    return next((record.params.get(param) for record in job.records if record.metric == metric), None)


def curves_by_job(leaderboard: Leaderboard, limit: int) -> Mapping[str, Mapping[str, Curve]]:
    """Return at most `limit` curves in the leaderboard's order, by job hash and the name of their table."""
    found: dict[str, Mapping[str, Curve]] = {}
    for column in leaderboard.columns:
        for cell in leaderboard.cells(column):
            if limit > 0 and cell.job.hash not in found and (curves := curves_of(cell.job)):
                found[cell.job.hash] = dict(list(curves.items())[:limit])
                limit -= len(found[cell.job.hash])
    return found


def column_details(
    leaderboard: Leaderboard, results: Results, album: Album, curves: Mapping[str, Mapping[str, Curve]]
) -> tuple[ColumnDetail, ...]:
    """Gather the details of every job, column by column, models in the leaderboard's order."""
    details = []
    for place, column in enumerate(leaderboard.columns):
        cells = leaderboard.cells(column)
        told = distinct([(cell.job.model, cell.job.notes) for cell in cells])
        shared = tuple(remark for remark in told if len(remark.models) != 1) if len(cells) > 1 else ()
        gathered = {remark.text for remark in shared}
        jobs = tuple(
            _job_detail(f"job-{place}-{row}", cell, results, album, curves, gathered) for row, cell in enumerate(cells)
        )
        about = next((cell.job.about for cell in cells if cell.job.about), {})
        details.append(ColumnDetail(column, about, shared, jobs))
    return tuple(details)


def _job_detail(
    anchor: str,
    cell: Cell,
    results: Results,
    album: Album,
    curves: Mapping[str, Mapping[str, Curve]],
    gathered: Container[str],
) -> JobDetail:
    job = cell.job
    return JobDetail(
        anchor=anchor,
        job=job,
        record=cell.record,
        footnote=cell.footnote,
        notes=tuple(note for note in job.notes if note not in gathered),
        wordings=_wordings(job),
        metrics=grids.metrics(job) if job.records else None,
        tables=grids.of_result(job),
        curves=curves.get(job.hash, {}),
        classes=grids.full_classes(job),
        pictures=album.show(job.pictures, thumbs_of(results, job.hash)),
        pedigree=facts(asdict(job.pedigree)),
        run_metadata=facts(job.run_metadata),
    )


def _wordings(job: JobResult) -> Mapping[str, Record]:
    known = {record.metric: record for record in job.records if record.value is not None}
    whole = job.task == PromptSensitivity.name and "template_spread" in known
    return known if whole else {}
