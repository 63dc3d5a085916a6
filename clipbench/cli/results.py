"""The commands that look into a results folder and clean it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipbench.results.housekeeping import StoredJob

app = typer.Typer(name="results", help="Look into a results folder, and remove jobs from it.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="A results folder.")]


@app.command("list")
def list_jobs(folder: Folder) -> None:
    """List its jobs, and which of them count."""
    from clipbench.results.folder import Results, load_results
    from clipbench.results.housekeeping import stored_jobs

    load_results(folder)
    _print(stored_jobs(Results(folder)))


@app.command()
def cite(folders: Annotated[list[Path], typer.Argument(help="Results folders; several are seen as one.")]) -> None:
    """Print how their numbers were made, as a paragraph, and BibTeX of their data sets and models."""
    from clipbench.analyses.run import analyse
    from clipbench.errors import printable
    from clipbench.report.citations import bibtex, methods
    from clipbench.results.folder import load_results

    results = load_results(*folders)
    jobs = results.jobs()
    text = f"{methods(results, jobs, analyse(results))}\n\n{bibtex(results, jobs)}"
    typer.echo("\n".join(map(printable, text.splitlines())))


@app.command()
def remove(
    folder: Folder,
    model: Annotated[str | None, typer.Option(help="Jobs of this model.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Jobs on this data set.")] = None,
    task: Annotated[str | None, typer.Option(help="Jobs of this task.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Jobs that failed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove jobs with their tables and thumbnails, and analyses that rest on them; all options must fit."""
    from clipbench.cli.console import format_bytes
    from clipbench.results.folder import Results, load_results
    from clipbench.results.housekeeping import choose_jobs, remove_jobs

    load_results(folder)
    results = Results(folder)
    chosen = choose_jobs(results, model=model, dataset=dataset, task=task, failed=failed)
    if not chosen:
        typer.echo("nothing to remove")
        return
    if not yes:
        _print(chosen)
        typer.confirm(f"Remove {len(chosen)} jobs?", abort=True, err=True)
    remove_jobs(results, [entry.job for entry in chosen])
    freed = format_bytes(sum(entry.bytes for entry in chosen))
    typer.echo(f"{len(chosen)} jobs removed, {freed}; clipbench report {folder} writes the page again")


def _print(stored: Sequence[StoredJob]) -> None:
    from clipbench.cli.console import format_bytes, print_rows

    head = ("model", "data set", "task", "variant", "view", "subset", "standing", "size")
    rows = [
        [*(job.model, job.dataset, job.task, job.variant, job.view, job.pedigree.subset), entry.standing, size]
        for entry in stored
        for job, size in ((entry.job, format_bytes(entry.bytes)),)
    ]
    print_rows(head, rows)
