"""The section 'Data sets': a figure of each column, few-shot at several numbers of shots as one curve."""

from __future__ import annotations

from typing import ClassVar

from clipbench.report.sections.base import PageData
from clipbench.report.sections.sets.charts import Charts, charts


class SetsSection:
    """Draws what the leaderboard holds."""

    name: ClassVar[str] = "sets"
    title: ClassVar[str] = "Data sets"
    order: ClassVar[int] = 40
    analyses: ClassVar[tuple[str, ...]] = ()
    template: ClassVar[str] = "sets.html.j2"

    def show(self, data: PageData, figures: int) -> Charts | None:
        """Draw each column, up to so many figures."""
        drawn = charts(data.leaderboard, data.results_of("probe_vs_zero_shot"), figures)
        return drawn if len(drawn) else None
