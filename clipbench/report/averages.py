"""Means over data sets, only of numbers that may be averaged."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from clipbench.report.leaderboard import Column, Leaderboard, Measurement
from clipbench.report.text import labels


@dataclass(frozen=True)
class Average:
    """The mean of a model's main metric over the data sets of one measurement and regime."""

    model: str
    measurement: Measurement
    regime: str
    total: int
    """How many data sets the group has; fewer in `datasets` means that the model lacks some."""
    metric: str
    """Label of the metric, or 'main metric' where the data sets report different ones."""
    value: float = 0.0
    low: float | None = None
    high: float | None = None
    level: float | None = None
    datasets: tuple[str, ...] = ()
    """What the mean is over."""
    columns: int = 1
    """How many columns of the leaderboard the mean rests on: more than data sets, where one has several."""
    unit: str = "fraction"
    best: bool = False

    @property
    def complete(self) -> bool:
        """Whether the model has them all; only such means are ranked."""
        return len(self.datasets) == self.total


@dataclass(frozen=True)
class Means:
    """The means of all models over one group of columns."""

    measurement: Measurement
    regime: str
    total: int
    by_model: Mapping[str, Average]


def means(leaderboard: Leaderboard) -> tuple[Means, ...]:
    """Average each model over the data sets of each measurement and regime.

    Only fractions are averaged of which more is better, and no cell with a footnote; a model whose name
    stands for several models gets no mean. A data set counts once: its columns (prompt sets, splits) are
    averaged first. Other numbers of shots or other features are another measurement, with a mean of its own.
    The interval takes data sets as independent samples and adds the squared distances to the ends of their
    intervals (Zou & Donner 2008, "Construction of confidence limits about effect measures"); within a data
    set, whose columns share images, distances are averaged.
    """
    grouped: dict[tuple[Measurement, str], list[Column]] = defaultdict(list)
    for column in leaderboard.columns:
        if column.unit == "fraction" and column.spec.higher_is_better:
            grouped[column.measurement, column.regime].append(column)
    found = [_group(leaderboard, *group, columns) for group, columns in grouped.items()]
    return tuple(sorted(found, key=_place))


def order_by_merit(leaderboard: Leaderboard, group_means: Sequence[Means]) -> Leaderboard:
    """Order the models by the first group's complete means, then by the other means, then by name."""

    def merit(model: str) -> tuple[tuple[int, float], ...]:
        found = [group.by_model.get(model) for group in group_means]
        return tuple((0 if mean and mean.complete else 1, -mean.value if mean else 0.0) for mean in found)

    return replace(leaderboard, models=tuple(sorted(leaderboard.models, key=lambda model: (merit(model), model))))


def telling(group_means: Sequence[Means], model: str) -> list[tuple[Average, Average | None]]:
    """Return what stands for a model, for each task, regime and set of prompts.

    This is a mean, and where there is one the few-shot mean to set beside it. Of several conditions the plainest; of
    few-shot the largest number of shots that all sets have, and beside it the smallest over the same sets.
    """
    groups: dict[tuple[str, str, str], list[Average]] = defaultdict(list)
    for group in group_means:
        if model in group.by_model:
            groups[group.measurement.task, group.regime, group.measurement.prompts].append(group.by_model[model])
    return list(map(_telling, groups.values()))


def _telling(averages: Sequence[Average]) -> tuple[Average, Average | None]:
    conditions = [replace(average.measurement.condition, shots=None) for average in averages]
    alike = [mean for mean, condition in zip(averages, conditions, strict=True) if condition == conditions[0]]
    most = max(alike, key=lambda mean: (mean.complete, mean.measurement.condition.shots or 0))
    fewest = alike[0]
    return most, fewest if fewest is not most and fewest.datasets == most.datasets else None


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
    found = {
        model: average
        for model in leaderboard.models
        if model not in leaderboard.mixed and (average := _average(replace(like, model=model), datasets))
    }
    complete = [average.value for average in found.values() if average.complete]
    best = max(complete) if len(complete) > 1 else None
    found = {model: replace(mean, best=mean.complete and mean.value == best) for model, mean in found.items()}
    return Means(measurement, regime, len(datasets), found)


class _Part(NamedTuple):
    """A model's mean over the columns of one data set."""

    value: float
    low: float | None
    high: float | None
    level: float | None


def _average(like: Average, datasets: Mapping[str, Sequence[Column]]) -> Average | None:
    """Average the model of `like` over the data sets that it has; None where it has none."""
    parts = {name: part for name, columns in datasets.items() if (part := _of_one_dataset(like.model, columns))}
    if not parts:
        return None
    count, columns = len(parts), sum(len(datasets[name]) for name in parts)
    value = math.fsum(part.value for part in parts.values()) / count
    average = replace(like, value=value, datasets=tuple(parts), columns=columns)
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
        return _Part(value, None, None, None)
    return _Part(value, _mean([r.low for r in records]), _mean([r.high for r in records]), levels.pop())


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(values) else None
