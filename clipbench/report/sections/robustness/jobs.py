"""Jobs that measure a data set otherwise than as it is: on changed images, or cut down to another set's classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clipbench.results.records import JobResult


@dataclass(frozen=True)
class Aside:
    """Jobs that have no column in the leaderboard."""

    on_views: int
    matched: int
    failed: tuple[tuple[JobResult, str], ...]
    """With what each was to measure: 'cifar10, gaussian_noise/3'."""

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self.on_views or self.matched)

    @property
    def text(self) -> str:
        """How many there are, in words; '' for none."""
        counts = ((self.on_views, "on changed images"), (self.matched, "among the classes of another set"))
        said = [f"{count:,} {what}" for count, what in counts if count]
        return f"{' and '.join(said)}, which have no column of their own" if said else ""


def aside(jobs: Sequence[JobResult]) -> Aside:
    """Count the jobs that have no column in the leaderboard."""
    found = [job for job in jobs if not job.plain]
    views = sum(bool(job.view) for job in found)
    return Aside(views, len(found) - views, tuple((job, _where(job)) for job in found if job.status == "failed"))


def _where(job: JobResult) -> str:
    among = f"among the classes of {job.matched}" if job.matched else ""
    return ", ".join(part for part in (job.dataset, job.view, among) if part)
