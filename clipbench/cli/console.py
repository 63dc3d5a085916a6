"""What a run looks like in a terminal, and in a log."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich import filesize
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from clipbench.errors import printable
from clipbench.report.text import numbers
from clipbench.report.text.declared import as_shown, metric_of
from clipbench.runs.progress import ProgressListener

if TYPE_CHECKING:
    from clipbench.embed.housekeeping import CacheEntry
    from clipbench.results.folder import Results
    from clipbench.results.records import AnalysisResult, JobResult, Record
    from clipbench.runs.plan import Plan
    from clipbench.tasks.job import Job


class RunConsole(ProgressListener):
    """Prints the plan, a line for each finished job and, of the job at work, a bar or now and then a line of text."""

    def __init__(self, console: Console, *, debug: bool = False, every: float = 30.0) -> None:
        """Print to a console; `debug`: also tracebacks; `every`: seconds between lines where it is no terminal."""
        self.console = console
        self.debug = debug
        self.every = every
        self.failed = 0
        self.folder: Path | None = None
        """Of the results."""
        self.page_path: Path | None = None
        self._planned: list[bool] = []
        """Of each job, whether it was done before."""
        self._finished: list[bool] = []
        """Of each job that was reached, whether it is done."""
        self._said = ""
        self._progress: Progress | None = None
        self._log: _Log | None = None
        self._page_problem = ""

    def planned(self, plan: Plan) -> None:
        """Print the plan."""
        from clipbench.cli.plan import print_plan

        self._planned = [job.done for job in plan.jobs]
        print_plan(self.console, plan)

    def started(self, job: Job, total: int | None, unit: str) -> None:
        """Show a bar, or begin to count."""
        self._stop()
        if not self.console.is_terminal:
            self._log = _Log(job.label, total, unit, time.monotonic())
            return
        rate = _RateColumn(unit)
        columns = ("[progress.description]{task.description}", BarColumn(), MofNCompleteColumn(), rate)
        self._progress = Progress(*columns, TimeRemainingColumn(), console=self.console, transient=True)
        self._progress.start()
        self._progress.add_task(shown(job.label), total=total)

    def advanced(self, count: int) -> None:
        """Move the bar, or print a line if it is time."""
        if self._progress is not None:
            self._progress.advance(self._progress.task_ids[0], count)
        if self._log is not None and (line := self._log.advance(count, self.every)):
            self.console.print(shown(line), highlight=False, soft_wrap=True)

    def finished(self, result: JobResult, again: bool) -> None:
        """Print a line for a job."""
        self._stop()
        other = result.matched or result.trained_on
        measured_on = f"{result.dataset} beside {other}" if other else result.dataset
        parts = (result.model, measured_on, result.task, result.variant, result.view)
        name = shown(" · ".join(part for part in parts if part))
        self._finished.append(result.status == "done")
        if result.status == "failed":
            self.failed += 1
            why = "for the same reason" if result.error == self._said else result.error
            self._said = result.error
            self.console.print(f"[red]failed[/]  {name}: {shown(why)}", highlight=False, soft_wrap=True)
            self._print_traceback(str(result.run_metadata.get("traceback", "")))
            return
        main = result.main and as_shown(result, result.main)
        took = "as before" if again else f"{result.run_metadata.get('seconds', 0):.1f} s"
        measured = f"{metric_of(result, main).label} {format_record(main)}, n={main.n:,}" if main else "done"
        broken = f", [yellow]{result.n_broken} broken[/]" if result.n_broken else ""
        self.console.print(f"[green]done[/]    {name}: {measured}{broken} ({took})", highlight=False, soft_wrap=True)

    def analysis_failed(self, result: AnalysisResult) -> None:
        """Print a line for an analysis."""
        self.failed += 1
        line = f"[red]failed[/]  {shown(result.analysis)}: {shown(result.error)}"
        self.console.print(line, highlight=False, soft_wrap=True)
        self._print_traceback(result.traceback)

    def page(self, path: Path, problem: str) -> None:
        """Remember where the page is; say at once if it could not be written."""
        self.page_path = path
        if problem and problem != self._page_problem:
            self.console.print(f"[yellow]no page[/] {shown(str(path))}: {shown(problem)}", soft_wrap=True)
        self._page_problem = problem

    def summarise(self, results: Results) -> None:
        """Print the leaderboard and where everything is."""
        from clipbench.report.tables import wide_text

        self.console.print()
        self.console.print(wide_text(results), markup=False, highlight=False, soft_wrap=True, end="")
        self.console.print()
        self.console.print(f"results  {shown(str(results.folder))}", highlight=False, soft_wrap=True)
        if self.page_path is not None and not self._page_problem:
            self.console.print(f"page     {shown(str(self.page_path))}", highlight=False, soft_wrap=True)
        if self.failed:
            jobs, them = ("job", "it") if self.failed == 1 else ("jobs", "them")
            self.console.print(f"[red]{self.failed} {jobs} failed[/]; the same command runs {them} again")

    def kept(self) -> str:
        """Return what an interrupted run leaves, and how to go on."""
        if not self._planned or self.folder is None:
            return "interrupted before the first job; run the same command again"
        done = sum(self._finished) + sum(self._planned[len(self._finished) :])
        them = f"{done} of {len(self._planned)} jobs are done and kept in {printable(str(self.folder))}"
        return f"interrupted: {them}; run the same command again to go on"

    def _print_traceback(self, text: str) -> None:
        if self.debug and text:
            self.console.print("\n".join(map(printable, text.splitlines())), markup=False, highlight=False)

    def _stop(self) -> None:
        self._log = None
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


@dataclass
class _Log:
    """What a job at work says of itself where there is no terminal to show a bar in."""

    label: str
    total: int | None
    unit: str
    started: float
    count: int = 0
    said: float = 0.0

    def advance(self, count: int, every: float) -> str:
        """Count; return a line if the last one, or the start, is so many seconds ago."""
        self.count += count
        now = time.monotonic()
        if now - max(self.said, self.started) < every:
            return ""
        self.said, rate = now, self.count / max(now - self.started, 1e-9)
        of = f" of {self.total:,}" if self.total else ""
        left = f", {format_seconds((self.total - self.count) / rate)} left" if self.total and rate else ""
        clock = datetime.now().astimezone().strftime("%H:%M:%S")
        return f"{clock}  {self.label}: {self.count:,}{of} {self.unit} ({rate:,.0f}/s{left})"


class _RateColumn(TextColumn):
    def __init__(self, unit: str) -> None:
        super().__init__("")
        self.unit = unit

    def render(self, task: Task) -> Text:
        """Return e.g. '412 images/s'."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} {self.unit}/s", style="progress.data.speed")


def shown(text: str) -> str:
    """Return text for a rich console: no markup in it, and no command to the terminal."""
    return escape(printable(text))


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


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[str]], console: Console | None = None) -> Console:
    """Print a plain table: in a terminal folded to its width, else tab-separated for programs. Return the console."""
    console = console or Console(emoji=False)
    if not console.is_terminal:
        for row in (columns, *rows):
            print("\t".join(numbers.formula_safe(printable(cell)) for cell in row), file=console.file)
        return console
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*map(shown, row))
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
