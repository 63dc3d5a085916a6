"""The command that writes a leaderboard as a site, and checks what is submitted to one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clipbench.report.site import PUBLISHED

EXIT_CODES = "Exit codes: 0 the site is written, or the submissions are sound; 1 one has problems; 2 wrong use."
_SHOWN = 20


def site(
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Results folders, seen as one; with --check, submissions.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The site's folder.")] = Path("site"),
    title: Annotated[str | None, typer.Option(help="Of the site; by default the suites' names.")] = None,
    published: Annotated[str, typer.Option(help=f"Published tables to show, by comma: {','.join(PUBLISHED)}.")] = "",
    images: Annotated[bool, typer.Option("--images/--no-images", help="Publish thumbnails.")] = True,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; say what keeps folders from being published.")
    ] = False,
) -> None:
    """Write a leaderboard as static pages: no server, opened from disk or put on any host."""
    if check:
        raise typer.Exit(_check(runs or []))
    from clipbench.report.site.site import write_site
    from clipbench.results.folder import Results, load_results

    tables = [key.strip() for key in published.split(",") if key.strip()]
    results = load_results(*runs) if runs else Results(output, only=())
    typer.echo(write_site(results, output, title=title, published=tables, images=images))


def _check(folders: list[Path]) -> int:
    """Print what is wrong with submissions; return the exit code."""
    from clipbench.errors import UserError, listed, printable
    from clipbench.report.site.check.submission import check_submissions
    from clipbench.report.text.labels import counted

    if not folders:
        raise UserError("which submissions?", where="--check", fix="give their folders: reports/submissions/*")
    submissions = check_submissions(folders)
    for found in submissions:
        for kind, messages in (("problem", found.problems), ("note", found.notes)):
            for message in messages[:_SHOWN]:
                typer.echo(f"{kind}: {printable(str(message))}")
            if len(messages) > _SHOWN:
                typer.echo(f"{kind}: {found.folder}: and {len(messages) - _SHOWN} more")
        models = listed(sorted({job.model[:60] for job in found.jobs}), 5)
        state = counted(len(found.problems), "problem") if found.problems else "sound"
        typer.echo(printable(f"{found.folder}: {counted(len(found.jobs), 'job')} of {models or 'no model'}: {state}"))
    return int(any(found.problems for found in submissions))
