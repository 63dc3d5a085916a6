"""What a page of a site is: a pure function of a board and its results to documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol

from clipbench.report.leaderboard import Leaderboard
from clipbench.report.pictures import Album
from clipbench.report.sections.base import PageData
from clipbench.report.site.data.assemble import Measurements
from clipbench.report.site.data.board import Board, Cell, Column
from clipbench.report.site.data.files import Written
from clipbench.report.site.data.names import slugs
from clipbench.results.folder import Results
from clipbench.results.records import AnalysisResult, JobResult


@dataclass(frozen=True)
class SiteData:
    """All that a page may show.

    Texts may name files with their folders: templates cut each text that they print to what it ends in.
    """

    title: str
    here: Measurements
    written: Written

    @property
    def board(self) -> Board:
        """All models by all columns; the measured models come first, in the leaderboard's order."""
        return self.written.board

    @property
    def results(self) -> Results:
        """Of one or several runs."""
        return self.here.results

    @property
    def leaderboard(self) -> Leaderboard:
        """What was measured here."""
        return self.here.leaderboard

    @property
    def analyses(self) -> Sequence[AnalysisResult]:
        """Of all models."""
        return self.here.analyses

    @cached_property
    def jobs(self) -> Mapping[str, JobResult]:
        """All jobs by the name of their evidence, `jobs/NAME.json`; those on changed images and matched classes too."""
        return {self.written.evidence[job.hash]: job for job in self.here.jobs}

    @property
    def made(self) -> str:
        """UTC, ISO 8601."""
        return self.written.made

    @property
    def content(self) -> str:
        """The board's digest."""
        return self.written.content

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Measured models' places in the board, by their name in the results."""
        return {model: place for place, model in enumerate(self.leaderboard.models)}

    @cached_property
    def _datasets(self) -> Mapping[str, str]:
        return slugs(column.dataset for column in self.board.columns)

    @cached_property
    def as_report(self) -> PageData:
        """The same as the sections of a report read it, without pictures."""
        jobs = tuple(self.jobs.values())
        return PageData(self.results, jobs, self.analyses, self.leaderboard, self.here.means, Album())

    @cached_property
    def _measured(self) -> Mapping[str, tuple[Column, Cell]]:
        return {cell.job: (column, cell) for column in self.board.columns for cell in column.cells if cell.job}

    def job_path(self, job: str) -> str:
        """Return where a job is shown, by its hash: on its model's page, or in its file where the board lacks it."""
        name = self.written.evidence.get(job, "")
        return self.evidence_path(*self._measured[name]) if name in self._measured else f"jobs/{name}.json"

    def model_path(self, place: int) -> str:
        """Return the page of a model, by its place in the board."""
        return f"model/{self.board.models[place].slug}.html"

    def measured_path(self, model: str) -> str:
        """Return the page of a measured model, by its name in the results; '' where it has none."""
        return self.model_path(self.places[model]) if model in self.places else ""

    def dataset_path(self, dataset: str) -> str:
        """Return the page of a data set of the board."""
        return f"dataset/{self._datasets[dataset]}.html"

    def evidence_path(self, column: Column, cell: Cell) -> str:
        """Return where a cell's evidence is shown: on the model's page, by the job's hash where it was measured."""
        return f"{self.model_path(cell.model)}#{anchor(column, cell)}"


def anchor(column: Column, cell: Cell) -> str:
    """Return a cell's anchor in its model's page: 'job-HASH', or 'published-COLUMN' of a figure without a job."""
    return f"job-{cell.job}" if cell.job else f"published-{column.slug}"


@dataclass(frozen=True)
class Document:
    """One file of a site."""

    path: str
    """Below the site's folder: 'model/vit-b-32.html'."""
    title: str
    content: Callable[[], object]
    """Makes what the template gets as `page`; called when the document is written, so that one that breaks costs no
    other."""
    scripts: tuple[str, ...] = ()
    """Scripts of data that it loads before its own: 'data/board.js'."""


@dataclass(frozen=True)
class DataFile:
    """A file of data that documents load."""

    path: str
    content: Callable[[], bytes]


class Page(Protocol):
    """A kind of page. Beside its module lie NAME.html.j2, and NAME.js and NAME.css where it has them.

    The template extends 'site.html.j2'; it gets `page`, `site` (the SiteData), `document`, `root` (what leads from the
    document to the site's folder: '' or '../'), and all that a report's templates may use. Everything in it is escaped,
    and each text cut to what is no folder of the machine.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    """In the navigation, which leads to its first document; '': not there."""

    def documents(self, data: SiteData) -> Iterable[Document | DataFile]:
        """Return its documents; none where there is nothing to show."""
        ...
