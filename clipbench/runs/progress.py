"""The progress of a run, for whoever shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from clipbench.results.records import AnalysisResult, JobResult
    from clipbench.runs.plan import Plan
    from clipbench.tasks.job import Job


class ProgressListener:
    """Hears of each step of a run; this one does nothing with it."""

    def planned(self, plan: Plan) -> None:
        """The plan was made; nothing has been fetched yet."""

    def fetching(self, model: str) -> None:
        """A model's weights are about to be fetched, if they are missing."""

    def started(self, job: Job, total: int | None, unit: str) -> None:
        """A job begins to embed `total` 'images' or 'texts'."""

    def advanced(self, count: int) -> None:
        """So many more are done."""

    def finished(self, result: JobResult, again: bool) -> None:
        """A job's records are stored; `again`: they were there before."""

    def analysis_failed(self, result: AnalysisResult) -> None:
        """An analysis of the finished jobs could not be made."""

    def page(self, path: Path, problem: str) -> None:
        """The page was written or, with a problem, could not be."""
