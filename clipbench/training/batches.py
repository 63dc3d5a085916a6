"""What the reference CLIP is trained on: scenes, each drawn once, and the training half of the digits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from clipbench.datasets.adapters.digits import Digits
from clipbench.datasets.adapters.scenes.attributes import TRAINED_STYLES
from clipbench.datasets.adapters.scenes.scenes import draw_scenes
from clipbench.datasets.decoding import decode
from clipbench.training.captions import digit_caption, scene_caption

if TYPE_CHECKING:
    from clipbench.models.reference.source import ReferenceTransform
    from clipbench.training.recipe import Recipe


@dataclass(frozen=True)
class Batch:
    """B images with a caption each."""

    pixels: Tensor
    """(B, 3, S, S) float32, cropped at random."""
    captions: list[str]


def batches(recipe: Recipe, transform: ReferenceTransform) -> Iterator[Batch]:
    """Yield a recipe's batches, equal for equal recipes."""
    random = Random(recipe.seed)  # noqa: S311
    generator = torch.Generator().manual_seed(recipe.seed)
    digits, labels = _training_digits(transform)
    scenes_a_batch = recipe.batch - recipe.digits_a_batch
    for step in range(recipe.steps):
        indices = np.arange(step * scenes_a_batch, (step + 1) * scenes_a_batch)
        scenery, drawn = draw_scenes("train", recipe.seed, indices, TRAINED_STYLES)
        captions = [scene_caption(scenery.describe(row), random) for row in range(scenes_a_batch)]
        chosen = torch.randint(len(digits), (recipe.digits_a_batch,), generator=generator)
        captions += [digit_caption(labels[number], random) for number in chosen.tolist()]
        pixels = torch.cat([transform.normalise(torch.from_numpy(drawn)), digits[chosen]])
        yield Batch(crop_at_random(pixels, recipe.smallest_crop, generator), captions)


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
