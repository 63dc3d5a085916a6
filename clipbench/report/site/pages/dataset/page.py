"""One data set and what models make of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from clipbench.report.site.pages.base import DataFile, Document, SiteData
from clipbench.report.site.pages.dataset.about import About, about
from clipbench.report.site.pages.dataset.classes import Classes, classes_of
from clipbench.report.site.pages.dataset.images import Images, images_of
from clipbench.report.site.pages.dataset.ranking import Ranking, rankings
from clipbench.report.site.pages.dataset.source import MeasuredColumn, measured_columns


@dataclass(frozen=True)
class DatasetContent:
    """What the page of a data set shows."""

    dataset: str
    about: About
    rankings: tuple[Ranking, ...]
    footnotes: Mapping[int, str]
    """By number: why a model is not compared."""
    images: Images | None
    classes: Classes | None
    all_classes: str
    """Path of the file with all classes and models; '' where the page shows them."""


class DatasetPage:
    """One data set and what models make of it."""

    name: ClassVar[str] = "dataset"
    label: ClassVar[str] = ""

    def documents(self, data: SiteData) -> Iterable[Document | DataFile]:
        """Return a page for each data set of the board, and a file of classes where there are more than it shows."""
        measured: dict[str, list[MeasuredColumn]] = {}
        for column in measured_columns(data):
            measured.setdefault(column.shown.dataset, []).append(column)
        for dataset in dict.fromkeys(column.dataset for column in data.board.columns):
            path, here = data.dataset_path(dataset), measured.get(dataset, [])
            classes = classes_of(here)
            file = f"data/classes/{Path(path).stem}.csv" if classes and classes.cut else ""
            if classes and file:
                yield DataFile(file, classes.csv)
            yield Document(path, dataset, partial(_content, data, dataset, here, classes, file))


def _content(
    data: SiteData, dataset: str, here: list[MeasuredColumn], classes: Classes | None, file: str
) -> DatasetContent:
    return DatasetContent(
        dataset=dataset,
        about=about(data, dataset, here),
        rankings=rankings(data, dataset),
        footnotes={note.number: note.text for note in data.board.footnotes},
        images=images_of(data, dataset, here),
        classes=classes,
        all_classes=file,
    )
