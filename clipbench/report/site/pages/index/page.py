"""The board with its controls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from clipbench.report import marks
from clipbench.report.site.pages.base import DataFile, Document, SiteData
from clipbench.report.site.pages.index.headline import Headline, headline
from clipbench.report.site.pages.index.robustness import robustness
from clipbench.report.site.pages.index.table import Table, table_of

SCRIPTS = ("data/board.js", "assets/index.address.js", "assets/index.copy.js", "assets/index.cell.js")


@dataclass(frozen=True)
class Index:
    """What the template shows."""

    headline: Headline
    table: Table
    marks: Mapping[str, str]
    """What the marks in cells mean."""
    datasets: Mapping[str, str]
    """Data set -> its page."""
    ranked: bool
    """Whether any column has ranks."""


class IndexPage:
    """The board with its controls."""

    name: ClassVar[str] = "index"
    label: ClassVar[str] = "Leaderboard"

    def documents(self, data: SiteData) -> Iterable[Document | DataFile]:
        """Return its documents; none where there is nothing to show."""
        return (Document("index.html", data.title, partial(_index, data), SCRIPTS),)


def _index(data: SiteData) -> Index:
    names = dict.fromkeys(column.dataset for column in data.board.columns)
    pages = {name: data.dataset_path(name) for name in names}
    ranked = any(column.ranks for column in data.board.columns)
    shifts = robustness(data)
    return Index(headline(data, shifts), table_of(data, shifts), marks.explanations(data.leaderboard), pages, ranked)
