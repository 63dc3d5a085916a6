"""What the loop asks of data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """This process's B pairs of a step."""

    pixels: Tensor
    """(B, 3, S, S) float32, cropped at random and normalised."""
    captions: list[str]
    classes: Tensor
    """(B,) int64: the class of each image, -1 where it has none; numbers of several data sets do not overlap."""
    broken: int = 0
    """Samples that could not be decoded on the way to this batch; others are in their place."""


class TrainingData(Protocol):
    """Batches in an order that a seed decides."""

    examples: int | None
    """How many there are; None where no split says so."""
    sizes: Sequence[tuple[str, int | None]]
    """Of each data set its name and how many examples it has."""

    def batches(self, first: int) -> Iterator[Batch]:
        """Yield this process's batches from a step on, the same ones whenever it is asked."""
        ...

    def about(self) -> Mapping[str, Any]:
        """Return what is told of the data with the model: names, splits, digests, for which some are read again."""
        ...
