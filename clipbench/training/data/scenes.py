"""What clip-tiny is trained on: scenes, each drawn once, and the training half of the digits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from clipbench.datasets.adapters.digits import Digits
from clipbench.datasets.adapters.scenes.attributes import TRAINED_STYLES
from clipbench.datasets.adapters.scenes.scenes import draw_scenes
from clipbench.datasets.decoding import decode
from clipbench.training.data.base import Batch
from clipbench.training.data.captions import digit_caption, scene_caption

if TYPE_CHECKING:
    from clipbench.models.reference.source import ReferenceTransform

DIGITS: Final = 40 / 256
"""The share of a batch's images that are digits; the others are scenes."""


class SceneData:
    """Scenes without end; one process draws all."""

    examples: int | None = None
    sizes: Sequence[tuple[str, int | None]] = ()

    def __init__(self, seed: int, batch: int, transform: ReferenceTransform, smallest: float) -> None:
        self._seed, self._transform = seed, transform
        self._digits = int(batch * DIGITS)
        self._scenes = batch - self._digits
        self._smallest = int(smallest * transform.side)

    def batches(self, first: int) -> Iterator[Batch]:
        """Yield batches from step `first` on; those before it are drawn too, as their captions are random."""
        random = Random(self._seed)  # noqa: S311
        generator = torch.Generator().manual_seed(self._seed)
        digits, labels = _training_digits(self._transform)
        for step in count():
            indices = np.arange(step * self._scenes, (step + 1) * self._scenes)
            scenery, drawn = draw_scenes("train", self._seed, indices, TRAINED_STYLES)
            captions = [scene_caption(scenery.describe(row), random) for row in range(self._scenes)]
            chosen = torch.randint(len(digits), (self._digits,), generator=generator)
            captions += [digit_caption(labels[number], random) for number in chosen.tolist()]
            pixels = torch.cat([self._transform.normalise(torch.from_numpy(drawn)), digits[chosen]])
            cropped = crop_at_random(pixels, self._smallest, generator)
            if step >= first:
                yield Batch(cropped, captions, torch.full((len(captions),), -1))

    def about(self) -> Mapping[str, Any]:
        """Return nothing: the model's own configuration names its scenes and digits."""
        return {}


def _training_digits(transform: ReferenceTransform) -> tuple[Tensor, list[int]]:
    pixels, labels = [], []
    for shard in Digits().split("train").shards():
        for example in shard:
            assert example.label is not None
            pixels.append(transform(decode(example.image)))
            labels.append(example.label)
    return torch.stack(pixels), labels


def crop_at_random(pixels: Tensor, smallest: int, generator: torch.Generator) -> Tensor:
    """Cut a random square out of each of (B, 3, S, S) images and scale it back to S."""
    batch, side = len(pixels), pixels.shape[-1]
    crop = (smallest + (side - smallest) * torch.rand(batch, generator=generator)) / side
    corner = (torch.rand(batch, 2, generator=generator) * 2 - 1) * (1 - crop)[:, None]
    frame = torch.zeros(batch, 2, 3)
    frame[:, 0, 0] = frame[:, 1, 1] = crop
    frame[:, :, 2] = corner
    grid = functional.affine_grid(frame, list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, grid, align_corners=False, padding_mode="border")
