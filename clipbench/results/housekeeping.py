"""What a results folder holds, and removing jobs from it with all that belongs to them alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clipbench.errors import UserError, did_you_mean
from clipbench.results.files import Damaged, read_analysis, read_job
from clipbench.results.folder import Results
from clipbench.results.records import JobResult

Standing = Literal["counts", "trial", "replaced", "failed"]


@dataclass(frozen=True)
class StoredJob:
    """A job's files in a results folder."""

    job: JobResult
    standing: Standing
    """'trial': another is on more examples; 'replaced': a newer one measures the same."""
    bytes: int
    """Of its records and its per-example table."""


def stored_jobs(results: Results) -> tuple[StoredJob, ...]:
    """Return every job of a folder, by model, data set and task.

    Raises:
        UserError: a file is damaged or of a newer clipbench.
    """
    known = [job for path in (results.folder / "jobs").glob("*.json") if (job := read_job(path)) is not None]
    newest = {job.hash for job in results.jobs(trials=True)}
    counting = {job.hash for job in results.jobs()}

    def standing(job: JobResult) -> Standing:
        if job.status == "failed":
            return "failed"
        return "counts" if job.hash in counting else "trial" if job.hash in newest else "replaced"

    return tuple(
        StoredJob(job, standing(job), sum(path.stat().st_size for path in _own_files(results, job)))
        for job in sorted(known, key=lambda job: (*job.key, job.hash))
    )


def choose_jobs(
    results: Results, *, model: str | None = None, dataset: str | None = None, task: str | None = None, failed: bool
) -> tuple[StoredJob, ...]:
    """Return the jobs of a folder of this model, data set and task, where they are given; with `failed` failures alone.

    Raises:
        UserError: nothing is given, or there is no such job.
    """
    where, wanted = str(results.folder), {"model": model, "dataset": dataset, "task": task}
    if not failed and not any(wanted.values()):
        raise UserError("which jobs?", where=where, fix="give --model, --dataset, --task or --failed")
    stored = stored_jobs(results)
    for part, name in wanted.items():
        known = {str(getattr(entry.job, part)) for entry in stored}
        if name is not None and name not in known:
            raise UserError(f"holds no job of {part} {name!r}", where=where, fix=did_you_mean(name, known))
    return tuple(
        entry
        for entry in stored
        if all(name in (None, getattr(entry.job, part)) for part, name in wanted.items())
        and (not failed or entry.job.status == "failed")
    )


def remove_jobs(results: Results, jobs: Sequence[JobResult]) -> None:
    """Remove jobs with their per-example tables, thumbnails that no other job shows, and analyses that rest on them."""
    removed = {job.hash for job in jobs}
    for path in (results.folder / "analyses").glob("*.json"):
        try:
            found = (read_analysis(path) or ("", ()))[1]
        except Damaged:
            continue
        if any(removed & set(result.jobs) for result in found):
            path.unlink(missing_ok=True)
    kept = [entry.job for entry in stored_jobs(results) if entry.job.hash not in removed]
    shown = {picture.get("thumb") for job in kept for picture in job.pictures}
    for job in jobs:
        for picture in job.pictures:
            if picture.get("thumb") and picture["thumb"] not in shown:
                _unlink_below(results.folder / "thumbs", picture["thumb"])
        # The records go last: as long as they are there, the rest can be found.
        for path in reversed(_own_files(results, job)):
            path.unlink(missing_ok=True)


def _own_files(results: Results, job: JobResult) -> list[Path]:
    return [path for path in (results.job_path(job.hash), results.examples_path(job.hash)) if path.exists()]


def _unlink_below(folder: Path, name: str) -> None:
    """Remove a file, unless its name leads out of the folder."""
    path = (folder / name).resolve()
    if path.is_relative_to(folder.resolve()) and path.is_file():
        path.unlink()
        if path.parent != folder.resolve() and not any(path.parent.iterdir()):
            path.parent.rmdir()
