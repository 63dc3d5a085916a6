"""The measured columns of a board with their jobs, and the pictures that are stored of a data set's images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from clipbench.report.leaderboard import Cell
from clipbench.report.site.data.board import Column
from clipbench.report.site.pages.base import SiteData
from clipbench.results.records import JobResult


@dataclass(frozen=True)
class MeasuredColumn:
    """A column of the board with the jobs that fill it."""

    shown: Column
    cells: Mapping[int, Cell]
    """By the model's place in the board: done, with a number, and comparable with the others."""
    names: Mapping[int, str]
    """Of these models, as the board has them."""
    links: Mapping[int, str]
    """To the evidence of their numbers."""

    @property
    def at_chance(self) -> tuple[str, ...]:
        """Models that are not above chance: what they say of images and classes tells nothing of these."""
        return tuple(self.names[place] for place, cell in self.cells.items() if cell.at_chance)

    @property
    def above_chance(self) -> Mapping[int, Cell]:
        """The cells of the others."""
        return {place: cell for place, cell in self.cells.items() if not cell.at_chance}

    @property
    def jobs(self) -> list[JobResult]:
        """In the board's order of models."""
        return [cell.job for cell in self.cells.values()]


def measured_columns(data: SiteData) -> Iterator[MeasuredColumn]:
    """Yield the measured columns, those with most models first; of equally many in the board's order."""
    found = []
    # The measured columns come first in the board.
    for column, shown in zip(data.leaderboard.columns, data.board.columns, strict=False):
        cells = {
            place: cell
            for place, model in enumerate(data.leaderboard.models)
            if (cell := column.cells.get(model)) and cell.value is not None and cell.footnote is None
        }
        links = {cell.model: data.evidence_path(shown, cell) for cell in shown.cells if cell.model in cells}
        names = {place: data.board.models[place].name for place in cells}
        found.append(MeasuredColumn(shown, cells, names, links))
    yield from sorted(found, key=lambda column: -len(column.cells))


def pictures_of(data: SiteData, dataset: str, split: str, *, samples: bool = False) -> Mapping[str, Mapping[str, str]]:
    """Return stored pictures of a split's unchanged images by id; with `samples` those that show the data set alone."""
    stored = (data.written.samples,) if samples else (data.written.pictures, data.written.samples)
    found: dict[str, Mapping[str, str]] = {}
    for job in data.jobs.values():
        if job.dataset == dataset and not job.view:
            for picture in (picture for pictures in stored for picture in pictures.get(job.hash, ())):
                if picture.get("split", split) == split:
                    found.setdefault(picture["id"], picture)
    return found
