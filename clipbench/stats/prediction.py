"""Where the accuracy of another model as good would lie: a line through models, and how far models lie about it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from clipbench.arrays import Float64Array
from clipbench.metrics.shift import LogitLine, corrected, fit_line, inverse_logit, least_squares, logit
from clipbench.stats.intervals import Interval
from clipbench.stats.significance import ALPHA

KIND = "prediction"

_NODES = 201
_FARTHEST = 6.0
"""In standard deviations: what lies beyond matters to no interval."""


@dataclass(frozen=True)
class ModelLine:
    """A line through models with what a model that it was not fitted to may be told by it."""

    line: LogitLine
    left_out: Float64Array = field(repr=False)
    """(families, 2) slopes and intercepts of the lines without one family each."""
    spread: float
    """Standard deviation of models about the lines that their whole families had no part in, in logits."""
    without: tuple[str, ...] = ()
    """Rows of the model itself, which have no part in it."""

    @property
    def families(self) -> int:
        """How many families of near-relatives the models are of."""
        return len(self.left_out)

    def expected(self, reference: float) -> float:
        """Return the accuracy on the shift that the line gives for that on the reference."""
        return float(self.line.expected(reference))

    def spread_at(self, reference: float) -> float:
        """Return the standard deviation of models about the line at a place, as a fraction of accuracy.

        It is half the distance between the accuracies one standard deviation of logits below and above the line.
        """
        line = logit(self.expected(reference))
        return float(inverse_logit(line + self.spread) - inverse_logit(line - self.spread)) / 2

    def error_at(self, reference: ArrayLike) -> Float64Array:
        """Return the standard error of the line at (...) reference accuracies in (0, 1), in logits.

        It is the jackknife's over families, all models of a family together, since near-relatives err alike (Cameron
        and Miller 2015, section VI): few and unequal families are less sure.
        """
        places = np.asarray(logit(reference))[..., None] * self.left_out[:, 0] + self.left_out[:, 1]
        return np.asarray(np.sqrt((self.families - 1) * np.var(places, axis=-1)))

    def band(self, grid: ArrayLike) -> tuple[Float64Array, Float64Array]:
        """Return the ends of the line's 95 % interval at each of (G,) reference accuracies in (0, 1)."""
        from scipy.special import stdtrit

        half = float(stdtrit(self.families - 1, 1 - ALPHA / 2)) * self.error_at(grid)
        line = logit(self.line.expected(grid))
        return inverse_logit(line - half), inverse_logit(line + half)

    def predict(self, reference: float, n_reference: float, n: float, family: int = 1) -> Interval:
        """Return the prediction interval of the accuracy on n images of the shift: where that of another model lies.

        It holds the spread of models of other families, the line's own error, that of the accuracy on the reference
        and that of n images. The first three are taken together as Student's t in logits, with as many degrees of
        freedom as there are families, less one; the share of n images that is right, given that, is binomial. So an
        accuracy lies outside just where it, or a more distant one, has a probability below half of what is allowed.

        Args:
            reference: accuracy on `n_reference` images.
            n: images of the shift; of both, as many independent ones as would give an accuracy the same variance.
            family: how many such intervals hold together (Bonferroni).
        """
        from scipy.special import bdtr, stdtrit

        inside = float(corrected(reference * n_reference, n_reference))
        of_reference = self.line.slope**2 / (n_reference * inside * (1 - inside))
        deviation = np.sqrt(self.spread**2 + float(self.error_at(inside)) ** 2 + of_reference)
        edges = np.linspace(-_FARTHEST, _FARTHEST, _NODES + 1)
        below = np.array(list(map(NormalDist().cdf, edges)))
        t = stdtrit(self.families - 1, (below[1:] + below[:-1]) / 2)
        shares, weights = inverse_logit(logit(self.line.expected(inside)) + deviation * t), np.diff(below)

        def at_most(right: int, share: float) -> bool:
            return float(weights @ bdtr(right, whole, shares)) > share

        whole = max(1, round(n))
        tail, expected = ALPHA / (2 * family), self.expected(reference)
        low, high = (_first(whole, partial(at_most, share=share)) / whole for share in (tail, 1 - tail))
        return Interval(min(low, expected), max(high, expected), KIND, 1 - ALPHA, family)


def model_line(
    names: Sequence[str],
    reference: ArrayLike,
    shift: ArrayLike,
    n_reference: ArrayLike,
    n_shift: ArrayLike,
    *,
    families: Sequence[str] | None = None,
    continuity: float | None = None,
    without: Collection[str] = (),
) -> ModelLine:
    """Fit a line to models, save those named in `without`, and find how far models of other families lie from it.

    Args:
        names: (M,) the models.
        reference: (M,) accuracies on the reference; `shift` those on the shift.
        n_reference: images of the reference, one number or (M,); `n_shift` those of the shift.
        families: (M,) of which family each model is; by default each is one of its own.
        continuity: as `fit_line` takes it.
        without: rows of the model that is to be judged.

    Raises:
        ValueError: too few models are left, all of one family, or with one reference accuracy.
    """
    chosen = np.array([name not in without for name in names])
    kept = [name for name in names if name not in without]
    columns = [np.broadcast_to(np.asarray(part), chosen.shape)[chosen] for part in (reference, shift)]
    sizes = [np.broadcast_to(np.asarray(part), chosen.shape)[chosen] for part in (n_reference, n_shift)]
    line = fit_line(kept, *columns, continuity=continuity, n_reference=sizes[0], n_shift=sizes[1])
    of = dict(zip(names, names if families is None else families, strict=True))
    found, family = np.unique([of[name] for name in line.models], return_inverse=True)
    if len(found) < 2:
        raise ValueError(f"needs at least two families of models, got {len(found)}")
    x, y = line.points
    others = family != np.arange(len(found))[:, None]
    lines = least_squares(np.broadcast_to(x, others.shape), np.broadcast_to(y, others.shape), others)
    # A family that alone has other reference accuracies leaves no line behind.
    lines = np.where(np.isnan(lines), (line.slope, line.intercept), lines)
    spread = float(np.sqrt(np.mean((y - lines[family, 0] * x - lines[family, 1]) ** 2)))
    return ModelLine(line, lines, spread, tuple(name for name in names if name in without))


def _first(n: int, holds: Callable[[int], bool]) -> int:
    """Return the first of 0 to n of which something holds that holds of all larger ones, and of n."""
    low, high = 0, n
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low
