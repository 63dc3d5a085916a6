"""What a linear head is, and what it is fitted on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import Float32Array, Float64Array, IntArray

if TYPE_CHECKING:
    from torch import Tensor

ELEMENTS = {"cpu": 1 << 19, "cuda": 1 << 24}
"""Of features and scores that are worked on at once: on a CPU few enough for its cache, where a float64 copy of
them costs little; on a GPU enough to keep it busy."""


@dataclass(frozen=True)
class Head:
    """A linear head: scores = features @ weight.T + bias."""

    weight: Float64Array
    """(K, D) float64; K is 1 for two classes, whose one score speaks for the second."""
    bias: Float64Array
    """(K,) float64."""

    @classmethod
    def zeros(cls, outputs: int, width: int) -> Head:
        """Return the head that knows nothing."""
        return cls(np.zeros((outputs, width)), np.zeros(outputs))

    def scores(self, features: Float32Array) -> Float32Array:
        """Return (n, K) float32 scores of (n, D) float32 features."""
        return features @ self.weight.T.astype(np.float32) + self.bias.astype(np.float32)

    def class_scores(self, features: Float32Array) -> Float32Array:
        """Return the scores with a column for each class: of two classes the first scores 0."""
        scores = self.scores(features)
        return scores if scores.shape[1] > 1 else np.hstack([np.zeros_like(scores), scores])


@dataclass(frozen=True)
class Problem:
    """What a head is fitted on. The features are not copied."""

    features: Tensor
    """(n, D) float32, on the device that computes."""
    targets: Tensor
    """(n,) int64 classes for softmax over three classes or more; (n, K) of 0 and 1 for K independent sigmoids,
    one of them for two classes."""
    outputs: int
    """K."""
    intercept: bool = True
    towards: Float64Array | None = None
    """(K, D): the penalty is on the distance from these weights; None: from zero."""
    like: Problem | None = None
    """One with about the same features, whose axes serve here too."""
    held: slice | None = None
    """Rows that the head is not fitted on, from a start to a stop."""

    @classmethod
    def of(
        cls,
        features: Float32Array,
        targets: IntArray | Float32Array,
        outputs: int,
        *,
        device: str = "cpu",
        intercept: bool = True,
        towards: Float64Array | None = None,
    ) -> Problem:
        """Make a problem of arrays, on the device that is to compute; MPS lacks float64, so there the CPU does."""
        import torch

        device = "cpu" if device.startswith("mps") else device
        on_device = torch.as_tensor(features, device=device), torch.as_tensor(targets, device=device)
        return cls(*on_device, outputs, intercept, towards)

    def without(self, held: slice) -> Problem:
        """Return the problem of all rows but some; nothing is copied, and the axes are those of all rows."""
        return replace(self, held=held, like=self)

    @property
    def examples(self) -> int:
        """How many rows the head is fitted on."""
        return sum(len(targets) for _, targets in self._parts)

    @property
    def _parts(self) -> list[tuple[Tensor, Tensor]]:
        """Features and targets before and after the rows that are left out, as views."""
        if self.held is None:
            return [(self.features, self.targets)]
        parts = slice(self.held.start), slice(self.held.stop, None)
        return [(self.features[part], self.targets[part]) for part in parts]

    def rows(self) -> tuple[Tensor, Tensor]:
        """Return features and targets that the head is fitted on in one piece, copied where rows in between are not."""
        import torch

        features, targets = zip(*(part for part in self._parts if len(part[1])), strict=True)
        return (features[0], targets[0]) if len(features) == 1 else (torch.cat(features), torch.cat(targets))

    @property
    def rows_at_a_time(self) -> int:
        """How many rows are worked on at once."""
        elements = ELEMENTS.get(self.features.device.type, ELEMENTS["cuda"])
        return max(256, elements // (self.features.shape[1] + self.outputs))

    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Iterate over (features, targets) of some rows."""
        size = self.rows_at_a_time
        for features, targets in self._parts:
            for start in range(0, len(features), size):
                yield features[start : start + size], targets[start : start + size]

    @cached_property
    def centre(self) -> Tensor:
        """(D,) float64: the mean of the features, or zeros without an intercept, which alone can make up for it."""
        import torch

        width = self.features.shape[1]
        total = torch.zeros(width, dtype=torch.float64, device=self.features.device)
        if self.intercept:
            for rows, _ in self.chunks():
                total += rows.sum(dim=0, dtype=torch.float64)
        return total / self.examples

    @cached_property
    def axes(self) -> tuple[Tensor, Tensor]:
        """(D,) variances and (D, D) principal axes, one a column, of the centred features; float64."""
        import torch

        if self.like is not None:
            return self.like.axes
        width = self.features.shape[1]
        total = torch.zeros(width, width, dtype=torch.float64, device=self.features.device)
        for rows, _ in self.chunks():
            centred = (rows.double() - self.centre).float()
            total += (centred.T @ centred).double()
        variances, axes = torch.linalg.eigh(total / self.examples)
        return variances.clamp(min=0), axes

    @cached_property
    def in_span(self) -> tuple[Problem, Tensor]:
        """The problem in coordinates of an orthonormal basis of n < D centred examples, and that (D, n) basis.

        The penalty keeps the minimum in the examples' span, so it is the same.
        """
        import torch

        features, targets = self.rows()
        basis, coordinates = torch.linalg.qr((features.double() - self.centre).T)
        towards = None if self.towards is None else self.towards @ basis.cpu().numpy()
        inner = Problem(coordinates.T.float().contiguous(), targets, self.outputs, self.intercept, towards)
        return inner, basis


def outputs_for(classes: int) -> int:
    """Return how many outputs a head has for so many classes: one for two."""
    return 1 if classes == 2 else classes


def class_targets(labels: IntArray, classes: int) -> tuple[NDArray[Any], int]:
    """Return the targets of (n,) labels, and how many outputs a head has for them."""
    return labels[:, None].astype(np.float32) if classes == 2 else labels, outputs_for(classes)
