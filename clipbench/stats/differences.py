"""Several differences on the same examples, with intervals that hold together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import IntArray
from clipbench.stats.clusters import mean_interval
from clipbench.stats.intervals import Interval, ends
from clipbench.stats.paired import compare_pair
from clipbench.stats.simultaneous import critical_value, largest_of


@dataclass(frozen=True)
class Difference:
    """The mean score of one way to decide minus that of another."""

    value: float
    interval: Interval | None
    """None: too few examples, or no variation that it could be taken from."""

    @property
    def numbers(self) -> tuple[float, float | None, float | None]:
        """The value and the ends of its interval."""
        return self.value, *ends(self.interval)


def simultaneous_differences(
    pairs: Sequence[tuple[NDArray[Any], NDArray[Any]]], clusters: IntArray | None = None
) -> list[Difference]:
    """Return first minus second of each pair of (n,) scores in [0, 1] of the same n examples.

    All intervals hold together. Of truth values they are those of `compare_pair`, which invert the score test; of other
    scores, such as the share of templates that are right, Student's, which invert the paired t test. Examples may come
    in (n,) clusters.
    """
    if not pairs:
        return []
    gained = np.column_stack([first.astype(np.float64) - second for first, second in pairs])
    critical, family = critical_value([largest_of(gained, clusters=clusters)]), len(pairs)
    found = []
    for (first, second), of_pair in zip(pairs, gained.T, strict=True):
        if _all_or_nothing(first) and _all_or_nothing(second):
            interval = compare_pair(first > 0, second > 0, critical, family, clusters).interval
        else:
            wide = mean_interval(of_pair, critical, clusters, family)
            interval = wide and replace(wide, low=max(-1.0, wide.low), high=min(1.0, wide.high))
        found.append(Difference(float(of_pair.mean()), interval))
    return found


def _all_or_nothing(scores: NDArray[Any]) -> bool:
    return bool(((scores == 0) | (scores == 1)).all())
