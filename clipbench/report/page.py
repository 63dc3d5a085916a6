"""The report as one HTML file that needs nothing beside it and no network."""

from __future__ import annotations

import base64
import hashlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from clipbench.analyses.run import analyse
from clipbench.files import write_atomically
from clipbench.report import headline, run_metadata
from clipbench.report.averages import Means, means, order_by_merit
from clipbench.report.details import ColumnDetail, column_details
from clipbench.report.figures import curves, figures
from clipbench.report.leaderboard import Board, make_board
from clipbench.report.pictures import Album
from clipbench.report.sections.base import PageData, Section
from clipbench.report.sections.registry import load_sections
from clipbench.report.sections.sets.charts import gap as gap_figure
from clipbench.report.sections.sets.charts import groups
from clipbench.report.text import definitions, labels, numbers
from clipbench.results.folder import MergedResults, Results
from clipbench.results.records import AnalysisResult, JobResult, Record

if TYPE_CHECKING:
    from jinja2 import Environment, Template

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
    analyses = analyse(results)
    sections = load_sections()
    claimed = frozenset(name for section in sections for name in section.analyses)
    data = PageData(results, jobs, analyses, board, group_means, album, claimed)
    gap = None if data.results_of("robustness") else gap_figure(board, group_means)
    shown, left = _show(sections, data, MAX_FIGURES - (gap is not None))
    drawn = curves.of_board(board, left)
    details = column_details(board, results, album, drawn)
    runs = run_metadata.runs(results)
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            **_shared(board),
            title=title or _title(runs),
            made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            board=board,
            means=_ranked_means(group_means),
            groups=groups(board),
            opening=headline.opening(board),
            subsets=headline.subsets(board),
            sentences=headline.sentences(board, group_means),
            gap=gap,
            aside=headline.aside(jobs),
            sections=shown,
            details=_by_dataset(details),
            anchors={job.job.hash: job.anchor for detail in reversed(details) for job in detail.jobs},
            runs=runs,
            rows=run_metadata.job_rows(details),
            merged=isinstance(results, MergedResults),
            scripts=_scripts(figures=left < MAX_FIGURES or bool(drawn)),
            **_method([*board.jobs, *analyses]),
        )
    )


@dataclass(frozen=True)
class ShownSection:
    """A section as it stands in the page."""

    name: str
    title: str
    html: Markup


def _show(sections: Sequence[Section], data: PageData, figures: int) -> tuple[tuple[ShownSection, ...], int]:
    """Render the sections that have something to show; what one draws is taken from the figures left for the next."""
    shown = []
    for section in sections:
        try:
            content = section.show(data, figures)
            if content is None:
                continue
            html = _template(section).render(section=content, **_shared(data.board))
        except Exception as error:  # noqa: BLE001 - a section that breaks must not cost the page
            html = environment().get_template("broken.html.j2").render(title=section.title, error=error)
            content = ()
        figures -= len(content)
        shown.append(ShownSection(section.name, section.title, Markup(html)))  # noqa: S704 - rendered with autoescape
    return tuple(shown), figures


def _template(section: Section) -> Template:
    """Return the template that lies beside the section's module."""
    package = section.__class__.__module__.rpartition(".")[0]
    folder = files(package) if package else Path(inspect.getfile(section.__class__)).parent
    return environment().from_string(folder.joinpath(section.template).read_text(encoding="utf-8"))


def _shared(board: Board) -> Mapping[str, Any]:
    """Return what every template may use."""
    return {"series": figures.series_of(board.models), "coloured": len(board.models) <= figures.SERIES}


def _method(found: Sequence[JobResult | AnalysisResult]) -> Mapping[str, Any]:
    """Return what the page says of how to read its numbers."""
    records = [record for result in found for record in result.records]
    return {
        "definitions": definitions.definitions({record.metric for record in records}),
        "intervals": _interval_kinds(records),
        "over_draws": any(record.interval == "seeds" for record in records),
    }


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


def _title(runs: Sequence[run_metadata.Run]) -> str:
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
