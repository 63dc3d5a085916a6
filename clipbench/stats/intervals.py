"""Intervals for single numbers, and what the kinds of intervals are called."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True)
class IntervalKind:
    """How an interval was made, for readers."""

    label: str
    """In a sentence."""
    short: str
    """In a narrow column."""


KINDS: Mapping[str, IntervalKind] = {
    "wilson": IntervalKind("Wilson score interval of a proportion", "Wilson"),
    "bootstrap": IntervalKind("percentile bootstrap over examples", "bootstrap"),
    "paired bootstrap": IntervalKind(
        "paired bootstrap (both answers to an example are drawn together)", "paired bootstrap"
    ),
    "score": IntervalKind("Tango's score interval of a paired difference", "score"),
    "student": IntervalKind("Student's t-interval of a mean", "t"),
    "effective wilson": IntervalKind(
        "Wilson score interval at the number of images of which a proportion has the same variance",
        "Wilson, effective n",
    ),
    "effective score": IntervalKind(
        "Tango's score interval at the number of images of which a difference has the same variance",
        "score, effective n",
    ),
    "cluster wilson": IntervalKind(
        "Wilson score interval at the effective number of images, from a jackknife over clusters", "Wilson, by cluster"
    ),
    "cluster score": IntervalKind(
        "Tango's score interval at the effective number of images, from a jackknife over clusters", "score, by cluster"
    ),
    "cluster t": IntervalKind("Student's t-interval of a mean, from a jackknife over clusters", "t, by cluster"),
    "cluster bootstrap": IntervalKind("percentile bootstrap over clusters", "bootstrap, by cluster"),
    "fixed gallery": IntervalKind(
        "Wilson score interval at the effective number of images, each with its captions; what they are searched in is "
        "held fixed",
        "fixed gallery",
    ),
    "fixed gallery, clusters": IntervalKind(
        "Wilson score interval at the effective number of images, from a jackknife over clusters; what they are "
        "searched in is held fixed",
        "fixed gallery, by cluster",
    ),
    "square-and-add": IntervalKind(
        "of several shares together: the distances to the ends of their Wilson intervals, squared and added",
        "square-and-add",
    ),
    "images and draws": IntervalKind(
        "interval over test images and random draws of the training examples together", "images and draws"
    ),
    "images alone": IntervalKind("interval over test images alone: one draw says nothing of others", "images alone"),
    "jackknife": IntervalKind("Wilson interval at the effective number of images, from a jackknife", "jackknife"),
    "prediction": IntervalKind(
        "prediction interval: the line, how far models of other families lie from it, and the images", "prediction"
    ),
}
"""By `Interval.kind`; one that is not among them is called by its own name."""


MIN_EXAMPLES = 10
"""Fewer have no interval: from here on Wilson's covers at least 0.91 at every proportion from 0.02 to 0.98, and 0.946
on average over all within 0.05 of any (0.941 with 6, 0.932 with 3, 0.914 with 2)."""


@dataclass(frozen=True)
class Interval:
    """An interval around a value: its ends in the value's own unit, its level and how it was made."""

    low: float
    high: float
    kind: str
    level: float = 0.95
    family: int = 1
    """With how many intervals, itself among them, it holds together at this level: more than 1 are simultaneous."""


def ends(interval: Interval | None) -> tuple[float | None, float | None]:
    """Return the ends of an interval; None for both where there is none."""
    return (None, None) if interval is None else (interval.low, interval.high)


def wilson(correct: float, n: float, level: float = 0.95) -> Interval:
    """Return the Wilson score interval of a proportion: of the share of n trials, which may be an effective number.

    Raises:
        ValueError: no trials, or more successes than trials.

    Formula: Wilson 1927; equation 4 of Brown, Cai and DasGupta 2001, without continuity correction, and where one to
    three answers are right, or wrong, that of their section 4.1.1, without which intervals near 0 and 1 fall short.
    """
    if not 0 <= correct <= n or n <= 0:
        raise ValueError(f"needs 0 <= correct <= n and n > 0, got correct={correct}, n={n}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    return Interval(*wilson_ends(correct, n, NormalDist().inv_cdf((1 + level) / 2)), "wilson", level)


def wilson_ends(correct: float, n: float, critical: float) -> tuple[float, float]:
    """Return the ends of `wilson` at a critical value, by which the standard error is multiplied."""
    z = critical
    p = correct / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # At the ends the formula gives exactly 0 and 1; rounding must not leave a value outside its interval.
    low = 0.0 if correct == 0 else min(max(0.0, centre - half), _lowest(correct, n, z))
    high = 1.0 if correct == n else max(min(1.0, centre + half), 1 - _lowest(n - correct, n, z))
    return low, high


def _lowest(correct: float, n: float, critical: float) -> float:
    """Return the lower end of a Poisson share of up to three right answers (two of 50 or fewer); else 1."""
    from scipy.special import gammaincinv, ndtr

    few = 2 if n <= 50 else 3
    return float(gammaincinv(correct, 2 * ndtr(-critical))) / n if correct <= few else 1.0
