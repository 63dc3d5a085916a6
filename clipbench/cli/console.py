"""What a run looks like in a terminal, and in a log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from rich import filesize
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from clipbench.report.text import numbers
from clipbench.report.text.declared import as_shown, metric_of
from clipbench.runs.progress import ProgressListener

if TYPE_CHECKING:
    from clipbench.embed.housekeeping import CacheEntry
    from clipbench.results.folder import Results
    from clipbench.results.records import AnalysisResult, JobResult, Record
    from clipbench.runs.plan import JobCost, Plan
    from clipbench.tasks.job import Job


class RunConsole(ProgressListener):
    """Prints the plan, a progress bar where there is a terminal, and a line for each finished job."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.failed = 0
        self.page_path: Path | None = None
        self._progress: Progress | None = None
        self._page_problem = ""

    def planned(self, plan: Plan) -> None:
        """Print the plan."""
        print_plan(self.console, plan)

    def started(self, job: Job, total: int | None, unit: str) -> None:
        """Show a bar."""
        self._stop()
        if not self.console.is_terminal:
            return
        rate = _RateColumn(unit)
        columns = ("[progress.description]{task.description}", BarColumn(), MofNCompleteColumn(), rate)
        self._progress = Progress(*columns, TimeRemainingColumn(), console=self.console, transient=True)
        self._progress.start()
        self._progress.add_task(escape(job.label), total=total)

    def advanced(self, count: int) -> None:
        """Move the bar."""
        if self._progress is not None:
            self._progress.advance(self._progress.task_ids[0], count)

    def finished(self, result: JobResult, again: bool) -> None:
        """Print a line for a job."""
        self._stop()
        other = result.matched or result.trained_on
        measured_on = f"{result.dataset} beside {other}" if other else result.dataset
        parts = (result.model, measured_on, result.task, result.variant, result.view)
        name = escape(" · ".join(part for part in parts if part))
        if result.status == "failed":
            self.failed += 1
            self.console.print(f"[red]failed[/]  {name}: {escape(result.error)}", highlight=False, soft_wrap=True)
            return
        main = result.main and as_shown(result, result.main)
        took = "as before" if again else f"{result.provenance.get('seconds', 0):.1f} s"
        measured = f"{metric_of(result, main).label} {format_record(main)}, n={main.n:,}" if main else "done"
        broken = f", [yellow]{result.n_broken} broken[/]" if result.n_broken else ""
        self.console.print(f"[green]done[/]    {name}: {measured}{broken} ({took})", highlight=False, soft_wrap=True)

    def analysis_failed(self, result: AnalysisResult) -> None:
        """Print a line for an analysis."""
        self.failed += 1
        line = f"[red]failed[/]  {escape(result.analysis)}: {escape(result.error)}"
        self.console.print(line, highlight=False, soft_wrap=True)

    def page(self, path: Path, problem: str) -> None:
        """Remember where the page is; say at once if it could not be written."""
        self.page_path = path
        if problem and problem != self._page_problem:
            self.console.print(f"[yellow]no page[/] {escape(str(path))}: {escape(problem)}", soft_wrap=True)
        self._page_problem = problem

    def summarise(self, results: Results) -> None:
        """Print the leaderboard and where everything is."""
        from clipbench.report.tables import wide_text

        self.console.print()
        self.console.print(wide_text(results), markup=False, highlight=False, soft_wrap=True, end="")
        self.console.print()
        self.console.print(f"results  {escape(str(results.folder))}", highlight=False, soft_wrap=True)
        if self.page_path is not None and not self._page_problem:
            self.console.print(f"page     {escape(str(self.page_path))}", highlight=False, soft_wrap=True)
        if self.failed:
            jobs, them = ("job", "it") if self.failed == 1 else ("jobs", "them")
            self.console.print(f"[red]{self.failed} {jobs} failed[/]; the same command runs {them} again")

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


