"""Intervals that hold together: how far the largest of several differences strays where nothing differs.

A table that makes several statements prints intervals that all hold at once in 95 % of samples, and reads its verdicts
from them. The critical value comes from the joint distribution of the studentised differences (max-t; Hothorn, Bretz
and Westfall 2008, "Simultaneous inference in general parametric models"), drawn from a normal distribution with the
correlations that the examples show; it never exceeds Bonferroni's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import Float64Array, IntArray
from clipbench.stats.bootstrap import SEED
from clipbench.stats.clusters import cluster_residuals
from clipbench.stats.significance import ALPHA, NORMAL

DRAWS = 20_000

_AT_A_TIME = 1 << 21


@dataclass(frozen=True)
class Largest:
    """The largest |t| among some differences, where nothing differs, in draws."""

    draws: Float64Array
    """(DRAWS,) Of differences measured on other examples the draws are independent."""
    count: int
    """How many differences there are."""


def largest_of(differences: NDArray[Any], seed: int = SEED, clusters: IntArray | None = None) -> Largest:
    """Return the largest |t| of the means of m differences, each measured on (n, m) the same examples.

    A difference that is the same on all examples has no t and never is the largest. Examples may come in (n,) clusters.
    """
    covariance = _covariance(np.asarray(differences, np.float64), clusters)
    return Largest(_drawn(covariance, None, seed), len(covariance))


def largest_of_pairs(values: NDArray[Any], seed: int = SEED, clusters: IntArray | None = None) -> Largest:
    """Return the largest |t| of all M (M - 1) / 2 differences between M models, on (M, n) the same examples.

    Of (M, n, T) values under T conditions, e.g. prompt templates, it is that of all pairs under each condition.
    Examples may come in (n,) clusters.
    """
    models, n, conditions = np.atleast_3d(values).shape
    variables = np.moveaxis(np.atleast_3d(values), 1, 0).reshape(n, models * conditions)
    places = np.arange(models * conditions).reshape(models, conditions)
    first, second = (places[of].ravel() for of in np.triu_indices(models, 1))
    covariance = _covariance(np.asarray(variables, np.float64), clusters)
    return Largest(_drawn(covariance, (first, second), seed), len(first))


def _covariance(values: Float64Array, clusters: IntArray | None) -> Float64Array:
    """Return (m, m) covariances of (n, m) values, or of the sums over clusters of what they differ from their means."""
    rows = values if clusters is None else cluster_residuals(values, clusters)
    return np.asarray(np.cov(rows, rowvar=False).reshape(values.shape[1], -1))


def independent(count: int, seed: int = SEED) -> Largest:
    """Return the largest |t| of so many independent differences: no less than that of differences that correlate.

    Source: Sidak 1967, "Rectangular confidence regions for the means of multivariate normal distributions".
    """
    draws = np.abs(np.random.default_rng(seed).standard_normal((DRAWS, count)))
    return Largest(draws.max(axis=1, initial=0), count)


def critical_value(parts: Sequence[Largest], level: float = 1 - ALPHA) -> float:
    """Return what |t| of all differences together stays below in `level` of draws; 1.96 for one at 95 %.

    Args:
        parts: of one set of examples each, from draws of different seeds or of the same: sets are independent, so
            that each part's draws are put in another order.
        level: of all intervals together.
    """
    total = sum(part.count for part in parts)
    if total <= 1:
        return NORMAL if level == 1 - ALPHA else bonferroni(1, level)
    random = np.random.default_rng(SEED)
    together = np.max([random.permutation(part.draws) for part in parts if part.count], axis=0)
    drawn = float(np.quantile(together, level))
    return min(bonferroni(total, level), max(drawn, bonferroni(1, level)))


def bonferroni(count: int, level: float = 1 - ALPHA) -> float:
    """Return the critical value of the standard normal distribution that holds for so many differences of any kind."""
    return NormalDist().inv_cdf(1 - (1 - level) / (2 * max(1, count)))


def level_of(critical: float) -> float:
    """Return the level of a single interval at a critical value, for methods that ask for one, such as percentiles."""
    return 2 * NormalDist().cdf(critical) - 1


def _drawn(covariance: Float64Array, pairs: tuple[Any, Any] | None, seed: int) -> Float64Array:
    """Draw the largest |t|: of each variable, or of the differences of these pairs of variables."""
    squares, axes = np.linalg.eigh(covariance)
    root = axes * np.sqrt(np.maximum(squares, 0))
    directions = root if pairs is None else root[pairs[0]] - root[pairs[1]]
    lengths = np.sqrt(np.sum(directions**2, axis=1))
    varies = lengths > 1e-6 * max(float(lengths.max(initial=0)), 1e-150)
    largest = np.zeros(DRAWS)
    if not varies.any():
        return largest
    units = (directions[varies] / lengths[varies, None]).astype(np.float32).T
    random = np.random.default_rng(seed)
    size = max(1, _AT_A_TIME // units.shape[1])
    for start in range(0, DRAWS, size):
        drawn = random.standard_normal((min(size, DRAWS - start), len(units)), np.float32) @ units
        largest[start : start + size] = np.maximum(drawn.max(axis=1), -drawn.min(axis=1))
    return largest
