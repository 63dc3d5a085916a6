"""Orders of several models, one a template, and how far they agree."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import Float64Array

Signs = NDArray[np.int8]


def order_signs(values: NDArray[Any]) -> Signs:
    """Return which of two models is ahead, for every pair: 1 the first, -1 the second, 0 neither.

    (M, T) values of M models with T templates, comparable within a template, give (P, T) for the P = M (M - 1) / 2
    pairs, in the order of `itertools.combinations`.
    """
    first, second = np.triu_indices(len(values), 1)
    one, other = values[first], values[second]
    return (one > other).astype(np.int8) - (one < other).astype(np.int8)


def mean_tau_b(signs: Signs) -> float | None:
    """Return the mean over all pairs of templates of Kendall's tau-b between the orders of the models.

    (P, T) signs, as `order_signs` returns them, give a value from -1 to 1. A template under which all models are equal
    has no order and is left out; None where fewer than two templates have one.

    Source: Kendall 1945, "The treatment of ties in ranking problems". With the signs of one template divided by the
    root of the number of pairs that it does not tie, tau-b is the inner product of two templates' signs, so the
    sum over all pairs of templates follows from the length of their sum.
    """
    untied = np.count_nonzero(signs, axis=0)
    scaled = signs / np.sqrt(np.maximum(untied, 1))
    ordered = int(np.count_nonzero(untied))
    if ordered < 2:
        return None
    twice = float(np.square(scaled.sum(axis=1)).sum()) - ordered
    # Rounding must not lead beyond the ends.
    return min(1.0, max(-1.0, twice / (ordered * (ordered - 1))))


def flip_shares(signs: Signs) -> Float64Array:
    """Return (..., P): of each pair of models, the share of pairs of templates that put the two in opposite orders."""
    ahead, behind = np.count_nonzero(signs > 0, axis=-1), np.count_nonzero(signs < 0, axis=-1)
    return np.asarray(ahead * behind / _template_pairs(signs))


def tie_shares(signs: Signs) -> Float64Array:
    """Return (..., P): of each pair of models, the share of pairs of templates with one under which they are equal."""
    untied = np.count_nonzero(signs, axis=-1)
    return np.asarray(1 - untied * (untied - 1) / 2 / _template_pairs(signs))


def _template_pairs(signs: Signs) -> float:
    return math.comb(signs.shape[-1], 2)
