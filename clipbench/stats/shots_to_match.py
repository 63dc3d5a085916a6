"""How many labelled examples a class it takes to reach an accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import Float64Array


def examples_to_reach(examples: NDArray[Any], accuracies: NDArray[Any], level: NDArray[Any]) -> Float64Array:
    """Return the smallest number of examples a class at which an accuracy is reached.

    Args:
        examples: (P,) numbers of examples a class, ascending, more than 0.
        accuracies: (B, P) accuracy at each.
        level: (B,) the accuracy to be reached.

    Between two points accuracy is taken to be linear in the logarithm of the number (Radford et al. 2021, figure
    7); where a curve falls again, the first crossing counts. -inf where the first point is above the level
    already, inf where none reaches it.

    Raises:
        ValueError: the numbers are not ascending and positive.
    """
    numbers = np.asarray(examples, np.float64)
    if not len(numbers) or (numbers <= 0).any() or (np.diff(numbers) <= 0).any():
        raise ValueError(f"needs ascending numbers of examples above 0, got {numbers.tolist()}")
    curves, wanted = np.asarray(accuracies, np.float64), np.asarray(level, np.float64)[:, None]
    reached = curves >= wanted
    first = reached.argmax(axis=1)
    found = np.full(len(curves), np.inf)
    found[reached[:, 0]] = np.where(curves[reached[:, 0], 0] > wanted[reached[:, 0], 0], -np.inf, numbers[0])
    inside = np.flatnonzero(reached.any(axis=1) & (first > 0))
    after = first[inside]
    low, high = curves[inside, after - 1], curves[inside, after]
    part = (wanted[inside, 0] - low) / (high - low)
    logs = np.log(numbers)
    found[inside] = np.exp(logs[after - 1] + part * (logs[after] - logs[after - 1]))
    return found
