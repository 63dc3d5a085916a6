"""Results as a script or a notebook has them: a table, a page, a comparison; of one run, or of whole folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import escape

from clipbench.errors import problem_of
from clipbench.results import folder as stored

if TYPE_CHECKING:
    import pandas as pd


class Results(stored.Results):
    """Results of one run, or of whole folders; its `repr`, in a notebook too, is the table of models and data sets."""

    def all(self) -> Results:
        """Return everything that the folder holds, that of earlier runs and other suites too."""
        return Results(*(part.folder for part in self.parts))

    def report(self, path: str | Path, *, metric: str | None = None, title: str | None = None) -> Path:
        """Write them as a page (.html) or a table (.csv, .md, .tex); return the file's path.

        Raises:
            UserError: another ending, a metric that nothing reports, or a place that cannot be written.
        """
        from clipbench.report.page import write_report

        write_report(self, Path(path), metric=metric, title=title)
        return Path(path)

    def compare(
        self, first: str | None = None, second: str | None = None, *, metric: str | None = None
    ) -> pd.DataFrame:
        """Compare two models example by example, as `clipbench.compare` does."""
        from clipbench.analyses.rankings.compare import compare

        return compare(self, first, second, metric=metric)

    def __repr__(self) -> str:
        from clipbench.report.tables import wide_text

        try:
            return f"{wide_text(self)}\n{self._told()}"
        except Exception as error:  # noqa: BLE001 - what cannot be read must not keep an object from being shown
            return f"results in {self.folder}: {problem_of(error)}"

    def _repr_html_(self) -> str:
        from clipbench.report.tables import leaderboard

        return f"{leaderboard(self, intervals='range').to_html(notebook=True)}<pre>{escape(self._told())}</pre>"

    def _told(self) -> str:
        failed = [job for job in self.jobs(trials=True) if job.status == "failed"]
        lines = [f"failed: {job.model} · {job.dataset} · {job.task}: {job.error}" for job in failed]
        return "\n".join([*lines, "results in " + ", ".join(str(part.folder) for part in self.parts)])


def load_results(*folders: str | Path) -> Results:
    """Open one or several results folders; several are seen as one.

    Raises:
        UserError: a folder holds no results, or only those of an older clipbench.
    """
    stored.load_results(*folders)
    return Results(*map(Path, folders))
