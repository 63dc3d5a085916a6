"""What paired differences so many examples can show, and how many examples a difference needs."""

from __future__ import annotations

import math
from statistics import NormalDist

from clipbench.stats.significance import NORMAL

POWER = 0.8
"""How often a difference of this size would be shown."""


def detectable_difference(spread: float, n: int, critical: float = NORMAL, power: float = POWER) -> float | None:
    """Return the smallest difference that a score test on n paired examples shows with this power.

    Args:
        spread: mean over the examples of the squared difference; of two accuracies the share of examples about which
            just one of the two is right.
        n: examples.
        critical: of the standard normal distribution, as in the test.
        power: how often the difference is to be shown.

    None where the examples on which the two differ are too few for any: no difference is larger than their share.
    Source: `examples_needed`, solved for the difference.
    """
    z = NormalDist().inv_cdf(power)
    # `examples_needed` is a quadratic equation in the difference.
    beyond = n - critical * critical + z * z
    if spread <= 0 or beyond < 0:
        return None
    difference = math.sqrt(spread) * (critical * math.sqrt(n) + z * math.sqrt(beyond)) / (n + z * z)
    return difference if difference <= min(spread, 1.0) else None


def examples_needed(difference: float, spread: float, critical: float = NORMAL, power: float = POWER) -> int | None:
    """Return how many paired examples show a difference with this power; None for no difference.

    Args:
        difference: of the two means; `spread`, `critical` and `power` as for `detectable_difference`.

    Source: Connor 1987, "Sample size for testing differences in proportions for the paired-sample design"; Miettinen
    1968: n = (critical * sqrt(spread) + z * sqrt(spread - difference^2))^2 / difference^2.
    """
    if difference == 0:
        return None
    spread = max(spread, difference * difference)
    z = NormalDist().inv_cdf(power)
    root = critical * math.sqrt(spread) + z * math.sqrt(spread - difference * difference)
    return math.ceil((root / difference) ** 2)
