"""Fits along the strength of the penalty, each begun where its nearest neighbour ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from clipbench.heads.logistic import MAX_ITERATIONS, Fit
from clipbench.heads.problem import Head, Problem
from clipbench.heads.search import GRID, search


class Fitter(Protocol):
    """`clipbench.heads.logistic.fit` or another way to the same minimum."""

    def __call__(
        self,
        problem: Problem,
        C: float,  # noqa: N803
        start: Head | None = None,
        *,
        final: bool = False,
        max_iterations: int = MAX_ITERATIONS,
    ) -> Fit:
        """Fit a head."""
        ...


@dataclass(frozen=True)
class Point:
    """One value of C that was tried."""

    C: float
    score: float
    fit: Fit


@dataclass(frozen=True)
class PenaltyPath:
    """All that a search tried, in ascending order of C."""

    points: tuple[Point, ...]
    best: Point
    at_edge: bool
    """Whether the best is at an end of the grid, so that a better one may lie outside."""


def search_path(
    problem: Problem,
    fit: Fitter,
    score: Callable[[Head], float],
    start: Head | None = None,
    *,
    max_iterations: int = MAX_ITERATIONS,
) -> PenaltyPath:
    """Search the grid of C for the head that scores highest on validation data.

    Args:
        problem: what heads are fitted on.
        fit: how.
        score: of a head, on data that it was not fitted on.
        start: where the first fit begins.
        max_iterations: of each fit.
    """
    fits: dict[int, Fit] = {}

    def fit_and_score(place: int) -> float:
        nearest = min(fits, key=lambda other: (abs(other - place), other), default=None)
        begin = start if nearest is None else fits[nearest].head
        fits[place] = fit(problem, GRID[place], begin, max_iterations=max_iterations)
        return score(fits[place].head)

    found = search(fit_and_score)
    points = {place: Point(GRID[place], found.scores[place], fits[place]) for place in sorted(fits)}
    return PenaltyPath(tuple(points.values()), points[found.best], found.at_edge)
