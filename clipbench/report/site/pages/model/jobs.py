"""The evidence of a model's numbers: what each of its jobs measured, and what that depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from clipbench.report import grids
from clipbench.report.details import curves_of, picture_words, role_of
from clipbench.report.figures.curve import Curve
from clipbench.report.leaderboard import Cell, Column
from clipbench.report.pictures import Shown
from clipbench.report.run_metadata import Fact, facts
from clipbench.report.site.pages.base import SiteData
from clipbench.results.records import JobResult, Record


@dataclass(frozen=True)
class Job:
    """One job of the model, and where it stands in the board."""

    column: Column
    anchor: str
    path: str
    """Where its record is published."""
    result: JobResult
    record: Record | None
    """What the board shows of it."""
    metrics: grids.Grid | None
    tables: tuple[grids.Grid, ...]
    classes: grids.Grid | None
    """The worst ones, where the tables do not show all."""
    curves: Mapping[str, Curve]
    """By the name of their table."""
    pictures: tuple[Shown, ...]
    pedigree: tuple[Fact, ...]
    run_metadata: tuple[Fact, ...]

    @property
    def role(self) -> str:
        """What its pictures are."""
        return role_of(self.result)

    @property
    def words(self) -> tuple[str, str]:
        """What stands before what a picture shows, and before what was answered."""
        return picture_words(self.result)


def cells_of(data: SiteData, model: str) -> list[tuple[Column, Cell]]:
    """Return a measured model's columns with its cells; a failed job that several may have is in the first alone."""
    found: Mapping[str, tuple[Column, Cell]] = {
        column.cells[model].job.hash: (column, column.cells[model])
        for column in reversed(data.leaderboard.columns)
        if model in column.cells
    }
    return list(found.values())[::-1]


def jobs_of(data: SiteData, cells: Sequence[tuple[Column, Cell]]) -> tuple[Job, ...]:
    """Return the jobs of a model's cells, in their order."""
    return tuple(_job(data, column, cell) for column, cell in cells)


def _job(data: SiteData, column: Column, cell: Cell) -> Job:
    job, name = cell.job, data.written.evidence[cell.job.hash]
    return Job(
        column=column,
        anchor=f"job-{name}",
        path=f"jobs/{name}.json",
        result=job,
        record=cell.record,
        metrics=grids.metrics(job) if job.records else None,
        tables=grids.of_result(job),
        classes=grids.listed_classes(job),
        curves=curves_of(job),
        pictures=pictures_of(data, job),
        pedigree=facts(asdict(job.pedigree)),
        run_metadata=facts(job.run_metadata),
    )


def pictures_of(data: SiteData, job: JobResult) -> tuple[Shown, ...]:
    """Return a job's thumbnails as the site has them, beside the folder of this page."""
    return tuple(
        Shown(
            id=picture.get("id", ""),
            caption=picture.get("caption", ""),
            true_label=picture.get("true_label", ""),
            prediction=picture.get("prediction", ""),
            uri=f"../{picture['image']}",
        )
        for picture in data.written.pictures[job.hash]
    )
