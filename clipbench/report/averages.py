"""Means over data sets, only of numbers that may be averaged."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from clipbench.report.leaderboard import Column, Leaderboard, Measurement
from clipbench.report.text import labels
from clipbench.report.text.claims import floor
from clipbench.stats.simultaneous import bonferroni


@dataclass(frozen=True)
class Average:
    """The mean of a model's main metric over the data sets of one measurement and regime."""

    model: str
    measurement: Measurement
    regime: str
    total: int
    """How many data sets the group has."""
    metric: str
    """Label of the metric, or 'main metric' where the data sets report different ones."""
    value: float = 0.0
    low: float | None = None
    high: float | None = None
    level: float | None = None
    datasets: tuple[str, ...] = ()
    """What the mean is over."""
    ranked: bool = False
    """Whether these are the sets of the group's ranking; a mean over others stands apart."""
    columns: int = 1
    """How many columns of the leaderboard the mean rests on: more than data sets, where one has several."""
    basis: str = ""
    """Of a single column what its number rests on, e.g. 'n = 1,000'; of several the limits that some of them have."""
    unit: str = "fraction"
    best: bool = False
    """Whether no ranked mean is surely higher, and some are surely lower than the highest."""
    floor: float | None = None
    """The mean of what the numbers have to exceed to be above chance; None where that is not known of each."""

    @property
    def at_chance(self) -> bool:
        """Whether it is not above chance."""
        return self.floor is not None and (self.value if self.low is None else self.low) <= self.floor


@dataclass(frozen=True)
class Means:
    """The means of all models over one group of columns."""

    measurement: Measurement
    regime: str
    total: int
    datasets: tuple[str, ...]
    """That the ranked models have in common, and over which their means are."""
    by_model: Mapping[str, Average]


def means(leaderboard: Leaderboard) -> tuple[Means, ...]:
    """Average each model over the data sets of each measurement and regime.

    Only fractions are averaged of which more is better, and no cell with a footnote; a model whose name
    stands for several models gets no mean. A data set counts once: its columns (prompt sets, splits) are
    averaged first. Other numbers of shots or other features are another measurement, with a mean of its own.
    Models are ranked over the sets that they have in common; one that lacks some of these has a mean of its own sets.
    The interval takes data sets as independent samples and adds the squared distances to the ends of their
    intervals (Zou & Donner 2008, "Construction of confidence limits about effect measures"); within a data
    set, whose columns share images, distances are averaged.
    """
    grouped: dict[tuple[Measurement, str], list[Column]] = defaultdict(list)
    for column in leaderboard.columns:
        if may_be_averaged(column):
            grouped[column.measurement, column.regime].append(column)
    found = [_group(leaderboard, *group, columns) for group, columns in grouped.items()]
    pairs = sum(math.comb(sum(mean.ranked for mean in group.by_model.values()), 2) for group in found)
    return tuple(sorted((_mark_best(group, bonferroni(pairs)) for group in found), key=_place))


def may_be_averaged(column: Column) -> bool:
    """Return whether a column's numbers are fractions of which more is better."""
    return column.unit == "fraction" and bool(column.spec.higher_is_better)


def order_by_merit(leaderboard: Leaderboard, group_means: Sequence[Means]) -> Leaderboard:
    """Order the models by the first group's ranked means, then by those of the other groups, then by name."""

    def merit(model: str) -> tuple[tuple[int, float], ...]:
        found = [group.by_model.get(model) for group in group_means]
        return tuple((0, -mean.value) if mean and mean.ranked else (1, 0.0) for mean in found)

    return replace(leaderboard, models=tuple(sorted(leaderboard.models, key=lambda model: (merit(model), model))))


def _place(group: Means) -> tuple[object, ...]:
    task, *rest = group.measurement.order
    return (task, labels.regime_order(group.regime), *rest)


