"""What a shift costs: accuracies in logit space, the line of what is expected, effective robustness.

Sources: Recht et al. 2019, "Do ImageNet Classifiers Generalize to ImageNet?", https://arxiv.org/abs/1902.10811 (models
lie on a line); Taori et al. 2020, "Measuring Robustness to Natural Distribution Shifts in Image Classification",
https://arxiv.org/abs/2007.00644 (logit space, effective and relative robustness); Miller et al. 2021, "Accuracy on
the Line", https://arxiv.org/abs/2107.04649 (on many pairs of sets). Accuracies are fractions throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clipbench.arrays import Float64Array

MIN_MODELS = 10
"""Fewer models make no line."""

CORRECTION = 0.5
"""Of an image, added to right and to wrong answers, where a logit must be finite."""

_EDGE = 1e-9
"""How near to 0 and 1 an accuracy may come before its logit is taken."""


def logit(accuracy: ArrayLike) -> Float64Array:
    """Return ln(p / (1 - p)), element by element; -inf at 0 and inf at 1.

    Raises:
        ValueError: an accuracy lies outside 0 to 1.
    """
    p = np.asarray(accuracy, np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("an accuracy must lie between 0 and 1")
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(p) - np.log1p(-p))


def inverse_logit(value: ArrayLike) -> Float64Array:
    """Return 1 / (1 + e^-x), element by element, without overflow."""
    x = np.asarray(value, np.float64)
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, small) / (1 + small))


def corrected(right: ArrayLike, n: ArrayLike, continuity: float = CORRECTION) -> Float64Array:
    """Return (k + c) / (n + 2c): an accuracy from counts that is never 0 or 1.

    With c = 0.5 it is (k + 0.5) / (n + 1), whose logit is nearly unbiased (Haldane 1955; Anscombe 1956).
    """
    return np.asarray((np.asarray(right, np.float64) + continuity) / (np.asarray(n, np.float64) + 2 * continuity))


@dataclass(frozen=True)
class LogitLine:
    """A line through models: logit(shift accuracy) = slope * logit(reference accuracy) + intercept."""

    slope: float
    intercept: float
    r2: float
    """Share of the variance of the shift's logits that the line explains."""
    models: tuple[str, ...]
    """The models that it was fitted to."""
    left_out: tuple[str, ...]
    """Those at 0 or 100 % on the reference or the shift, whose logits are infinite."""
    lowest: float
    """Reference accuracy of the lowest of the models."""
    highest: float
    points: Float64Array = field(repr=False, compare=False)
    """(2, models) logits on the reference and on the shift that it was fitted to."""

    def expected(self, reference: ArrayLike) -> Float64Array:
        """Return the shift accuracy that the line gives for reference accuracies, any shape: beta(x) of Taori et al."""
        return expected(self.slope, self.intercept, reference)

    def covers(self, reference: float) -> bool:
        """Tell whether an accuracy lies in the range of the models that the line was fitted to."""
        return self.lowest <= reference <= self.highest


def expected(slope: ArrayLike, intercept: ArrayLike, reference: ArrayLike) -> Float64Array:
    """Return inverse_logit(slope * logit(reference) + intercept); the three are broadcast against each other."""
    inside = np.clip(np.asarray(reference, np.float64), _EDGE, 1 - _EDGE)
    return inverse_logit(np.asarray(slope) * logit(inside) + np.asarray(intercept))


def fit_line(
    names: Sequence[str],
    reference: ArrayLike,
    shift: ArrayLike,
    *,
    continuity: float | None = None,
    n_reference: ArrayLike | None = None,
    n_shift: ArrayLike | None = None,
) -> LogitLine:
    """Fit a line to models in logit space by ordinary least squares.

    Args:
        names: (M,) the models.
        reference: (M,) their accuracies on the reference; `shift` those on the shift.
        continuity: None leaves out models at 0 or 1; c takes (k + c) / (n + 2c) of all, with k = p * n right answers.
        n_reference: images of the reference, one number or (M,), and `n_shift` of the shift; for `continuity`.

    Raises:
        ValueError: fewer than MIN_MODELS models are left, or all have one reference accuracy.
    """
    x, y = np.asarray(reference, np.float64), np.asarray(shift, np.float64)
    if not len(names) == len(x) == len(y):
        raise ValueError(f"needs two accuracies a model, got {len(names)} models, {len(x)} and {len(y)} accuracies")
    if continuity is not None:
        if n_reference is None or n_shift is None:
            raise ValueError("a continuity correction needs the numbers of images")
        x, y = (corrected(p * np.asarray(n), n, continuity) for p, n in ((x, n_reference), (y, n_shift)))
    finite = (x > 0) & (x < 1) & (y > 0) & (y < 1)
    if finite.sum() < MIN_MODELS:
        raise ValueError(f"a line needs at least {MIN_MODELS} models between 0 and 100 %, got {finite.sum()}")
    used, left_out = (tuple(np.asarray(names, object)[which]) for which in (finite, ~finite))
    inside = np.asarray(reference, np.float64)[finite]
    x, y = logit(x[finite]), logit(y[finite])
    slope, intercept = least_squares(x[None], y[None])[0].tolist()
    if np.isnan(slope):
        raise ValueError("all models have the same accuracy on the reference")
    left_over, total = float(np.sum((y - slope * x - intercept) ** 2)), float(np.sum((y - y.mean()) ** 2))
    r2 = 1 - left_over / total if total else 1.0
    return LogitLine(slope, intercept, r2, used, left_out, float(inside.min()), float(inside.max()), np.stack([x, y]))


def least_squares(x: Float64Array, y: Float64Array, weights: NDArray[Any] | None = None) -> Float64Array:
    """Return (B, 2) slopes and intercepts of B lines of ordinary, or weighted, least squares.

    Of (B, M) points, each counted `weights` times; NaN comes of points that all have one x.
    """
    w = np.ones_like(x) if weights is None else np.asarray(weights, np.float64)
    total = w.sum(axis=1, keepdims=True)
    middle_x = (w * x).sum(axis=1, keepdims=True) / total
    middle_y = (w * y).sum(axis=1, keepdims=True) / total
    across = (w * (x - middle_x) ** 2).sum(axis=1)
    together = (w * (x - middle_x) * (y - middle_y)).sum(axis=1)
    slope = np.full(len(x), np.nan)
    # Rounding alone would make a line of points with one x.
    np.divide(together, across, out=slope, where=across > 1e-12 * total[:, 0] * (1 + middle_x[:, 0] ** 2))
    return np.column_stack([slope, middle_y[:, 0] - slope * middle_x[:, 0]])


def share_closed(gap: float, gap_of_supervised: float) -> float | None:
    """Return 1 - gap / gap of the supervised model: the share of its gap that a model closes; above 1 it goes beyond.

    None where the supervised model has no gap. Source: section 3.3 of Radford et al. 2021,
    https://arxiv.org/abs/2103.00020.
    """
    return 1 - gap / gap_of_supervised if gap_of_supervised > 0 else None
