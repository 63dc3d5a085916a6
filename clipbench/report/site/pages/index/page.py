"""The board with its controls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from clipbench.report.site.pages.base import DataFile, Document, SiteData


class IndexPage:
    """The board with its controls."""

    name: ClassVar[str] = "index"
    label: ClassVar[str] = "Leaderboard"

    def documents(self, data: SiteData) -> Iterable[Document | DataFile]:
        """Return its documents; none where there is nothing to show."""
        return (Document("index.html", data.title, lambda: None),)
