"""Accuracy elsewhere against that on the benchmark."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from clipbench.report.site.pages.base import DataFile, Document, SiteData


class RobustnessPage:
    """Accuracy elsewhere against that on the benchmark."""

    name: ClassVar[str] = "robustness"
    label: ClassVar[str] = "Robustness"

    def documents(self, data: SiteData) -> Iterable[Document | DataFile]:
        """Return its documents; none where there is nothing to show."""
        return ()
