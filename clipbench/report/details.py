"""What a page shows of one job when it is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from clipbench.report import grids
from clipbench.report.cells import Grid
from clipbench.report.figures.curve import Curve
from clipbench.report.leaderboard import Board, Cell, Column
from clipbench.report.pictures import Album, Shown, thumbs_of
from clipbench.report.text import numbers
from clipbench.results.folder import Results
from clipbench.results.records import JobResult

_SHORT = 12
"""Characters of a digest that are shown; the whole one is a pointer's rest away."""

BROKEN_SHOWN = 20


@dataclass(frozen=True)
class Fact:
    """A name with a value; `full` is the value where `text` is cut."""

    name: str
    text: str
    full: str = ""


@dataclass(frozen=True)
class JobDetail:
    """One job, ready to be shown."""

    anchor: str
    """Unique in the page."""
    job: JobResult
    value: str
    interval: str
    metrics: Grid | None
    tables: tuple[Grid, ...]
    curves: Mapping[str, Curve]
    """Figures, by the name of the table that they are drawn of."""
    classes: list[list[Any]] | None
    """Rows of the searchable table of classes, or None where the tables show all classes."""
    n_classes: int
    pictures: tuple[Shown, ...]
    broken: tuple[Mapping[str, str], ...]
    pedigree: tuple[Fact, ...]
    provenance: tuple[Fact, ...]
    footnote: int | None

    @property
    def n(self) -> int:
        """Examples that the main metric rests on."""
        return self.job.main.n if self.job.main else 0


@dataclass(frozen=True)
class ColumnDetail:
    """One column of the leaderboard with its jobs."""

    column: Column
    about: tuple[Fact, ...]
    description: str
    jobs: tuple[JobDetail, ...]


def column_details(
    board: Board, results: Results, album: Album, curves: Mapping[str, Mapping[str, Curve]]
) -> tuple[ColumnDetail, ...]:
    """Gather the details of every job, column by column, models in the board's order.

    Args:
        board: the leaderboard.
        results: where thumbnails are.
        album: counts the thumbnails.
        curves: by job hash and table.
    """
    details = []
    for place, column in enumerate(board.columns):
        models = [model for model in board.models if model in column.cells]
        jobs = tuple(
            _job_detail(f"job-{place}-{row}", column.cells[model], results, album, curves)
            for row, model in enumerate(models)
        )
        about = next((job.job.about for job in jobs if job.job.about), {})
        details.append(ColumnDetail(column, _about(about), str(about.get("description") or ""), jobs))
    return tuple(details)


def _job_detail(
    anchor: str, cell: Cell, results: Results, album: Album, curves: Mapping[str, Mapping[str, Curve]]
) -> JobDetail:
    job, record = cell.job, cell.record
    return JobDetail(
        anchor=anchor,
        job=job,
        value=numbers.with_unit(record.value, record.unit) if record else "",
        interval=numbers.interval(record) if record else "",
        metrics=grids.metrics(job.records) if job.records else None,
        tables=grids.of_job(job),
        curves=curves.get(job.hash, {}),
        classes=grids.full_classes(job),
        n_classes=len(job.tables["per_class"].rows) if "per_class" in job.tables else 0,
        pictures=album.show(job.pictures, thumbs_of(results, job.hash)),
        broken=job.broken[:BROKEN_SHOWN],
        pedigree=tuple(_digest(name, value) for name, value in asdict(job.pedigree).items() if value),
        provenance=facts(job.provenance),
        footnote=cell.footnote,
    )


def _digest(name: str, value: str) -> Fact:
    if len(value) >= 32 and all(character in "0123456789abcdef" for character in value):
        return Fact(name, value[:_SHORT], value)
    return Fact(name, value)


def _about(about: Mapping[str, Any]) -> tuple[Fact, ...]:
    shown = ("regime", "source", "licence")
    return tuple(Fact(name, str(about[name])) for name in shown if about.get(name))


def facts(mapping: Mapping[str, Any], prefix: str = "") -> tuple[Fact, ...]:
    """Return a mapping as names and values; nested ones joined by dots, empty values left out."""
    found: list[Fact] = []
    for name, value in mapping.items():
        label = f"{prefix}{str(name).replace('_', ' ')}"
        if isinstance(value, Mapping):
            found += facts(value, f"{label} · ")
        elif name == "seconds" and isinstance(value, int | float):
            found.append(Fact("time", numbers.duration(value)))
        elif name in {"started", "finished"}:
            found.append(Fact(label, moment(str(value))))
        elif value not in (None, "", [], ()):
            found.append(Fact(label, _plain(value)))
    return tuple(found)


def moment(text: str) -> str:
    """Return '2026-01-02 03:04 UTC' for an ISO time in UTC; any other text as it is."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{time:%Y-%m-%d %H:%M} UTC" if time.utcoffset() == timedelta(0) else text


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return str(value)
