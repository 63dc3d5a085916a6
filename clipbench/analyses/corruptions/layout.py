"""Accuracies by corruption and severity as one array, and the errors that follow from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clipbench.analyses.corruptions.images import RightOrWrong, View
from clipbench.arrays import Float32Array, Float64Array, IntArray


@dataclass(frozen=True)
class Layout:
    """Which column is what: the clean images first, then each corruption at each severity."""

    corruptions: tuple[str, ...]
    """All of them measured at every severity."""
    severities: tuple[int, ...]
    averaged: tuple[str, ...]
    """Those that enter the means."""

    @property
    def views(self) -> tuple[View, ...]:
        """What the columns after the first are."""
        return tuple((name, severity) for name in self.corruptions for severity in self.severities)

    def matrix(self, answers: RightOrWrong) -> Float32Array:
        """Return (n, 1 + views) ones where the answer is right."""
        columns = [answers.clean, *(answers.corrupted[view] for view in self.views)]
        return np.column_stack(columns).astype(np.float32)

    def by_corruption(self, accuracies: Float64Array) -> Float64Array:
        """Return (b, C) the mean over severities of each corruption, from (b, 1 + views) accuracies."""
        shape = (len(accuracies), len(self.corruptions), len(self.severities))
        return np.asarray(accuracies[:, 1:].reshape(shape).mean(axis=2))

    def mean(self, values: Float64Array) -> Float64Array:
        """Return (b,) the mean over the averaged corruptions, from (b, C) values."""
        chosen = [self.corruptions.index(name) for name in self.averaged]
        return np.asarray(values[:, chosen].mean(axis=1))


@dataclass(frozen=True)
class ReferenceErrors:
    """The errors of the model that the others are divided by."""

    clean: Float64Array
    """(b,), or (1,) where they are constants."""
    corrupted: Float64Array
    """(b, C), or (1, C); in the layout's order, NaN where there is none."""

    @classmethod
    def published(cls, layout: Layout, clean: float, errors: Mapping[str, float]) -> ReferenceErrors:
        """Make one from published means over all severities."""
        known = [errors.get(name, float("nan")) for name in layout.corruptions]
        return cls(np.array([clean]), np.array([known]))

    @classmethod
    def measured(cls, layout: Layout, accuracies: Float64Array) -> ReferenceErrors:
        """Make one from (b, 1 + views) accuracies of a model."""
        return cls(1 - accuracies[:, 0], 1 - layout.by_corruption(accuracies))


@dataclass(frozen=True)
class CorruptionErrors:
    """What follows from b sets of accuracies: (b,) or (b, C) arrays."""

    clean: Float64Array
    corrupted: Float64Array
    """(b,) mean accuracy over the averaged corruptions."""
    accuracy: Float64Array
    """(b, C) mean accuracy over severities."""
    errors: Mapping[str, Float64Array]
    """'ce': (b, C) error divided by the reference's; 'relative_ce': the same after the clean errors were subtracted.
    Empty without a reference."""


def corruption_errors(layout: Layout, accuracies: Float64Array, reference: ReferenceErrors | None) -> CorruptionErrors:
    """Compute corruption errors from (b, 1 + views) accuracies.

    CE of a corruption is the sum of a model's errors over severities, divided by that of the reference; relative CE
    first subtracts the clean error from each (Hendrycks & Dietterich 2019, section 3). A reference that loses nothing
    under a corruption leaves the relative CE undefined (NaN).
    """
    means = layout.by_corruption(accuracies)
    clean = accuracies[:, 0]
    errors = {}
    if reference is not None:
        lost = reference.corrupted - reference.clean[:, None]
        errors["ce"] = _ratio(1 - means, reference.corrupted)
        errors["relative_ce"] = _ratio(clean[:, None] - means, lost)
    return CorruptionErrors(clean, layout.mean(means), means, errors)


def _ratio(errors: Float64Array, reference: Float64Array) -> Float64Array:
    reference = np.broadcast_to(reference, errors.shape)
    return np.asarray(np.divide(errors, reference, where=reference > 0, out=np.full(errors.shape, np.nan)))


def shares(right: Sequence[Float32Array], weights: IntArray) -> list[Float64Array]:
    """Return (b, 1 + views) accuracies of each model in resamples of the same images.

    Args:
        right: of each model (n, 1 + views) ones where the answer is right.
        weights: (b, n) how often each image was drawn.
    """
    drawn = weights.astype(np.float32)
    # Counts are whole numbers below 2 ** 24, which float32 adds up exactly.
    return [np.rint(drawn @ matrix).astype(np.float64) / matrix.shape[0] for matrix in right]