class _RateColumn(TextColumn):
    def __init__(self, unit: str) -> None:
        super().__init__("")
        self.unit = unit

    def render(self, task: Task) -> Text:
        """Return e.g. '412 images/s'."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} {self.unit}/s", style="progress.data.speed")


def format_record(record: Record) -> str:
    """Return '91.2 % [89.9, 92.4]', or '37 [31, 43]' where the unit is not a fraction."""
    if record.value is None:
        return "undefined"
    parts = (numbers.number(record.value, record.unit), numbers.suffix(record.unit), numbers.interval(record))
    return " ".join(part for part in parts if part)


def format_bytes(size: float | None) -> str:
    """Return '1.3 GB'; 'unknown' for None, '–' for nothing."""
    if size is None:
        return "unknown"
    if size == 0:
        return "–"
    return filesize.decimal(int(size))


def format_seconds(seconds: float | None) -> str:
    """Return '2 h 5 min', '3 min', '12 s'."""
    if seconds is None:
        return "unknown"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def print_plan(console: Console, plan: Plan, *, problems: bool = False) -> None:
    """Print what would be fetched, embedded and computed; with `problems` also why jobs will fail."""
    for model, availability in plan.weights:
        where = "here" if availability.local else f"to fetch ({format_bytes(availability.download_bytes)})"
        console.print(
            f"weights  {escape(model)}: {where}, {escape(availability.where)}", highlight=False, soft_wrap=True
        )
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("job", overflow="fold")
    memory = any(job.memory_bytes for job in plan.jobs)
    for column in ("images to embed", "texts to embed", "download", "time", *(("memory",) if memory else ())):
        table.add_column(column, justify="right")
    for label, job in _with_views_joined(plan.jobs):
        cells = (*_plan_row(job), *((format_bytes(job.memory_bytes or 0),) if memory else ()))
        table.add_row(escape(label), *cells)
    console.print(table)
    todo = [job for job in plan.jobs if not job.done and not job.problem]
    console.print(f"{len(plan.jobs)} jobs, {len(todo)} to do, estimated time {format_seconds(plan.seconds)}")
    if plan.long:
        console.print("That is long: --only NAME runs one data set, --limit N a balanced part of each.")
    for job in plan.jobs if problems else ():
        if job.problem:
            console.print(f"[red]will fail[/]  {escape(job.job.label)}: {escape(job.problem)}", soft_wrap=True)


def _with_views_joined(jobs: Sequence[JobCost]) -> Iterator[tuple[str, JobCost]]:
    """Yield jobs with their labels; those that differ only in the view, and in nothing that is shown, as one."""
    for (measured, _, _), group in groupby(
        jobs, key=lambda job: (job.job.measured, job.job.view is not None and not job.problem, job.done)
    ):
        members = list(group)
        if members[0].job.view is None or members[0].problem or len(members) < 2:
            yield from ((job.job.label, job) for job in members)
        else:
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


def _plan_row(job: JobCost) -> tuple[str, str, str, str]:
    if job.problem:
        return ("", "", "", "[red]fails[/]")
    if job.done:
        return ("–", "–", "–", "done")
    images = f"{_count(job.new_images)} of {_count(job.images)}"
    texts = f"{job.new_texts:,} of {job.texts:,}" if job.texts else "captions" if job.captions else "–"
    return (images, texts, format_bytes(job.download_bytes), format_seconds(job.seconds))


def _count(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[str]], console: Console | None = None) -> Console:
    """Print a plain table: in a terminal folded to its width, else tab-separated for programs. Return the console."""
    console = console or Console(emoji=False)
    if not console.is_terminal:
        for row in (columns, *rows):
            print("\t".join(row), file=console.file)
        return console
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)
    return console


def print_cache(entries: Sequence[CacheEntry]) -> None:
    """Print what the store holds, model by model."""
    columns = ("model", "precision", "fingerprint", "image files", "text files", "size", "last added")
    rows = [
        [
            entry.model,
            entry.precision,
            entry.fingerprint[:12],
            str(entry.image_files),
            str(entry.text_files),
            format_bytes(entry.bytes),
            datetime.fromtimestamp(entry.last_written).astimezone().strftime("%Y-%m-%d %H:%M"),
        ]
        for entry in entries
    ]
    print_rows(columns, rows)
