"""Made-up worlds with a known truth, for `coverage.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import starmap

import numpy as np
from numpy.random import Generator

from clipbench.arrays import BoolArray, Float64Array
from clipbench.stats.clusters import design, share_interval
from clipbench.stats.intervals import Interval, wilson
from clipbench.stats.paired import compare_pair, paired_recall_difference, score_interval
from clipbench.stats.recalls import recall_interval
from clipbench.stats.simultaneous import critical_value, largest_of, largest_of_pairs

Draw = tuple[Interval | None, float]
"""The interval that is printed in a world, and the truth."""


@dataclass(frozen=True)
class IntervalCase:
    """One kind of interval in one kind of world."""

    name: str
    world: str
    draw: Callable[[Generator], Draw]


@dataclass(frozen=True)
class StatementCase:
    """One kind of statement in a world where it is false."""

    name: str
    world: str
    draw: Callable[[Generator], bool]
    """Whether it is made."""


def answers(random: Generator, chances: Float64Array, models: Sequence[float], shared: float) -> BoolArray:
    """Return (M, n) right answers of models to n examples.

    Args:
        random: of this world.
        chances: (n,) how often an example is answered rightly by a model of shift 0.
        models: M shifts, in logits.
        shared: which part of an answer's luck all models share; 1: equal models are right about the same examples.
    """
    logits = np.log(chances / (1 - chances)) + np.asarray(models)[:, None]
    common, own = random.standard_normal(len(chances)), random.standard_normal((len(models), len(chances)))
    luck = np.sqrt(shared) * common + np.sqrt(1 - shared) * own
    return np.asarray(luck < _quantile(1 / (1 + np.exp(-logits))))


def _quantile(share: Float64Array) -> Float64Array:
    from scipy.special import ndtri

    return np.asarray(ndtri(share))


# Single accuracies, and two on the same examples


def proportion(n: int, low: float, high: float) -> IntervalCase:
    """The accuracy is drawn anew in each world, since the coverage at one accuracy hangs on how its counts fall."""

    def draw(random: Generator) -> Draw:
        p = random.uniform(low, high)
        return wilson(int(random.binomial(n, p)), n), p

    return IntervalCase("accuracy", f"n = {n}, {low} to {high}", draw)


def difference(n: int, only_first: float, only_second: float) -> IntervalCase:
    def draw(random: Generator) -> Draw:
        cells = random.multinomial(n, [only_first, only_second, (1 - only_first - only_second)])
        first = np.repeat([True, False, True], cells)
        second = np.repeat([False, True, True], cells)
        return compare_pair(first, second).interval, only_first - only_second

    return IntervalCase("paired difference of accuracies", f"n = {n}, {only_first} and {only_second} apart", draw)


def clustered_difference(clusters: int, size: int, apart: float) -> IntervalCase:
    """Clusters of about the same size in which both answers, and so their difference, go together."""

    def draw(random: Generator) -> Draw:
        sizes = 1 + random.poisson(size - 1, clusters)
        place = np.repeat(np.arange(clusters), sizes)
        # The share of a cluster's examples that only the first, or only the second, is right about.
        mostly = random.beta(0.4, 3.0, clusters)
        discordant = random.random(len(place)) < mostly[place]
        won = random.beta(1 + apart, 1, clusters)[place] > random.random(len(place))
        first, second = discordant & won, discordant & ~won
        share = 0.4 / 3.4
        truth = share * (2 * (1 + apart) / (2 + apart) - 1)
        return compare_pair(first, second, clusters=place).interval, truth

    return IntervalCase("paired difference of clustered examples", f"{clusters} clusters of about {size}", draw)


def clustered_accuracy(clusters: int, size: int, alike: float) -> IntervalCase:
    """Clusters of which all examples are about as hard: `alike` of the variance is between them."""
    a, b = 0.7 * (1 - alike) / alike, 0.3 * (1 - alike) / alike

    def draw(random: Generator) -> Draw:
        sizes = 1 + random.poisson(size - 1, clusters)
        place = np.repeat(np.arange(clusters), sizes)
        right = random.random(len(place)) < random.beta(a, b, clusters)[place]
        return share_interval(float(right.mean()), len(right), design(right, place)), 0.7

    return IntervalCase(
        "accuracy of clustered examples", f"{clusters} clusters of about {size}, alike by {alike}", draw
    )


# Means over classes


def _class_chances(classes: int) -> Float64Array:
    """Return (C,) accuracies of easy, middling and hard classes."""
    return np.tile([0.99, 0.8, 0.4, 0.9], classes)[:classes]


def recall(classes: int, each: int) -> IntervalCase:
    chances = _class_chances(classes)
    labels = np.repeat(np.arange(classes), each)

    def draw(random: Generator) -> Draw:
        return recall_interval(labels, random.random(len(labels)) < chances[labels]), float(chances.mean())

    return IntervalCase("mean per-class recall", f"{classes} classes of {each}", draw)


def recall_difference(classes: int, each: int, apart: float) -> IntervalCase:
    labels = np.repeat(np.arange(classes), each)
    gains, losses = 0.02 + apart * _class_chances(classes), np.full(classes, 0.05)

    def draw(random: Generator) -> Draw:
        luck, agreed = random.random((2, len(labels)))
        only_first = luck < gains[labels]
        only_second = ~only_first & (luck < (gains + losses)[labels])
        both = ~only_first & ~only_second & (agreed < 0.7)
        found = paired_recall_difference(labels, only_first | both, only_second | both)[1]
        return found, float((gains - losses).mean())

    return IntervalCase("paired difference of mean per-class recalls", f"{classes} classes of {each}", draw)


# Several comparisons at once, of equal models


def _any_pair_called(right: BoolArray, critical: float) -> bool:
    counts = right.astype(np.float32) @ right.astype(np.float32).T
    first, second = np.triu_indices(len(right), 1)
    of_first, of_second, both = counts[first, first], counts[second, second], counts[first, second]
    low, high = score_interval(of_first - both, of_second - both, right.shape[1], critical)
    return bool(np.any((low > 0) | (high < 0)))


def all_pairs(models: int, n: int, shared: float, accuracy: float) -> StatementCase:
    def draw(random: Generator) -> bool:
        right = answers(random, np.full(n, accuracy), [0.0] * models, shared)
        return _any_pair_called(right, critical_value([largest_of_pairs(right)]))

    errors = "mostly the same errors" if shared > 0.5 else "own errors"
    world = f"{models} equal models at {accuracy}, n = {n}, {errors}"
    return StatementCase("one of any two models is better", world, draw)


def table_of_sets(sets: int, n: int, accuracy: float) -> StatementCase:
    def draw(random: Generator) -> bool:
        pairs = [answers(random, np.full(n, accuracy), [0.0, 0.0], 0.6) for _ in range(sets)]
        apart = [right[0].astype(np.int64) - right[1] for right in pairs]
        critical = critical_value([largest_of(values[:, None]) for values in apart])
        return any(_any_pair_called(right, critical) for right in pairs)

    return StatementCase("better on one of several sets", f"two equal models, {sets} sets of {n}", draw)


INTERVALS: list[IntervalCase] = [
    *(proportion(n, *ends) for n in (10, 30, 100, 1000) for ends in ((0.3, 0.7), (0.8, 0.95), (0.95, 0.999))),
    *starmap(
        difference,
        [
            (30, 0.1, 0.1),
            (200, 0.02, 0.0),
            (200, 0.04, 0.02),
            (1000, 0.002, 0.002),
            (1000, 0.01, 0.01),
            (1000, 0.15, 0.1),
            (10_000, 0.004, 0.002),
        ],
    ),
    *starmap(clustered_accuracy, [(12, 30, 0.3), (25, 20, 0.3), (100, 10, 0.05)]),
    *starmap(clustered_difference, [(12, 30, 0.0), (25, 20, 0.5), (100, 10, 0.2)]),
    *starmap(recall, [(10, 1), (100, 1), (100, 2), (50, 5), (10, 50)]),
    *starmap(recall_difference, [(100, 1, 0.1), (100, 2, 0.1), (50, 5, 0.03), (10, 50, 0.1)]),
]

STATEMENTS: list[StatementCase] = [
    *starmap(all_pairs, [(2, 200, 0.5, 0.7), (5, 200, 0.9, 0.7), (20, 1000, 0.6, 0.7), (10, 100, 0.6, 0.97)]),
    table_of_sets(12, 300, 0.8),
]
