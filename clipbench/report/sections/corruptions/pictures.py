"""Each corruption as a picture: one thumbnail, found through the jobs on the corrupted images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clipbench.report.pictures import Album, Shown, thumbs_of
from clipbench.report.sections.corruptions.curves import words
from clipbench.report.sections.corruptions.findings import CorruptedSet
from clipbench.results.folder import Results
from clipbench.results.records import JobResult

PREFERRED = 3
"""The severity that is shown where it was run, else the highest."""


def strip(of: CorruptedSet, jobs: Mapping[str, JobResult], results: Results, album: Album) -> tuple[Shown, ...]:
    """Return a thumbnail of each corruption that has one, of the first model whose jobs have any.

    Args:
        of: the models on one corrupted data set.
        jobs: by hash.
        results: where thumbnails are.
        album: counts the thumbnails.
    """
    for corrupted in of.models:
        views = [jobs[name] for name in corrupted.finding.about.get("jobs", ()) if name in jobs and jobs[name].view]
        chosen = {name: job for name in of.corruptions if (job := _job(name, views))}
        if chosen:
            return tuple(_shown(name, job, results, album) for name, job in chosen.items())
    return ()


def _job(corruption: str, views: Sequence[JobResult]) -> JobResult | None:
    """Return the job of the severity to show; None where none has a picture."""
    of_name = {
        _view(job)["severity"]: job for job in views if _picture(job) and _view(job).get("corruption") == corruption
    }
    return of_name.get(PREFERRED) or (of_name[max(of_name)] if of_name else None)


def _view(job: JobResult) -> Mapping[str, Any]:
    """Return what is known of the view: corruption, severity, protocol."""
    found: Mapping[str, Any] = job.about.get("view", {})
    return found


def _picture(job: JobResult) -> Mapping[str, str] | None:
    return next((picture for picture in job.pictures if picture.get("role") == "corrupted"), None)


def _shown(name: str, job: JobResult, results: Results, album: Album) -> Shown:
    picture = {**(_picture(job) or {}), "caption": f"{words(name)}, severity {_view(job)['severity']}"}
    return album.show([picture], thumbs_of(results, job.hash))[0]
