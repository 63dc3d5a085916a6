"""How numbers are made, and how to cite them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from clipbench.report.site.pages.base import DataFile, Document, SiteData


class MethodPage:
    """How numbers are made, and how to cite them."""

    name: ClassVar[str] = "method"
    label: ClassVar[str] = "Method"

    def documents(self, data: SiteData) -> Iterable[Document | DataFile]:
        """Return its documents; none where there is nothing to show."""
        return ()
