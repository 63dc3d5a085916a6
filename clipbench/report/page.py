"""The report as one HTML file that needs nothing beside it and no network."""

from __future__ import annotations

import base64
import hashlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from clipbench.analyses.run import analyse
from clipbench.errors import UserError
from clipbench.files import write_atomically
from clipbench.report import citations, marks, run_metadata, tables
from clipbench.report.answer import find_answer
from clipbench.report.averages import means, order_by_merit
from clipbench.report.details import ColumnDetail, column_details, curves_by_job, repeated_notes, spread_of
from clipbench.report.failures import find_failures
from clipbench.report.figures import figures
from clipbench.report.grids import Entry, Grid, Head
from clipbench.report.held import Block, Held
from clipbench.report.leaderboard import STANDINGS, Column, Leaderboard, make_leaderboard
from clipbench.report.pictures import Album
from clipbench.report.sections.base import PageData, Section
from clipbench.report.sections.registry import load_sections
from clipbench.report.sections.sets.section import groups
from clipbench.report.text import labels, numbers
from clipbench.report.text.claims import Claim, at_chance, basis, chance
from clipbench.report.text.declared import Terms
from clipbench.results.folder import Results
from clipbench.results.records import JobResult

if TYPE_CHECKING:
    from jinja2 import Environment, Template

MAX_FIGURES = 200
"""Figures in one page; they are drawn only when they come into view."""


def write_report(results: Results, path: Path, *, metric: str | None = None, title: str | None = None) -> None:
    """Write results as a page (.html) or as a table (.csv, .md, .tex).

    Raises:
        UserError: another ending, a metric that nothing reports, or a place that cannot be written.
    """
    if path.suffix == ".html":
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


def write_page(results: Results, output: Path, title: str | None = None) -> Path:
    """Write the report of one or several runs as one self-contained HTML file, whole or not at all; return its path.

    Raises:
        UserError: a job's file is damaged, or the output cannot be written.
    """
    write_atomically(output, render(results, title).encode("utf-8", errors="replace"))
    return output


def render(results: Results, title: str | None = None) -> str:
    """Return the page's HTML. Everything that comes from results is text in it, never markup or script."""
    jobs, analyses = results.jobs(), analyse(results)
    leaderboard = make_leaderboard(jobs, standings=[result for result in analyses if result.analysis == STANDINGS])
    group_means = means(leaderboard)
    leaderboard = order_by_merit(leaderboard, group_means)
    sections = load_sections()
    claimed = frozenset(name for section in sections for name in section.analyses)
    data = PageData(results, jobs, analyses, leaderboard, group_means, Album(), claimed)
    answer, failures = find_answer(data), find_failures(data)
    shown, left = _show(sections, data, MAX_FIGURES - (answer.figure is not None))
    curves = curves_by_job(leaderboard, left)
    repeated = repeated_notes(leaderboard)
    said = [remark.text for remark in repeated]
    details = column_details(leaderboard, results, data.album, curves, data.held, said)
    runs, terms = run_metadata.runs(results), Terms()
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            **_shared(data),
            title=title or " + ".join(dict.fromkeys(run.name for run in runs)),
            made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            leaderboard=leaderboard,
            aside=[job for job in jobs if not job.plain],
            answer=answer,
            failures=failures,
            # The mean of a group with a single data set says what its column says.
            means=[group for group in group_means if group.total > 1 and group.by_model],
            groups=groups(leaderboard),
            terms_of_board=terms.of([replace(c.job, records=(c.record,)) for c in leaderboard.shown if c.record]),
            sections=[(part, terms.of(data.results_of(*part["analyses"]))) for part in shown],
            terms_of_jobs=terms.of(leaderboard.jobs),
            repeated=repeated,
            details=_by_dataset(details),
            runs=runs,
            rows=(rows := _rows(leaderboard)),
            jobs_box=data.held.box(_jobs(rows, data.held)) if rows else None,
            merged=len(results.parts) > 1,
            scripts=_scripts(figures=left < MAX_FIGURES or bool(curves)),
            **_method(data),
        )
    )


def _show(sections: Sequence[Section], data: PageData, figures: int) -> tuple[list[Mapping[str, Any]], int]:
    """Render the sections that have something to show; what one draws is taken from the figures left for the next."""
    shown: list[Mapping[str, Any]] = []
    for section in sections:
        try:
            content = section.show(data, figures)
            if content is None:
                continue
            html = _template(section).render(section=content, **_shared(data))
            figures -= html.count('data-plot style="')
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a section that breaks must not cost the page
            html = environment().get_template("broken.html.j2").render(title=section.title, error=error)
        told = {"name": section.name, "title": section.title, "analyses": section.analyses}
        # Rendered with everything in it escaped.
        shown.append({**told, "html": Markup(html)})  # noqa: S704
    return shown, figures


