"""Several differences on the same examples, with intervals that hold together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import Float64Array
from clipbench.stats.intervals import Interval, ends
from clipbench.stats.paired import compare_pair
from clipbench.stats.simultaneous import critical_value, largest_of, level_of


@dataclass(frozen=True)
class Difference:
    """The mean score of one way to decide minus that of another."""

    value: float
    interval: Interval | None
    """None: there is no variation that it could be taken from."""

    @property
    def numbers(self) -> tuple[float, float | None, float | None]:
        """The value and the ends of its interval."""
        return self.value, *ends(self.interval)


def simultaneous_differences(pairs: Sequence[tuple[NDArray[Any], NDArray[Any]]]) -> list[Difference]:
    """Return first minus second of each pair of (n,) scores in [0, 1] of the same n examples.

    All intervals hold together. Of truth values they are Tango's, which invert the score test; of other scores, such as
    the share of templates that are right, Student's, which invert the paired t test.
    """
    if not pairs:
        return []
    gained = np.column_stack([first.astype(np.float64) - second for first, second in pairs])
    critical, family = critical_value([largest_of(gained)]), len(pairs)
    found = []
    for (first, second), of_pair in zip(pairs, gained.T, strict=True):
        if _all_or_nothing(first) and _all_or_nothing(second):
            interval: Interval | None = compare_pair(first > 0, second > 0, critical, family).interval
        else:
            interval = _student(of_pair, level_of(critical), family)
        found.append(Difference(float(of_pair.mean()), interval))
    return found


def _all_or_nothing(scores: NDArray[Any]) -> bool:
    return bool(((scores == 0) | (scores == 1)).all())


def _student(values: Float64Array, level: float, family: int) -> Interval | None:
    from scipy.special import stdtrit

    n = len(values)
    if np.ptp(values) == 0:
        return None
    half = float(stdtrit(n - 1, (1 + level) / 2)) * values.std(ddof=1) / math.sqrt(n)
    return Interval(max(-1.0, values.mean() - half), min(1.0, values.mean() + half), "student", family=family)
