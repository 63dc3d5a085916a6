"""What the board says in a sentence: who leads, what is left under shift, how often the first place is shared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clipbench.report.averages import Average
from clipbench.report.site.data.board import Model, Preset, Ranking
from clipbench.report.site.pages.base import SiteData
from clipbench.report.site.pages.index.robustness import Robustness
from clipbench.report.text.claims import Claim
from clipbench.results.records import Record


@dataclass(frozen=True)
class Lead:
    """The first of a ranking."""

    ranking: Ranking
    models: tuple[str, ...]
    """None is surely better than these, the one with the highest mean first."""
    mean: Average
    """Of the first."""
    n: int
    """Images of the sets of the ranking."""
    limits: tuple[str, ...]
    """How they were chosen, where not all of them count."""

    @property
    def alone(self) -> bool:
        """Whether the first is surely better than all others."""
        return len(self.ranking.rows) > 1 and self.ranking.rows[0].highest == 1

    @property
    def compared(self) -> int:
        """How many models were ranked."""
        return len(self.ranking.rows)


@dataclass(frozen=True)
class Left:
    """What a model keeps of its accuracy on a reference under shift, on the same classes."""

    model: str
    reference: str
    condition: str
    datasets: tuple[str, ...]
    before: float
    left: Record
    lost: Claim
    n: int
    """Images of the shift, of the smallest where there are several."""


@dataclass(frozen=True)
class Headline:
    """What the first screen says; None where nothing was measured that says it."""

    lead: Lead | None
    left: Left | None
    measured: Preset | None
    """Which says in how many columns the first place is shared."""
    published: tuple[Model, ...]
    """In the order of their table."""


def headline(data: SiteData, shifts: Sequence[Robustness]) -> Headline:
    """Return what may be said of a board in a sentence; of shifts the first reference that the leader is on."""
    measured = next((preset for preset in data.board.presets if preset.slug == "measured"), None)
    lead = _lead(data, measured.rankings) if measured else None
    first = lead.ranking.rows[0].model if lead else 0
    published = tuple(model for model in data.board.models if model.published)
    return Headline(lead, _left(data, shifts, first) if measured else None, measured, published)


def _lead(data: SiteData, rankings: Sequence[Ranking]) -> Lead | None:
    """Return the first of zero-shot classification on benchmark sets, else of the first ranking."""
    ranked = [ranking for ranking in rankings if ranking.rows]
    alike = [ranking for ranking in ranked if (ranking.task, ranking.regime) == ("zero_shot", "benchmark")]
    ranking = next(iter(alike or ranked), None)
    if ranking is None:
        return None
    first = data.leaderboard.models[ranking.rows[0].model]
    mean = next(
        group.by_model[first]
        for group in data.here.means
        if (group.measurement.task, group.regime, group.datasets) == (ranking.task, ranking.regime, ranking.datasets)
        and first in group.by_model
        and group.by_model[first].value == ranking.rows[0].value
    )
    columns = [column for column in data.board.columns if column.slug in ranking.columns]
    images = {column.dataset: column.n or 0 for column in columns}
    limits = tuple(dict.fromkeys(column.limit for column in columns if column.limit))
    names = tuple(data.board.models[row.model].name for row in ranking.rows if row.lowest == 1)
    return Lead(ranking, names, mean, sum(images.values()), limits)


def _left(data: SiteData, shifts: Sequence[Robustness], place: int) -> Left | None:
    """Return what the model keeps, on the reference on which most models are above chance."""
    group = next((group for group in shifts if place in group.summaries), None)
    if group is None:
        return None
    summary = group.summaries[place]
    left = summary.result.record("mean_shift_top1")
    if left is None:
        return None
    told = (group.reference, group.condition, group.datasets, summary.on_reference)
    return Left(data.board.models[place].name, *told, left, summary.gap, summary.result.about.n)
