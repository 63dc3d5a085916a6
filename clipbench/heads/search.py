"""The paper's search for the strength of the penalty (Radford et al. 2021, appendix A.3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from clipbench.heads.logistic import MAX_ITERATIONS, Fit
from clipbench.heads.problem import Head, Problem

STEPS_A_DECADE = 8
GRID = tuple(10 ** (-6 + step / STEPS_A_DECADE) for step in range(12 * STEPS_A_DECADE + 1))
"""The 97 values of C that the search can end at, from 1e-6 to 1e6; C is 1 / lambda."""

_COARSE = 2 * STEPS_A_DECADE

MARGIN, NOISY = 0.01, 600
"""Values of C that score so near to the best on so many examples are looked around too; on more, as the noise falls.

The choice is then within 0.2 points of the best of the grid on all 60 resplits of `benchmarks/penalty_search.py`;
without it, on 52.
"""

SCOUT_ERROR = 0.03
"""How far a rough fit's score may be from that of a fit to the search's tolerance."""

FitT = TypeVar("FitT")

Score = float | tuple[float, ...]
"""What a search maximises; of tuples a later entry decides where the earlier ones are equal."""


@dataclass(frozen=True)
class Found:
    """What a search found."""

    best: int
    """Place in the grid."""
    scores: Mapping[int, Score]
    """The score of each place that was looked at."""

    @property
    def at_edge(self) -> bool:
        """Whether the best is the first or the last value, so that a better one may lie outside."""
        return self.best in (0, len(GRID) - 1)


def search(score: Callable[[int], Score], *, scout: Callable[[int], Score] | None = None, margin: float = 0.0) -> Found:
    """Find a place of the grid with the highest score, by halving the interval around the peak.

    First every hundredfold value of C, all seven, since a curve may be flat over many decades before it rises. Then
    the neighbours of the best at half the distance, down to neighbours in the grid. Of equal scores the stronger
    penalty wins.

    Args:
        score: is called once a place, with the place.
        scout: a cheaper score, off by `SCOUT_ERROR` at most, that tells which of the seven `score` needs to be asked.
        margin: neighbours are tried of all values whose score is as near to the best, around its peak: a curve of few
            examples has several tops.
    """
    scouted = {place: (scout or score)(place) for place in range(0, len(GRID), _COARSE)}
    scores = scouted if scout is None else {place: score(place) for place in _close(scouted, SCOUT_ERROR)}
    centre, step = _best(scores), _COARSE // 2
    while step:
        around = {place for place in _close(scores, margin) if abs(place - centre) < _COARSE} if margin else set()
        for base in sorted({_best(scores), *around}):
            for place in (base - step, base + step):
                if 0 <= place < len(GRID) and place not in scores:
                    scores[place] = score(place)
        step //= 2
    return Found(_best(scores), scouted | scores)


def _best(scores: Mapping[int, Score]) -> int:
    return max(scores, key=lambda place: (scores[place], -place))


def _close(scores: Mapping[int, Score], margin: float) -> list[int]:
    """Return the places whose score is the highest or at most `margin` less."""
    top = max(leading(score) for score in scores.values())
    return [place for place, score in scores.items() if leading(score) >= top - margin]


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
    """Of a tuple the first entry."""
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
    score: Callable[[Head], Score],
    start: Head | None = None,
    *,
    held_out: int = NOISY,
    like: PenaltyPath | None = None,
    max_iterations: int = MAX_ITERATIONS,
) -> PenaltyPath:
    """Search the grid of C for the head that scores highest, on data that it was not fitted on.

    The first fit begins at `start`, each other where its nearest neighbour ended. A score is of `held_out` examples.
    With `like`, a path on about the same examples, its heads are neighbours of all but rough fits, and the search is
    the plain one, without `MARGIN`.
    """
    begun = {} if like is None else {GRID.index(point.C): point.fit for point in like.points}
    fits: dict[int, Fit] = {}

    def fit_and_score(place: int, *, rough: bool = False) -> Score:
        # A rough fit stays near where it begins, and heads of `like` may have been fitted on what is held out here.
        neighbour = nearest(place, fits if rough else begun | fits)
        begin = neighbour.head if neighbour else start
        fits[place] = fit(problem, GRID[place], begin, rough=rough, max_iterations=max_iterations)
        return score(fits[place].head)

    scout = partial(fit_and_score, rough=True)
    margin = 0.0 if like else MARGIN * min(1.0, math.sqrt(NOISY / held_out))
    found = search(fit_and_score, scout=scout, margin=margin)
    points = {place: Point(GRID[place], leading(found.scores[place]), fits[place]) for place in sorted(fits)}
    return PenaltyPath(tuple(points.values()), points[found.best], found.at_edge)


def leading(score: Score) -> float:
    """Return the entry of a score that is shown: the first."""
    return score[0] if isinstance(score, tuple) else score
