"""One model on everything that it was measured on, or that was published of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import ClassVar

from clipbench.report.failures import Failure
from clipbench.report.grids import Grid
from clipbench.report.run_metadata import Fact
from clipbench.report.site.data import board
from clipbench.report.site.pages.base import DataFile, Document, SiteData
from clipbench.report.site.pages.model.failures import failures
from clipbench.report.site.pages.model.findings import Findings, FindingTable, wordings
from clipbench.report.site.pages.model.jobs import Job, cells_of, jobs_of, pictures_of
from clipbench.report.site.pages.model.loading import Run, Snippet, fingerprints, provenance, runs_of, snippets
from clipbench.report.site.pages.model.means import Mean, means_of
from clipbench.report.site.pages.model.profile import Field, Row


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
    failures: tuple[Failure, ...]
    shifts: tuple[FindingTable, ...]
    labels: tuple[FindingTable, ...]
    jobs: tuple[tuple[str, tuple[Job, ...]], ...]
    """By what its task is called."""
    worded: Grid | None
    """Its accuracy in other words."""
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
    cells = cells_of(data, name) if place < len(measured) else []
    jobs, done = jobs_of(data, cells), [cell.job for _, cell in cells if cell.job.status == "done"]
    whole_row = (note for note in data.board.footnotes if place in note.models and note.column is None)
    return ModelView(
        model=model,
        source=next((table for table in data.board.published if model.origin == "published"), None),
        notices=tuple(note.text for note in whole_row),
        snippets=snippets(name, model.origin),
        means=means_of(data.board, place),
        rows=field.rows(place),
        failures=failures(cells, lambda job: pictures_of(data, job)),
        shifts=findings.shifts(name),
        labels=findings.labels(name),
        jobs=tuple((task, tuple(of_task)) for task, of_task in groupby(jobs, lambda job: job.column.measurement.label)),
        worded=wordings(done),
        runs=runs_of(data.results, name, {cell.job.hash for _, cell in cells}),
        provenance=provenance(done),
        fingerprints=fingerprints(done),
    )
