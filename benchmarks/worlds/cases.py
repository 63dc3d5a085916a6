"""What a made-up world is: one with a known truth, of which the functions that print an interval see a sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy.special import expit, logit, ndtri

from clipbench.arrays import BoolArray, Float64Array
from clipbench.stats.intervals import Interval

Draw = tuple[Interval | None, float]
"""The interval that is printed in a world, and the truth."""


@dataclass(frozen=True)
class IntervalCase:
    """One kind of interval in one kind of world."""

    name: str
    world: str
    draw: Callable[[Generator], Draw]


@dataclass(frozen=True)
class StatementCase:
    """One kind of statement in a world where it is false."""

    name: str
    world: str
    draw: Callable[[Generator], bool]
    """Whether it is made."""


@dataclass(frozen=True)
class PowerCase:
    """A difference that is said to be found in `power` of samples."""

    name: str
    world: str
    power: float
    draw: Callable[[Generator], bool]
    """Whether it is found."""


def answers(random: Generator, chances: Float64Array, models: Sequence[float], shared: float) -> BoolArray:
    """Return (M, n) right answers of models to n examples.

    Args:
        random: of this world.
        chances: (n,) how often an example is answered rightly by a model of shift 0.
        models: M shifts, in logits.
        shared: which part of an answer's luck all models share; 1: equal models are right about the same examples.
    """
    common, own = random.standard_normal(len(chances)), random.standard_normal((len(models), len(chances)))
    luck = np.sqrt(shared) * common + np.sqrt(1 - shared) * own
    return np.asarray(luck < ndtri(expit(logit(chances) + np.asarray(models)[:, None])))
