"""How numbers are made, where they come from, what changed, and how to cite them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from clipbench.report import citations, marks, run_metadata
from clipbench.report.site.data.board import Board
from clipbench.report.site.data.changes import Build
from clipbench.report.site.data.names import without_paths
from clipbench.report.site.data.presets import choices
from clipbench.report.site.pages.base import DataFile, Document, SiteData
from clipbench.report.site.pages.method import citation
from clipbench.report.text.declared import Definition, definitions, task_label
from clipbench.results.records import AnalysisResult, JobResult

_SHOWN = {marks.BEST: "Tinted", marks.CHANCE: "Grey", marks.SEEN: marks.SEEN}
"""How a site shows the marks of a cell."""

DETAILED = 10
"""Of so many builds the moved values are listed; of those before they are counted."""


@dataclass(frozen=True)
class Term:
    """The metrics of a task or an analysis."""

    label: str
    definitions: tuple[Definition, ...]


@dataclass(frozen=True)
class ColumnChoice:
    """A choice of columns, how many of its data sets are here, which are not, and whose choice it is."""

    label: str
    here: int
    wanted: int | None
    lacking: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class MethodContent:
    """What the page shows."""

    terms: tuple[Term, ...]
    marks: tuple[tuple[str, str], ...]
    methods: str
    """A paragraph to paste; '' where nothing was measured."""
    choices: tuple[ColumnChoice, ...]
    published: Mapping[str, Sequence[str]]
    """Metric -> data sets of which the board has published figures."""
    citation: str
    bibtex: str
    """Of the site and of its published tables."""
    sources: str
    """BibTeX of clipbench, data sets and models; '' where nothing was measured."""
    runs: tuple[run_metadata.Run, ...]
    builds: Sequence[Build]
    detailed: int
    evidence: frozenset[tuple[str, str]]
    """Model and job of the cells that the board has, to which moved values may link."""


class MethodPage:
    """How numbers are made, where they come from, what changed, and how to cite them."""

    name: ClassVar[str] = "method"
    label: ClassVar[str] = "Method"

    def documents(self, data: SiteData) -> Iterable[Document | DataFile]:
        """Return its document."""
        return (Document("method.html", "Method", lambda: _content(data)),)


def _content(data: SiteData) -> MethodContent:
    jobs, board = data.here.jobs, data.board
    done = any(job.status == "done" for job in jobs)
    return MethodContent(
        terms=_terms([*data.leaderboard.jobs, *data.analyses]),
        marks=tuple((_SHOWN[mark], text) for mark, text in marks.explanations(data.leaderboard).items()),
        methods=citations.methods(data.results, jobs, data.analyses) if done else "",
        choices=_choices(data),
        published=_published(board),
        citation=citation.sentence(data),
        bibtex=citation.bibtex(data),
        sources=citations.bibtex(data.results, [_named(job) for job in jobs]) if jobs else "",
        runs=run_metadata.runs(data.results) if jobs else (),
        builds=data.written.builds,
        detailed=DETAILED,
        evidence=frozenset(
            (board.models[cell.model].slug, cell.job) for column in board.columns for cell in column.cells if cell.job
        ),
    )


def _named(job: JobResult) -> JobResult:
    """Return a job whose names have no folder: of these the keys of entries are made."""
    return replace(job, model=without_paths(job.model), dataset=without_paths(job.dataset))


def _terms(found: Sequence[JobResult | AnalysisResult]) -> tuple[Term, ...]:
    """Return what the metrics of each task and analysis mean; what a former one defined is not defined again."""
    labels = dict.fromkeys(task_label(result) for result in found)
    known: set[Definition] = set()
    terms = []
    for label in labels:
        new = [part for part in definitions(r for r in found if task_label(r) == label) if part not in known]
        known.update(new)
        terms.append(Term(label, tuple(new)))
    return tuple(term for term in terms if term.definitions)


def _choices(data: SiteData) -> tuple[ColumnChoice, ...]:
    dataset = {column.slug: column.dataset for column in data.board.columns}
    lists = {choice.slug: choice.datasets for choice in choices()}
    found = []
    for preset in data.board.presets:
        here = {dataset[slug] for slug in preset.columns}
        lacking = tuple(name for name in lists.get(preset.slug, ()) if name not in here)
        found.append(ColumnChoice(preset.label, len(here), preset.wanted, lacking, preset.source or ""))
    return tuple(found)


def _published(board: Board) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for column in board.columns:
        if any(not cell.job for cell in column.cells):
            found.setdefault(column.metric_label, []).append(column.dataset)
    return found
