"""Made-up right and wrong answers of one, two or many models, for `coverage.py`."""

from __future__ import annotations

from itertools import starmap

import numpy as np
import pandas as pd
from numpy.random import Generator
from scipy.stats import rankdata
from worlds.cases import Draw, IntervalCase, PowerCase, StatementCase, answers

from clipbench.analyses.rankings.gate import judge
from clipbench.analyses.rankings.rank_sets import rank_sets
from clipbench.arrays import BoolArray
from clipbench.stats.intervals import wilson
from clipbench.stats.paired import compare_pair, score_interval
from clipbench.stats.power import detectable_difference
from clipbench.stats.simultaneous import critical_value, largest_of, largest_of_pairs

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


def ranks(shifts: tuple[float, ...], sets: int, n: int) -> StatementCase:
    """Sets are equally hard for all models but for their shifts, in logits; equal ones may have any of their ranks."""
    worst = rankdata(-np.array(shifts), "max")
    best = rankdata(-np.array(shifts), "min")

    def draw(random: Generator) -> bool:
        right = [answers(random, random.uniform(0.5, 0.95, n), shifts, 0.6) for _ in range(sets)]
        found = rank_sets(right, [str(place) for place in range(len(shifts))])
        # A model that is equal to others has none of their ranks surely to itself.
        return any(one.lowest > best[int(one.model)] or one.highest < worst[int(one.model)] for one in found)

    world = f"{len(shifts)} models, {len(set(shifts))} of them different, {sets} sets of {n}"
    return StatementCase("a rank that the model does not have", world, draw)


def refused(n: int) -> StatementCase:
    """A new model that is as good as the old one."""

    def draw(random: Generator) -> bool:
        old, new = answers(random, np.full(n, 0.8), [0.0, 0.0], 0.6)
        found = compare_pair(old, new)
        low, high = score_interval(found.only_first, found.only_second, n)
        spread = (found.only_first + found.only_second) / n
        row = {"first": old.mean(), "second": new.mean(), "difference": found.difference, "low": low, "high": high}
        frame = pd.DataFrame(
            [row | {"n": n, "spread": spread, "higher_is_better": True, "unit": "fraction", "at_chance": False}]
        )
        frame.attrs |= {"critical": 1.96}
        return bool((judge(frame, 1.0)["judgement"] == "worse").any())

    return StatementCase("worse by a point (--fail-if-worse 1)", f"an equal model, n = {n}", draw)


def power(n: int, spread: float) -> PowerCase:
    difference = detectable_difference(spread, n) or 0.0

    def draw(random: Generator) -> bool:
        only_first, only_second, _ = random.multinomial(
            n, [(spread + difference) / 2, (spread - difference) / 2, 1 - spread]
        )
        low, high = score_interval(only_first, only_second, n)
        return bool(low > 0 or high < 0)

    world = f"n = {n}, {100 * spread:.0f} % of images apart: {100 * difference:.1f} points"
    return PowerCase("the detectable difference is found", world, 0.8, draw)


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
    *starmap(clustered_difference, [(12, 30, 0.0), (25, 20, 0.5), (100, 10, 0.2)]),
]

STATEMENTS: list[StatementCase] = [
    *starmap(all_pairs, [(2, 200, 0.5, 0.7), (5, 200, 0.9, 0.7), (20, 1000, 0.6, 0.7), (10, 100, 0.6, 0.97)]),
    table_of_sets(12, 300, 0.8),
    *starmap(ranks, [((0.0,) * 8, 1, 400), ((0.0, 0.0, 0.1, 0.1, 0.4, 0.4), 1, 1000), ((0.0,) * 6, 8, 200)]),
    refused(400),
]

POWERS = list(starmap(power, [(350, 0.1), (2000, 0.05), (10_000, 0.2)]))
