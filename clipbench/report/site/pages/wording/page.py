"""How far results depend on the prompts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from clipbench.report.site.pages.base import DataFile, Document, SiteData


class WordingPage:
    """How far results depend on the prompts."""

    name: ClassVar[str] = "wording"
    label: ClassVar[str] = "Wording"

    def documents(self, data: SiteData) -> Iterable[Document | DataFile]:
        """Return its documents; none where there is nothing to show."""
        return ()
