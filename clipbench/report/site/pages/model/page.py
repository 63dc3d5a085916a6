"""One model on everything that it was measured on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from clipbench.report.site.pages.base import DataFile, Document, SiteData


class ModelPage:
    """One model on everything that it was measured on."""

    name: ClassVar[str] = "model"
    label: ClassVar[str] = ""

    def documents(self, data: SiteData) -> Iterable[Document | DataFile]:
        """Return its documents; none where there is nothing to show."""
        return ()
