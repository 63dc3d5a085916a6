"""What labels add to zero-shot: probes and few-shot."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from clipbench.report.site.pages.base import DataFile, Document, SiteData


class LabelsPage:
    """What labels add to zero-shot: probes and few-shot."""

    name: ClassVar[str] = "labels"
    label: ClassVar[str] = "Labels"

    def documents(self, data: SiteData) -> Iterable[Document | DataFile]:
        """Return its documents; none where there is nothing to show."""
        return ()
