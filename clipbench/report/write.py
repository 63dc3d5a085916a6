"""One report in the form that a file's ending asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipbench.errors import UserError
from clipbench.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from clipbench.results.folder import Results


def write_report(results: Results, path: Path, *, metric: str | None = None, title: str | None = None) -> None:
    """Write results as a page (.html) or as a table (.csv, .md, .tex).

    Raises:
        UserError: another ending, a metric that nothing reports, or a place that cannot be written.
    """
    from clipbench.report import tables

    if path.suffix == ".html":
        from clipbench.report.page import write_page

        write_page(results, path, title)
        return
    if path.suffix == ".csv":
        text = tables.to_csv(tables.leaderboard(results, metric))
    elif path.suffix in {".md", ".tex"}:
        frame = tables.leaderboard(results, metric, intervals="half-width" if path.suffix == ".tex" else "range")
        notes = tables.footnotes(results, metric)
        text = tables.to_markdown(frame, notes) if path.suffix == ".md" else tables.to_latex(frame, notes)
    else:
        fix = "one of: .html (page), .csv, .md, .tex (table)"
        raise UserError(f"no report ends in {path.suffix!r}", where=str(path), fix=fix)
    write_atomically(path, text.encode())
