"""What a section of the page is: a pure function of results to what its template shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Protocol

from clipbench.report.averages import Means
from clipbench.report.held import Held
from clipbench.report.leaderboard import Leaderboard
from clipbench.report.pictures import Album
from clipbench.results.folder import Results
from clipbench.results.records import AnalysisResult, JobResult


@dataclass(frozen=True)
class PageData:
    """All that a section may show."""

    results: Results
    jobs: Sequence[JobResult]
    """Of all models, on changed images and matched classes too."""
    analyses: Sequence[AnalysisResult]
    leaderboard: Leaderboard
    """In whose order and colours models are shown."""
    means: Sequence[Means]
    album: Album
    """Counts the bytes of thumbnails over the whole page."""
    claimed: frozenset[str] = frozenset()
    """Analyses that some section says it needs."""
    held: Held = field(default_factory=Held)
    """What closed boxes of the page hold."""

    @cached_property
    def rank(self) -> dict[str, int]:
        """Place in the leaderboard by model."""
        return {model: place for place, model in enumerate(self.leaderboard.models)}

    def results_of(self, *analyses: str) -> tuple[AnalysisResult, ...]:
        """Return what analyses of these names found, models in the leaderboard's order, others after them by name."""
        found = (result for result in self.analyses if result.analysis in analyses)
        last = len(self.rank)
        return tuple(sorted(found, key=lambda result: (self.rank.get(result.about.model, last), result.about.model)))

    @property
    def unclaimed(self) -> tuple[AnalysisResult, ...]:
        """What analyses found that no section says it needs."""
        return tuple(result for result in self.analyses if result.analysis not in self.claimed)


class Section(Protocol):
    """A section of the page. Its template gets what `show` returns as `section`.

    The template is a file beside the module of the class. Everything in it is escaped; it may import the macros of
    'macros.html.j2' and use `numbers`, `labels`, `series` (model -> number of its colour), `coloured` and `held`, for
    what a closed box holds until it is opened: `<div data-held="{{ held.box(held.grid(table)) }}">`. Each figure that
    its macro `plot` draws is one of those that the page has room for.
    """

    name: ClassVar[str]
    """Its anchor in the page."""
    title: ClassVar[str]
    order: ClassVar[int]
    """Smaller numbers stand further up."""
    analyses: ClassVar[tuple[str, ...]]
    """Whose results it shows; those that no section names are shown by 'comparisons'."""
    template: ClassVar[str]

    def show(self, data: PageData, figures: int) -> object | None:
        """Return what the template shows, with at most so many figures; None where there is nothing."""
        ...
