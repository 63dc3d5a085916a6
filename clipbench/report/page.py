"""The report as one HTML file that needs nothing beside it and no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbench.analyses.run import analyse
from clipbench.files import write_atomically
from clipbench.report import headline
from clipbench.report import run_metadata as provenance
from clipbench.report.averages import Means, means, order_by_merit
from clipbench.report.details import ColumnDetail, column_details
from clipbench.report.figures import charts, curves, figures
from clipbench.report.figures.curve import Curve
from clipbench.report.leaderboard import Board, make_board
from clipbench.report.pictures import Album
from clipbench.report.sections.comparisons import section as comparisons
from clipbench.report.sections.corruptions import section as corruption_section
from clipbench.report.sections.robustness import jobs as shift_jobs
from clipbench.report.sections.robustness import pair_section as shift_pair_section
from clipbench.report.sections.robustness import section as shift_section
from clipbench.report.text import definitions, labels, numbers
from clipbench.results.folder import MergedResults, Results
from clipbench.results.records import JobResult, Record

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
    jobs, album = results.jobs(), Album()
    board = make_board(jobs)
    group_means = means(board)
    board = order_by_merit(board, group_means)
    findings = analyse(results)
    drawn = _draw(board, group_means, findings, results, album)
    details = column_details(board, results, album, drawn.curves)
    runs = provenance.runs(results)
    page = environment().get_template("page.html.j2")
    return page.render(
        title=title or _title(runs),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        board=board,
        means=_ranked_means(group_means),
        groups=charts.groups(board),
        opening=headline.opening(board),
        subsets=headline.subsets(board),
        sentences=headline.sentences(board, group_means),
        series=figures.series_of(board.models),
        coloured=len(board.models) <= figures.SERIES,
        charts=drawn.charts,
        gap=drawn.gap,
        aside=shift_jobs.aside(jobs),
        shifts=drawn.shifts,
        pairs=drawn.pairs,
        corruptions=drawn.corruptions,
        comparisons=comparisons.sections(findings, board),
        details=_by_dataset(details),
        anchors={job.job.hash: job.anchor for detail in reversed(details) for job in detail.jobs},
        runs=runs,
        rows=provenance.job_rows(details),
        merged=isinstance(results, MergedResults),
        scripts=_scripts(figures=bool(drawn)),
        **_method([record for job in (*board.jobs, *findings) for record in job.records]),
    )


def _method(records: Sequence[Record]) -> Mapping[str, Any]:
    """Return what the page says of how to read its numbers."""
    return {
        "definitions": definitions.definitions({record.metric for record in records}),
        "intervals": _interval_kinds(records),
        "over_draws": any(record.interval == "seeds" for record in records),
    }


@dataclass(frozen=True)
class _Drawn:
    gap: figures.Figure | None
    shifts: shift_section.ShiftSection
    pairs: shift_pair_section.PairSection
    corruptions: corruption_section.CorruptionSection
    charts: charts.Charts
    curves: Mapping[str, Mapping[str, Curve]]

    def __bool__(self) -> bool:
        counted: tuple[Sized, ...] = (self.shifts, self.pairs, self.corruptions, self.charts, self.curves)
        return bool(self.gap or any(len(part) for part in counted))


def _draw(
    board: Board, group_means: Sequence[Means], findings: Sequence[JobResult], results: Results, album: Album
) -> _Drawn:
    """Draw what fits: what is said of shifts and the data sets comes before the details of single jobs."""
    # The matched comparison takes the place of that of means over different sets.
    gap = None if any(one.task == "robustness" for one in findings) else charts.gap(board, group_means)
    left = MAX_FIGURES - (gap is not None)
    shifts = shift_section.section(findings, board, left)
    left -= len(shifts)
    pairs = shift_pair_section.section(findings, left)
    left -= len(pairs)
    corruptions = corruption_section.section(findings, board, results, album, left)
    left -= len(corruptions)
    of_sets = charts.charts(board, findings, left)
    return _Drawn(gap, shifts, pairs, corruptions, of_sets, curves.of_board(board, left - len(of_sets)))


@cache
def environment() -> Environment:
    """Return the templates, in which everything is escaped that is not said to be markup."""
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


def _scripts(*, figures: bool) -> tuple[Script, ...]:
    """Return the page's scripts; the one that draws figures only where there are any."""
    own = Script(_source(environment(), "page.js"))
    return (_plotly(), own) if figures else (own,)


@cache
def _plotly() -> Script:
    """Return plotly.js as it can stand in a page: line ends as HTML reads them, no end of script within."""
    from plotly.offline import get_plotlyjs

    source: str = get_plotlyjs()
    return Script(source.replace("\r\n", "\n").replace("\r", "\n").replace("</script", "<\\/script"))


def _title(runs: Sequence[provenance.Run]) -> str:
    return " + ".join(dict.fromkeys(run.name for run in runs))


def _ranked_means(group_means: Sequence[Means]) -> tuple[Means, ...]:
    """Leave out the means of groups with a single data set: its column says the same."""
    return tuple(group for group in group_means if group.of > 1 and group.by_model)


def _by_dataset(details: Sequence[ColumnDetail]) -> tuple[tuple[str, tuple[ColumnDetail, ...]], ...]:
    found: dict[str, list[ColumnDetail]] = {}
    for detail in details:
        found.setdefault(detail.column.dataset, []).append(detail)
    return tuple((name, tuple(columns)) for name, columns in found.items())


def _interval_kinds(records: Sequence[Record]) -> tuple[tuple[str, str], ...]:
    """Return (level, what it is) of the intervals in the page."""
    kinds = {
        (numbers.percent_of_level(record.level), labels.interval(record.interval))
        for record in records
        if record.interval and record.low is not None
    }
    return tuple(sorted(kinds))
