"""Two models side by side, and all pairs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from clipbench.report.site.pages.base import DataFile, Document, SiteData


class ComparePage:
    """Two models side by side, and all pairs."""

    name: ClassVar[str] = "compare"
    label: ClassVar[str] = "Compare"

    def documents(self, data: SiteData) -> Iterable[Document | DataFile]:
        """Return its documents; none where there is nothing to show."""
        return ()
