"""One data set and what models make of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from clipbench.report.site.pages.base import DataFile, Document, SiteData


class DatasetPage:
    """One data set and what models make of it."""

    name: ClassVar[str] = "dataset"
    label: ClassVar[str] = ""

    def documents(self, data: SiteData) -> Iterable[Document | DataFile]:
        """Return its documents; none where there is nothing to show."""
        return ()