def _template(section: Section) -> Template:
    """Return the template that lies beside the section's module."""
    path = Path(inspect.getfile(section.__class__)).parent / section.template
    return _compiled(path.read_text(encoding="utf-8"))


@cache
def _compiled(text: str) -> Template:
    """Return a template; a run writes its page many times."""
    return environment().from_string(text)


def _shared(data: PageData) -> Mapping[str, Any]:
    """Return what every template may use."""
    models = data.leaderboard.models
    coloured = len(models) <= figures.SERIES
    return {"series": figures.series_of(models), "coloured": coloured, "held": data.held}


def _method(data: PageData) -> Mapping[str, Any]:
    """Return what the page says of how its numbers were made: (level, kind) of intervals, comparisons, references."""
    shown = (cell.record for cell in data.leaderboard.shown)
    records = [record for record in shown if record and record.interval and record.low is not None]
    return {
        "intervals": sorted({(numbers.percent_of_level(r.level), labels.interval(r.interval)) for r in records}),
        "over_draws": any(record.interval == "images and draws" for record in records),
        "best": marks.best(data.leaderboard),
        "not_compared": [result.error for result in data.results_of(STANDINGS) if result.status == "failed"],
        "methods": citations.methods(data.results, data.jobs, data.analyses),
        "bibtex": citations.bibtex(data.results, data.jobs),
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
    environment.globals |= {"numbers": numbers, "labels": labels, "moment": run_metadata.moment}
    environment.globals |= {"Claim": Claim, "basis": basis, "chance": chance, "at_chance": at_chance}
    environment.globals["spread_of"] = spread_of
    return environment


def _scripts(*, figures: bool) -> list[Mapping[str, str]]:
    """Return the page's scripts, each with the hash that lets it run; plotly only where there are figures."""
    loader = environment().loader
    assert loader is not None
    sources = [loader.get_source(environment(), name)[0] for name in ("page.js", "held.js")]
    sources = [*([plotly()] if figures else []), *sources]
    digests = [base64.b64encode(hashlib.sha256(source.encode()).digest()).decode() for source in sources]
    return [{"source": source, "digest": f"sha256-{digest}"} for source, digest in zip(sources, digests, strict=True)]


@cache
def plotly() -> str:
    """Return plotly.js as it can stand in a page: line ends as HTML reads them, no end of script within."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs()).replace("\r\n", "\n").replace("\r", "\n").replace("</script", "<\\/script")


def _rows(leaderboard: Leaderboard) -> list[tuple[Column, JobResult]]:
    """List every job once, those that failed first."""
    rows: dict[str, tuple[Column, JobResult]] = {}
    for column in leaderboard.columns:
        for cell in leaderboard.cells(column):
            rows.setdefault(cell.job.hash, (column, cell.job))
    return sorted(rows.values(), key=lambda row: row[1].status != "failed")


def _jobs(rows: Sequence[tuple[Column, JobResult]], held: Held) -> Block:
    """Set out the jobs, each with a link to its details."""
    named, counted = ("model", "data set", "task", "status"), ("n", "broken", "time")
    heads = (*map(Head, named), *(Head(text, numeric=True) for text in counted), Head("finished"))
    shown = tuple(tuple(Entry(text) for text in _job(*row)) for row in rows)
    return held.grid(Grid("Jobs", heads, shown), tall=False, links=[f"#job-{job.hash}" for _, job in rows])


def _job(column: Column, job: JobResult) -> Iterator[str]:
    seconds = job.run_metadata.get("seconds")
    yield from (job.model, column.label, column.measurement.label, job.status)
    yield numbers.count(job.main.n) if job.main and job.main.n else numbers.MISSING
    yield numbers.count(job.n_broken)
    yield numbers.duration(seconds) if numbers.is_number(seconds) else numbers.MISSING
    yield run_metadata.moment(str(job.run_metadata.get("finished") or ""))


def _by_dataset(details: Sequence[ColumnDetail]) -> Mapping[str, Sequence[ColumnDetail]]:
    names = dict.fromkeys(detail.column.dataset for detail in details)
    return {name: [detail for detail in details if detail.column.dataset == name] for name in names}
