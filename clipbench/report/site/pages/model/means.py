"""A model's means over data sets, with the ranks that they allow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from clipbench.report.site.data import board


@dataclass(frozen=True)
class Mean:
    """One mean; `lowest` and `highest` are the ranks that the model may have among `models`, 0: it is not ranked."""

    label: str
    metric: str
    datasets: tuple[str, ...]
    value: float
    low: float | None = None
    high: float | None = None
    lowest: int = 0
    highest: int = 0
    models: int = 0
    at_chance: bool = False


def means_of(made: board.Board, place: int) -> tuple[Mean, ...]:
    """Return a measured model's means over several sets, a published one's over the field's lists of them."""
    if made.models[place].origin == "published":
        return tuple(_published(made, place))
    rankings = (ranking for choice in made.presets if choice.slug == "measured" for ranking in choice.rankings)
    # A mean over one set says what the number there says.
    return tuple(mean for ranking in rankings for mean in _measured(ranking, place) if len(mean.datasets) > 1)


def _measured(ranking: board.Ranking, place: int) -> Iterator[Mean]:
    label = f"{ranking.label}, {ranking.regime} sets" if ranking.regime else ranking.label
    for row in ranking.rows:
        if row.model == place:
            ranks = (row.lowest, row.highest, len(ranking.rows)) if len(ranking.rows) > 1 else (0, 0, 0)
            ends = (row.value, row.low, row.high)
            yield Mean(label, ranking.metric_label, ranking.datasets, *ends, *ranks, row.at_chance)
    for other in ranking.apart:
        if other.model == place:
            yield Mean(label, ranking.metric_label, other.datasets, other.value, other.low, other.high)


def _published(made: board.Board, place: int) -> Iterator[Mean]:
    named = {column.slug: column.dataset for column in made.columns}
    for choice in made.presets:
        found = choice.published
        value = dict(found.means).get(place) if found else None
        if found and value is not None:
            yield Mean(choice.label, "", tuple(named[column] for column in found.columns), value)
