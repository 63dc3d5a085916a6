"""One model on everything that it was measured on, or that was published of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import ClassVar

from clipbench.report.details import JobDetail, curves_of, job_detail
from clipbench.report.leaderboard import Cell as MeasuredCell
from clipbench.report.leaderboard import Column as MeasuredColumn
from clipbench.report.pictures import Shown
from clipbench.report.run_metadata import Fact
from clipbench.report.site.data import board
from clipbench.report.site.pages.base import DataFile, Document, SiteData
from clipbench.report.site.pages.model.failures import Failures, failures
from clipbench.report.site.pages.model.findings import Findings, FindingTable
from clipbench.report.site.pages.model.loading import Run, Snippet, fingerprints, provenance, runs_of, snippets
from clipbench.report.site.pages.model.means import Mean, means_of
from clipbench.report.site.pages.model.profile import Field, Row


@dataclass(frozen=True)
class Job:
    """One job of the model, and where it stands in the board."""

    column: MeasuredColumn
    detail: JobDetail
    record: str
    """Where its record is published."""


@dataclass(frozen=True)
class ModelView:
    """What the template shows of one model."""

    model: board.Model
    source: board.PublishedTable | None
    """Of published figures."""
    notices: tuple[str, ...]
    """Why its whole row is not compared."""
    snippets: tuple[Snippet, ...]
    means: tuple[Mean, ...]
    rows: tuple[Row, ...]
    failures: tuple[Failures, ...]
    shifts: tuple[FindingTable, ...]
    labels: tuple[FindingTable, ...]
    jobs: tuple[tuple[str, tuple[Job, ...]], ...]
    """By what its task is called."""
    worded: tuple[Job, ...]
    """Those in which the wording was varied."""
    runs: tuple[Run, ...]
    provenance: tuple[Fact, ...]
    fingerprints: tuple[Fact, ...]


class ModelPage:
    """What a model is, its sets against the field's median, where it fails, and the evidence of each number."""

    name: ClassVar[str] = "model"
    label: ClassVar[str] = ""

    def documents(self, data: SiteData) -> Iterable[Document | DataFile]:
        """Return a document for each model of the board."""
        field, findings = Field(data), Findings(data)
        for place, model in enumerate(data.board.models):
            yield Document(data.model_path(place), model.name, partial(_view, data, place, field, findings))


def _view(data: SiteData, place: int, field: Field, findings: Findings) -> ModelView:
    model, measured = data.board.models[place], data.leaderboard.models
    name = measured[place] if place < len(measured) else model.name
    cells = _cells(data, name) if place < len(measured) else []
    jobs, done = _jobs(data, cells), [cell.job for _, cell in cells if cell.job.status == "done"]
    whole_row = (note for note in data.board.footnotes if place in note.models and note.column is None)
    return ModelView(
        model=model,
        source=next((table for table in data.board.published if model.origin == "published"), None),
        notices=tuple(note.text for note in whole_row),
        snippets=snippets(name, model.origin),
        means=means_of(data.board, place),
        rows=field.rows(place),
        failures=failures(cells, lambda cell: _pictures(data, cell)),
        shifts=findings.shifts(name),
        labels=findings.labels(name),
        jobs=tuple((task, tuple(of_task)) for task, of_task in groupby(jobs, lambda job: job.column.measurement.label)),
        worded=tuple(job for job in jobs if job.detail.wordings),
        runs=runs_of(data.results, name, {cell.job.hash for _, cell in cells}),
        provenance=provenance(done),
        fingerprints=fingerprints(done),
    )


def _cells(data: SiteData, name: str) -> list[tuple[MeasuredColumn, MeasuredCell]]:
    """Return a measured model's columns with its cells; a failed job that several may have is in the first alone."""
    found: Mapping[str, tuple[MeasuredColumn, MeasuredCell]] = {
        column.cells[name].job.hash: (column, column.cells[name])
        for column in reversed(data.leaderboard.columns)
        if name in column.cells
    }
    return list(found.values())[::-1]


def _jobs(data: SiteData, cells: Sequence[tuple[MeasuredColumn, MeasuredCell]]) -> tuple[Job, ...]:
    evidence = data.written.evidence
    return tuple(
        Job(
            column,
            job_detail(f"job-{evidence[cell.job.hash]}", cell, _pictures(data, cell), curves_of(cell.job)),
            f"jobs/{evidence[cell.job.hash]}.json",
        )
        for column, cell in cells
    )


def _pictures(data: SiteData, cell: MeasuredCell) -> tuple[Shown, ...]:
    """Return a job's thumbnails as the site has them, beside the folder of this page."""
    return tuple(
        Shown(
            *(picture.get(name, "") for name in ("id", "caption", "true_label", "prediction")),
            f"../{picture['image']}",
        )
        for picture in data.written.pictures[cell.job.hash]
    )
