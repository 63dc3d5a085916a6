"""The plan of a run in a terminal: one line a job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from clipbench.cli.console import format_bytes, format_seconds, shown
from clipbench.errors import listed, printable

if TYPE_CHECKING:
    from rich.console import Console

    from clipbench.runs.plan import JobCost, Plan

NARROWEST = 24
"""What a job's name is never cut below, however narrow the terminal."""


def print_plan(console: Console, plan: Plan, *, problems: bool = False) -> None:
    """Print what would be fetched, embedded and computed; with `problems` also why jobs will fail."""
    for model, there in plan.weights:
        if there is None:
            where = "[red]cannot be used[/], its jobs fail"
        elif there.local:
            where = f"here, {shown(there.where)}"
        else:
            where = f"to fetch ({format_bytes(there.download_bytes)}), {shown(there.where)}"
        console.print(f"weights  {shown(model)}: {where}", highlight=False, soft_wrap=True)
    for path, file in plan.code:
        console.print(f"code     {shown(path)} ({shown(file)})", highlight=False, soft_wrap=True)
    for dataset, classes in plan.classes:
        told = f"{len(classes):,} ({listed(classes, 6)})"
        console.print(f"classes  {shown(dataset)}: {shown(told)}", highlight=False, soft_wrap=True)
    _print_jobs(console, plan)
    todo = [job for job in plan.jobs if not job.done and not job.problem]
    guess = " (a first guess: no run was timed yet)" if any(job.guess for job in todo) and plan.seconds else ""
    console.print(f"{len(plan.jobs)} jobs, {len(todo)} to do, estimated time {format_seconds(plan.seconds)}{guess}")
    if plan.long:
        console.print("That is long: --only NAME runs one data set, --limit N a balanced part of each.")
    failing = [job for job in plan.jobs if job.problem] if problems else []
    for (model, problem), group in groupby(failing, key=lambda job: (job.job.model, job.problem)):
        jobs = list(group)
        name = jobs[0].job.label if len(jobs) == 1 else f"{len(jobs)} jobs of {model}"
        console.print(f"[red]will fail[/]  {shown(name)}: {shown(problem)}", highlight=False, soft_wrap=True)


def _print_jobs(console: Console, plan: Plan) -> None:
    """Print a line a job below its model; a narrow terminal cuts names in their middle, never numbers."""
    heads = ["job", "images", "texts", "download", "time", "memory"]
    rows = []
    for model, jobs in groupby(plan.jobs, key=lambda job: job.job.model):
        rows.append([printable(model), *[""] * 5])
        rows += [[f"  {printable(label)}", *_cells(job)] for label, job in _with_views_joined(list(jobs))]
    told = [place for place in range(len(heads)) if place < 3 or heads[place] == "time" or any(r[place] for r in rows)]
    table = [[row[place] for place in told] for row in (heads, *rows)]
    widths = [max(map(cell_len, column)) for column in zip(*table, strict=True)]
    if console.is_terminal:
        widths[0] = min(widths[0], max(NARROWEST, console.width - sum(widths[1:]) - 2 * len(widths[1:])))
    for number, (name, *numbers) in enumerate(table):
        cells = [set_cell_size(_fitted(name, widths[0]), widths[0])]
        cells += [" " * (width - cell_len(cell)) + cell for cell, width in zip(numbers, widths[1:], strict=True)]
        line = "  ".join(cells).rstrip()
        style = "bold" if number == 0 else "red" if numbers[-1] == "fails" or "fails" in numbers else ""
        console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)


def _fitted(name: str, width: int) -> str:
    """Cut a name in its middle: the data set before it and the prompts behind it tell jobs apart."""
    if cell_len(name) <= width:
        return name
    left = (width - 1) // 2
    tail = name
    while cell_len(tail) > width - 1 - left:
        tail = tail[1:]
    return set_cell_size(name, left) + "…" + tail


def _cells(job: JobCost) -> list[str]:
    if job.problem:
        return ["", "", "", "fails", ""]
    if job.done:
        return ["–", "–", "", "done", ""]
    texts = _new_of(job.new_texts, job.texts) if job.texts else "captions" if job.captions else "–"
    download = "" if job.download_bytes == 0 else format_bytes(job.download_bytes)
    memory = format_bytes(job.memory_bytes) if job.memory_bytes else ""
    return [_new_of(job.new_images, job.images), texts, download, format_seconds(job.seconds), memory]


def _new_of(new: int | None, count: int | None) -> str:
    """Return '60' where all are new, '12 of 60' where some are, '–' where none is."""
    if new == 0:
        return "–"
    return _count(new) if new == count else f"{_count(new)} of {_count(count)}"


def _count(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"


def _with_views_joined(jobs: Sequence[JobCost]) -> Iterator[tuple[str, JobCost]]:
    """Yield a model's jobs with their labels; those that differ in the view, and in nothing that is shown, as one."""
    for _, group in groupby(
        jobs, key=lambda job: (job.job.measured, job.job.view is not None and not job.problem, job.done)
    ):
        members = list(group)
        if members[0].job.view is None or members[0].problem or len(members) < 2:
            yield from ((replace(job.job, model="").label, job) for job in members)
        else:
            measured = replace(members[0].job, model="").measured
            yield f"{measured} · {len(members)} views", _joined(members)


def _joined(jobs: Sequence[JobCost]) -> JobCost:
    """Return one planned job that stands for several."""
    from clipbench.runs.plan import total

    return replace(
        jobs[0],
        images=total(job.images for job in jobs),
        new_images=total(job.new_images for job in jobs),
        new_texts=sum(job.new_texts for job in jobs),
        seconds=total(job.seconds for job in jobs),
    )
