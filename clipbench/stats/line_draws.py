"""How sure a line through models is: lines of resampled models, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from clipbench.arrays import Float64Array, IntArray
from clipbench.metrics.shift import LogitLine, corrected, expected, least_squares, logit
from clipbench.stats.bootstrap import RESAMPLES, SEED


@dataclass(frozen=True)
class LineDraws:
    """Lines of B resamples of the models behind a line."""

    slopes: Float64Array
    intercepts: Float64Array

    def error_at(self, reference: float) -> float:
        """Return the standard error of the line at a reference accuracy in (0, 1), in logits."""
        # Few families have heavy tails, which a standard deviation of draws would not outlast.
        low, high = np.nanquantile(self.slopes * logit(reference) + self.intercepts, [0.16, 0.84])
        return float(high - low) / 2

    def band(self, grid: ArrayLike) -> tuple[Float64Array, Float64Array]:
        """Return the (G,) ends of the 95 % interval of the line at each of (G,) reference accuracies."""
        drawn = expected(self.slopes[:, None], self.intercepts[:, None], np.asarray(grid)[None])
        low, high = np.nanquantile(drawn, [(1 - 0.95) / 2, (1 + 0.95) / 2], axis=0)
        return low, high


def resample_line(
    line: LogitLine,
    names: Sequence[str],
    reference: ArrayLike,
    shift: ArrayLike,
    n_reference: ArrayLike,
    n_shift: ArrayLike,
    *,
    families: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> LineDraws:
    """Draw lines as other models and other images would have given them.

    Each draw takes as many families of models as there are, with replacement, all models of a family together, since
    near-relatives err alike; and draws each accuracy anew from a binomial with the set's number of images, corrected
    to (k + 0.5) / (n + 1). The lines are then spread about the line itself as Student's t, for there are few families.

    Args:
        line: fitted to these models; those that it left out are left out here.
        names: (M,) the models.
        reference: (M,) accuracies on the reference; `shift` those on the shift.
        n_reference: images of the reference, one number or (M,); `n_shift` those of the shift.
        families: (M,) of which family each model is; by default each is one of its own.
        resamples: B, drawn with `seed`.

    Raises:
        ValueError: the models in the line are all of one family.
    """
    random, inside = np.random.default_rng(seed), np.isin(list(names), line.models)
    found, family = np.unique(np.asarray(families or names)[inside], return_inverse=True)
    times = random.multinomial(len(found), np.full(len(found), 1 / len(found)), resamples)
    x, y = np.empty((2, resamples, len(family)))
    for logits, accuracy, n in ((x, reference, n_reference), (y, shift, n_shift)):
        sizes = np.broadcast_to(np.asarray(n), inside.shape)[inside]
        right = random.binomial(sizes, np.asarray(accuracy, np.float64)[inside], logits.shape)
        logits[:] = logit(corrected(right, sizes))
    lines = least_squares(x, y, times[:, family])
    deviations = (lines - np.nanmean(lines, axis=0)) * _few_families(random, np.bincount(family), resamples)
    return LineDraws(line.slope + deviations[:, 0], line.intercept + deviations[:, 1])


def _few_families(random: np.random.Generator, sizes: IntArray, resamples: int) -> Float64Array:
    """Return (B, 1) factors that make deviations of resampled families those of Student's t.

    Families of unequal size count as fewer: (sum n)^2 / sum n^2 (Kish 1965), one less being the degrees of freedom, as
    of standard errors with few clusters (Cameron and Miller 2015, section VI). Without it bands are too narrow.
    """
    if len(sizes) < 2:
        raise ValueError(f"needs at least two families of models, got {len(sizes)}")
    count = sizes.sum() ** 2 / np.sum(sizes**2)
    freedom = max(1.0, count - 1)
    return np.asarray(np.sqrt(count / (count - 1) * freedom / random.chisquare(freedom, (resamples, 1))))
