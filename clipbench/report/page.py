"""The report as one HTML file that needs nothing beside it and no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from clipbench.files import write_atomically
from clipbench.report import figures, headline, labels, numbers, provenance
from clipbench.report.averages import Means, means, order_by_merit
from clipbench.report.board import Board, Column, make_board
from clipbench.report.details import ColumnDetail, column_details
from clipbench.report.pictures import Album
from clipbench.results import MergedResults, Results

if TYPE_CHECKING:
    from jinja2 import Environment

MAX_FIGURES = 200
"""Figures in one page; they are drawn only when they come into view."""


@dataclass(frozen=True)
class Script:
    """A script of the page and the hash that lets it run."""

    source: str

    @cached_property
    def digest(self) -> str:
        """As a Content-Security-Policy names it."""
        return f"sha256-{base64.b64encode(hashlib.sha256(self.source.encode()).digest()).decode()}"


@dataclass(frozen=True)
class ColumnGroup:
    """Columns that stand together: one task and regime."""

    title: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Chart:
    """A figure of one data set with what its caption says."""

    column: Column
    figure: figures.Figure
    absent: tuple[str, ...]
    """Models without a value, with the reason."""


def write_page(results: Results, output: Path, title: str | None = None) -> Path:
    """Write the report of one or several runs as one self-contained HTML file.

    Args:
        results: what `load_results` returns.
        output: the file to write; it is there whole or not at all.
        title: of the page; by default the suites' names.

    Returns:
        `output`.

    Raises:
        UserError: a job's file is damaged, or the output cannot be written.
    """
    write_atomically(output, render(results, title).encode("utf-8", errors="replace"))
    return output


def render(results: Results, title: str | None = None) -> str:
    """Return the page's HTML. Everything that comes from results is text in it, never markup or script."""
    board = make_board(results.jobs())
    group_means = means(board)
    board = order_by_merit(board, group_means)
    details = column_details(board, results, Album())
    charts = _charts(board)
    gap = _gap_figure(board, group_means)
    environment = _environment()
    own = Script(_source(environment, "page.js"))
    runs = provenance.runs(results)
    return environment.get_template("page.html.j2").render(
        title=title or _title(runs),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        board=board,
        means=_ranked_means(group_means),
        groups=_groups(board),
        opening=headline.opening(board),
        subsets=headline.subsets(board),
        sentences=headline.sentences(board, group_means),
        series=figures.series_of(board.models),
        coloured=len(board.models) <= figures.SERIES,
        charts=charts,
        charts_left_out=_countable(board) - sum(len(shown) for _, shown in charts),
        gap=gap,
        details=_by_dataset(details),
        anchors={job.job.hash: job.anchor for detail in reversed(details) for job in detail.jobs},
        definitions=labels.definitions(_metrics(board)),
        intervals=_interval_kinds(board),
        runs=runs,
        rows=provenance.job_rows(details),
        merged=isinstance(results, MergedResults),
        scripts=(_plotly(), own) if charts or gap else (own,),
    )


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("clipbench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    environment.globals |= {"numbers": numbers, "labels": labels}
    return environment


def _source(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


@cache
def _plotly() -> Script:
    """Return plotly.js as it can stand in a page: line ends as HTML reads them, no end of script within."""
    from plotly.offline import get_plotlyjs

    source: str = get_plotlyjs()
    return Script(source.replace("\r\n", "\n").replace("\r", "\n").replace("</script", "<\\/script"))


def _title(runs: Sequence[provenance.Run]) -> str:
    return " + ".join(dict.fromkeys(run.name for run in runs))


def _groups(board: Board) -> tuple[ColumnGroup, ...]:
    found: dict[tuple[str, str], list[Column]] = {}
    for column in board.columns:
        found.setdefault(column.group, []).append(column)
    return tuple(
        ColumnGroup(_group_title(task, regime, board), tuple(columns)) for (task, regime), columns in found.items()
    )


def _group_title(task: str, regime: str, board: Board) -> str:
    """Return e.g. 'Benchmark sets', with the task where there are several."""
    unnamed = "other sets" if any(column.regime for column in board.columns if column.task == task) else "data sets"
    name = f"{regime} sets" if regime else unnamed
    title = f"{labels.task(task)}: {name}" if len({column.task for column in board.columns}) > 1 else name
    return title[:1].upper() + title[1:]


def _ranked_means(group_means: Sequence[Means]) -> tuple[Means, ...]:
    """Leave out the means of groups with a single data set: its column says the same."""
    return tuple(group for group in group_means if group.of > 1 and group.by_model)


def _charts(board: Board) -> tuple[tuple[ColumnGroup, tuple[Chart, ...]], ...]:
    left = MAX_FIGURES
    found = []
    for group in _groups(board):
        drawn = [chart for column in group.columns if (chart := _chart(column, board))][:left]
        left -= len(drawn)
        if drawn:
            found.append((group, tuple(drawn)))
    return tuple(found)


def _chart(column: Column, board: Board) -> Chart | None:
    figure = figures.bars(column, board.models)
    if figure is None:
        return None
    absent = []
    for model in board.models:
        cell = column.cells.get(model)
        if cell is None or cell.value is None:
            reason = "not run" if cell is None else "failed" if cell.job.status == "failed" else "undefined"
            absent.append(f"{model} ({reason})")
    return Chart(column, figure, tuple(absent))


def _countable(board: Board) -> int:
    return sum(any(cell.value is not None for cell in column.cells.values()) for column in board.columns)


def _gap_figure(board: Board, group_means: Sequence[Means]) -> figures.Figure | None:
    """Set benchmark against shift, for the first task that has both."""
    by_group = {(group.task, group.regime): group.by_model for group in group_means}
    for task in dict.fromkeys(group.task for group in group_means):
        benchmark, shift = by_group.get((task, "benchmark"), {}), by_group.get((task, "shift"), {})
        pairs = [
            (benchmark[model], shift[model])
            for model in board.models
            if model in benchmark and model in shift and benchmark[model].complete and shift[model].complete
        ]
        if pairs:
            return figures.gap(pairs)
    return None


def _by_dataset(details: Sequence[ColumnDetail]) -> tuple[tuple[str, tuple[ColumnDetail, ...]], ...]:
    found: dict[str, list[ColumnDetail]] = {}
    for detail in details:
        found.setdefault(detail.column.dataset, []).append(detail)
    return tuple((name, tuple(columns)) for name, columns in found.items())


def _metrics(board: Board) -> set[str]:
    return {record.metric for job in board.jobs for record in job.records}


def _interval_kinds(board: Board) -> tuple[tuple[str, str], ...]:
    """Return (level, what it is) of the intervals in the page."""
    kinds = {
        (numbers.percent_of_level(record.level), labels.interval(record.interval))
        for job in board.jobs
        for record in job.records
        if record.interval and record.low is not None
    }
    return tuple(sorted(kinds))
