"""Which ranks each of several models may have, where all their pairs are compared at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbench.stats.pairs import PairedValues, better_and_worse, largest_of_sets, mean_of_sets
from clipbench.stats.significance import ALPHA
from clipbench.stats.simultaneous import bonferroni, critical_value


@dataclass(frozen=True)
class RankSet:
    """The ranks that a model may have among M; 1 is the best."""

    model: str
    lowest: int
    """1 and the number of models that are surely better."""
    highest: int
    """M less the number of models that are surely worse."""
    value: float
    paired: bool = True
    """False: known by its accuracy alone, so compared as if its examples were others."""

    @property
    def may_be_best(self) -> bool:
        """Whether it is the best, or not distinguishable from the best."""
        return self.lowest == 1


@dataclass(frozen=True)
class PublishedAccuracy:
    """A model of which only the share of right answers among n examples is known."""

    model: str
    value: float
    n: int


def rank_sets(
    sets: Sequence[PairedValues | NDArray[Any]] | NDArray[Any],
    names: Sequence[str],
    *,
    published: Sequence[PublishedAccuracy] = (),
    higher_is_better: bool = True,
) -> list[RankSet]:
    """Return each model's possible ranks; all of them hold together with 95 % confidence.

    Args:
        sets: what M models make of n examples, (M, n) truth values or numbers or `PairedValues`; or of several sets of
            examples, whose means are then ranked.
        names: M names.
        published: further models to rank beside these, on one set of examples; their differences, from these and among
            each other, are those of two independent shares, at Bonferroni's critical value for all pairs.
        higher_is_better: whether rank 1 has the highest value.

    Source of the method: Mohamad, van Zwet, Solari and Goeman 2022, "Simultaneous confidence intervals for ranks";
    here with paired tests and their joint distribution.
    """
    given = [sets] if isinstance(sets, np.ndarray) and sets.ndim == 2 else sets
    parts = [part if isinstance(part, PairedValues) else PairedValues(np.asarray(part)) for part in given]
    measured = len(names)
    models, pairs = measured + len(published), math.comb(measured + len(published), 2)
    directions = np.zeros((models, models), np.int64)
    if measured > 1:
        share = math.comb(measured, 2) / pairs
        critical = critical_value([largest_of_sets(parts)], 1 - ALPHA * share)
        found = mean_of_sets([part.differences(critical) for part in parts])
        upper = np.triu_indices(measured, 1)
        directions[upper] = found.directions
    values = np.mean([part.values for part in parts], axis=0).tolist()
    shares = [*((value, parts[0].n) for value in values), *((row.value, row.n) for row in published)]
    for first, second in combinations(range(models), 2):
        if second >= measured:
            directions[first, second] = _direction(*shares[first], *shares[second], bonferroni(pairs))
    every_pair = directions[np.triu_indices(models, 1)]
    better, worse = better_and_worse(every_pair if higher_is_better else -every_pair, models)
    rows = zip([*names, *(model.model for model in published)], better, worse, shares, strict=True)
    return [
        RankSet(name, 1 + up, models - down, value, paired=place < measured)
        for place, (name, up, down, (value, _)) in enumerate(rows)
    ]


def _direction(first: float, n: int, second: float, m: int, critical: float) -> int:
    """Return 1, -1 or 0: whether one of two shares of independent examples is surely higher (the score test)."""
    pooled = (first * n + second * m) / (n + m)
    error = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return 0 if abs(first - second) <= critical * error else 1 if first > second else -1