def _group(leaderboard: Leaderboard, measurement: Measurement, regime: str, columns: Sequence[Column]) -> Means:
    datasets: dict[str, list[Column]] = defaultdict(list)
    for column in columns:
        datasets[column.dataset].append(column)
    names = {column.spec.label for column in columns}
    metric = names.pop() if len(names) == 1 else "main metric"
    like = Average("", measurement, regime, len(datasets), metric)
    single = [model for model in leaderboard.models if model not in leaderboard.mixed]
    parts = {model: found for model in single if (found := _parts(model, datasets))}
    common = _common([frozenset(found) for found in parts.values()])
    by_model = {}
    for model, found in parts.items():
        ranked = common <= found.keys()
        over = {name: part for name, part in found.items() if name in common or not ranked}
        used = [column for name in over for column in datasets[name]]
        basis = used[0].basis if len(used) == 1 else ", ".join(dict.fromkeys(c.subset for c in used if c.subset))
        by_model[model] = _average(replace(like, model=model, ranked=ranked, columns=len(used), basis=basis), over)
    return Means(measurement, regime, len(datasets), tuple(name for name in datasets if name in common), by_model)


def _common(available: Sequence[frozenset[str]]) -> frozenset[str]:
    """Return the sets over which to rank: those that most models have in common, weighed by how many sets these are.

    Two models at least, where any two share a set.
    """

    def weight(sets: frozenset[str]) -> tuple[bool, int, int, list[str]]:
        models = sum(sets <= own for own in available) if sets else 0
        return (models > 1, models * len(sets), len(sets), sorted(sets))

    candidates = {first & second for first in available for second in available}
    return max(candidates, key=weight, default=frozenset())


def _mark_best(group: Means, critical: float) -> Means:
    """Mark the ranked means that no other surely exceeds; none where that is said of all."""
    ranked = [mean for mean in group.by_model.values() if mean.ranked]
    best = {mean.model for mean in ranked if not any(surely_lower(mean, other, critical) for other in ranked)}
    if len(best) == len(ranked):
        return group
    marked = {mean.model: replace(mean, best=True) for mean in ranked if mean.model in best and not mean.at_chance}
    return replace(group, by_model={**group.by_model, **marked})


def surely_lower(mean: Average, other: Average, critical: float) -> bool:
    """Compare two means by their own intervals, as if of other images each: wider than what the same images tell."""
    if mean.high is None or other.low is None or mean.level != other.level or mean.level is None:
        return False
    distance = math.hypot(mean.high - mean.value, other.value - other.low)
    return other.value - mean.value > distance * critical / bonferroni(1, mean.level)


class _Part(NamedTuple):
    """A model's mean over the columns of one data set."""

    value: float
    low: float | None
    high: float | None
    level: float | None
    floor: float | None


def _parts(model: str, datasets: Mapping[str, Sequence[Column]]) -> dict[str, _Part]:
    """Return a model's means over the columns of each data set that it has."""
    return {name: part for name, columns in datasets.items() if (part := _of_one_dataset(model, columns))}


def _average(like: Average, parts: Mapping[str, _Part]) -> Average:
    """Average the model of `like` over some data sets."""
    count = len(parts)
    value = math.fsum(part.value for part in parts.values()) / count
    average = replace(like, value=value, datasets=tuple(parts), floor=_mean([part.floor for part in parts.values()]))
    levels = {part.level for part in parts.values()}
    below = [part.value - part.low for part in parts.values() if part.low is not None]
    above = [part.high - part.value for part in parts.values() if part.high is not None]
    if len(levels) > 1 or not len(below) == len(above) == count:
        return average
    low, high = value - math.hypot(*below) / count, value + math.hypot(*above) / count
    return replace(average, low=low, high=high, level=levels.pop())


def _of_one_dataset(model: str, columns: Sequence[Column]) -> _Part | None:
    """Average a model over the columns of one data set, or None if it lacks any of them."""
    cells = [cell for column in columns if (cell := column.cells.get(model)) and cell.footnote is None]
    records = [cell.record for cell in cells if cell.record]
    value = _mean([record.value for record in records])
    if value is None or len(records) < len(columns):
        return None
    levels = {record.level for record in records}
    if len(levels) > 1:
        return _Part(value, None, None, None, None)
    low, high, chance = (_mean(ends) for ends in zip(*((r.low, r.high, floor(r)) for r in records), strict=True))
    return _Part(value, low, high, levels.pop(), chance)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(values) else None
