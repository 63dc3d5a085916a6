"""How sure a line through models is: lines of resampled models, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from clipbench.arrays import Float64Array, IntArray
from clipbench.metrics.shift import LogitLine, corrected, expected, least_squares, logit
from clipbench.stats.bootstrap import RESAMPLES, SEED, percentile
from clipbench.stats.intervals import Interval

KIND = "line and examples"
"""Of an interval that holds the line's uncertainty and that of the examples."""


@dataclass(frozen=True)
class LineDraws:
    """Lines of B resamples of the models behind a line."""

    slopes: Float64Array
    intercepts: Float64Array

    def expected(self, reference: ArrayLike) -> Float64Array:
        """Return (B,) expected accuracies at one reference accuracy, or at (B,) of them, one for each line."""
        return expected(self.slopes, self.intercepts, reference)

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


def draw_accuracies(right: int, n: int, *, resamples: int = RESAMPLES, seed: int = SEED) -> Float64Array:
    """Return (B,) accuracies in resamples of n > 0 examples of which some are right.

    Resampling right and wrong answers draws a binomial number of right ones. None or all right would never vary:
    their share is corrected by half an example.
    """
    share = right / n if 0 < right < n else float(corrected(right, n))
    return np.asarray(np.random.default_rng(seed).binomial(n, share, resamples) / n)


def interval_of(drawn: Float64Array) -> Interval:
    """Return the percentile interval of resamples that hold the line's uncertainty."""
    return replace(percentile(drawn), kind=KIND)
