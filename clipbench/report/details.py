"""What a page shows of one job when it is opened."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from clipbench.metrics.specs import TableSpec
from clipbench.report import grids
from clipbench.report.figures.curve import Curve, draw
from clipbench.report.held import Block, Held
from clipbench.report.leaderboard import Column, Leaderboard
from clipbench.report.measured import Remark, distinct
from clipbench.report.pictures import LEFT_OUT, Album, Shown, thumbs_of
from clipbench.report.run_metadata import facts
from clipbench.report.sections.prompts.figures import prompt_curves
from clipbench.report.text import labels, numbers
from clipbench.report.text.declared import declared
from clipbench.results.folder import Results
from clipbench.results.records import JobResult, Record
from clipbench.tasks.retrieval.retrieval import Retrieval

_BROKEN = 20
"""Images that are named."""


@dataclass(frozen=True)
class JobDetail:
    """One job: what its line says, and the box that opens below it."""

    anchor: str
    """'job-HASH'; '' where its job has a line further up: one that failed early may belong to several columns."""
    job: JobResult
    record: Record | None
    """What the leaderboard shows of it."""
    footnote: int | None
    box: int
    """Its place among what the page holds."""

    @property
    def spread(self) -> Record | None:
        """Of a job of prompt sensitivity, over the templates that its number is the mean of."""
        return spread_of(self.job)


@dataclass(frozen=True)
class ColumnDetail:
    """One column of the leaderboard with its jobs."""

    column: Column
    about: Mapping[str, Any]
    remarks: tuple[Remark, ...]
    """Notes of several models."""
    jobs: tuple[JobDetail, ...]


def spread_of(job: JobResult) -> Record | None:
    """Return how far a job's number spreads over templates; None of other jobs, and where it has no value."""
    found = (record for record in job.records if record.metric == "template_spread" and record.value is not None)
    return next(found, None)


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


def repeated_notes(leaderboard: Leaderboard) -> tuple[Remark, ...]:
    """Return the notes that jobs of several columns have, each with the columns it is about."""
    told = [(column.label, cell.job.notes) for column in leaderboard.columns for cell in leaderboard.cells(column)]
    found = distinct(told) if len(leaderboard.columns) > 1 else ()
    return tuple(remark for remark in found if len(remark.models) != 1)


def column_details(
    leaderboard: Leaderboard,
    results: Results,
    album: Album,
    curves: Mapping[str, Mapping[str, Curve]],
    held: Held,
    said: Collection[str] = (),
) -> tuple[ColumnDetail, ...]:
    """Gather the details of every job, column by column, models in the leaderboard's order.

    Args:
        leaderboard: whose jobs are shown.
        results: that they are of.
        album: of the page.
        curves: by job hash and table.
        held: takes what the jobs' boxes hold.
        said: notes that stand elsewhere.
    """
    shown, boxes = _pictures(leaderboard, results, album), dict[str, int]()
    details = []
    for column in leaderboard.columns:
        cells = leaderboard.cells(column)
        told = distinct([(cell.job.model, cell.job.notes) for cell in cells])
        shared = tuple(remark for remark in told if len(remark.models) != 1) if len(cells) > 1 else ()
        elsewhere = {*said, *(remark.text for remark in shared)}
        jobs = []
        for cell in cells:
            job = cell.job
            anchor = "" if job.hash in boxes else f"job-{job.hash}"
            if anchor:
                drawn = curves.get(job.hash, {})
                boxes[job.hash] = held.box(*_blocks(job, held, drawn, shown[job.hash], elsewhere))
            jobs.append(JobDetail(anchor, job, cell.record, cell.footnote, boxes[job.hash]))
        about = next((cell.job.about for cell in cells if cell.job.about), {})
        details.append(ColumnDetail(column, about, tuple(r for r in shared if r.text not in said), tuple(jobs)))
    return tuple(details)


def _pictures(leaderboard: Leaderboard, results: Results, album: Album) -> Mapping[str, tuple[Shown, ...]]:
    """Return each job's pictures by hash; where the album has no room for all, the best models have theirs."""
    placed = [
        column.cells[model].job
        for model in leaderboard.models
        for column in leaderboard.columns
        if model in column.cells
    ]
    return {job.hash: album.show(job.pictures, thumbs_of(results, job.hash)) for job in placed}


def _blocks(
    job: JobResult, held: Held, curves: Mapping[str, Curve], pictures: Sequence[Shown], elsewhere: Container[str]
) -> Iterator[Block]:
    """Set out what a job's box holds, notes left out that stand elsewhere."""
    if job.error:
        yield held.notes([job.error], kind="notice")
    if notes := [note for note in job.notes if note not in elsewhere]:
        yield held.notes(notes)
    if job.records:
        yield held.grid(grids.metrics(job), tall=False)
    tables = grids.of_result(job)
    for table in tables:
        if table.name in curves:
            yield held.beside(held.curve(curves[table.name]), held.grid(table, tall=True), kind="pair")
    if others := [held.grid(table) for table in tables if table.name not in curves]:
        yield held.beside(*others)
    if classes := grids.listed_classes(job):
        yield held.grid(classes, tall=True, search="Find a class")
    if pictures:
        yield _album(job, held, pictures)
    if job.n_broken:
        yield _broken(job, held)
    beside = held.facts("For the record", facts(job.run_metadata), f"Per example: examples/{job.hash}.parquet")
    yield held.beside(held.facts("What the number depends on", facts(asdict(job.pedigree))), beside)


def _album(job: JobResult, held: Held, pictures: Sequence[Shown]) -> Block:
    kept = [picture for picture in pictures if picture.why_not != LEFT_OUT]
    left = labels.counted(len(pictures) - len(kept), "picture")
    foot = (
        f"{left} left out to keep the page small; the thumbnails are in the results folder." if left[0] != "0" else ""
    )
    return held.album(role_of(job), kept, picture_words(job), foot)


def role_of(job: JobResult) -> str:
    """Return what a job's pictures are, e.g. 'Confident mistakes'."""
    role = labels.capitalised(str(job.pictures[0].get("role") or "picture"))
    return role if role[-1:] == "s" else f"{role}s"


def picture_words(job: JobResult) -> tuple[str, str]:
    """Return what stands before what a picture shows, and before what was answered."""
    return ("its caption", "retrieved") if job.task == Retrieval.name else ("true", "predicted")


def _broken(job: JobResult, held: Held) -> Block:
    named = [": ".join(filter(None, (item.get("id", ""), item.get("problem")))) for item in job.broken[:_BROKEN]]
    left = job.n_broken - len(named)
    title = f"{labels.counted(job.n_broken, 'broken image')}, left out"
    return held.notes([*named, *([f"and {numbers.count(left)} more"] if left else [])], title)
