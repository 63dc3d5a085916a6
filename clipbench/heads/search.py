"""The paper's search for the strength of the penalty (Radford et al. 2021, appendix A.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from clipbench.heads.logistic import MAX_ITERATIONS, Fit
from clipbench.heads.problem import Head, Problem

STEPS_A_DECADE = 8
GRID = tuple(10 ** (-6 + step / STEPS_A_DECADE) for step in range(12 * STEPS_A_DECADE + 1))
"""The 97 values of C that the search can end at, from 1e-6 to 1e6; C is 1 / lambda."""

_COARSE = 2 * STEPS_A_DECADE

FitT = TypeVar("FitT")


@dataclass(frozen=True)
class Found:
    """What a search found."""

    best: int
    """Place in the grid."""
    scores: dict[int, float]
    """The score of each place that was looked at."""

    @property
    def at_edge(self) -> bool:
        """Whether the best is the first or the last value, so that a better one may lie outside."""
        return self.best in (0, len(GRID) - 1)


def search(score: Callable[[int], float]) -> Found:
    """Find a place of the grid with the highest score, by halving the interval around the peak.

    First every hundredfold value of C, all seven, since a curve may be flat over many decades before it rises. Then
    the neighbours of the best at half the distance, down to neighbours in the grid. Of equal scores the stronger
    penalty wins. `score` is called once a place, in ascending order while the places are coarse.
    """
    scores = {place: score(place) for place in range(0, len(GRID), _COARSE)}
    step = _COARSE // 2
    while step:
        best = _best(scores)
        for place in (best - step, best + step):
            if 0 <= place < len(GRID) and place not in scores:
                scores[place] = score(place)
        step //= 2
    return Found(_best(scores), scores)


def _best(scores: dict[int, float]) -> int:
    return min(scores, key=lambda place: (-scores[place], place))


def nearest(place: int, fitted: Mapping[int, FitT]) -> FitT | None:
    """Return what was fitted at the nearest place, of two the lower one; None if nothing was yet."""
    return fitted[min(fitted, key=lambda other: (abs(other - place), other))] if fitted else None


Fitter = Callable[..., Fit]
"""`clipbench.heads.logistic.fit` or another way to the same minimum, with its arguments."""


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
    """Search the grid of C for the head that scores highest, on data that it was not fitted on.

    The first fit begins at `start`, each other where its nearest neighbour ended.
    """
    fits: dict[int, Fit] = {}

    def fit_and_score(place: int) -> float:
        neighbour = nearest(place, fits)
        begin = neighbour.head if neighbour else start
        fits[place] = fit(problem, GRID[place], begin, max_iterations=max_iterations)
        return score(fits[place].head)

    found = search(fit_and_score)
    points = {place: Point(GRID[place], found.scores[place], fits[place]) for place in sorted(fits)}
    return PenaltyPath(tuple(points.values()), points[found.best], found.at_edge)
