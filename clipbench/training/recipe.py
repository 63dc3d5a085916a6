"""The recipe of the reference CLIP: every number that decides its weights."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Hyper-parameters after appendix F of Radford et al. 2021, scaled down to a quarter of an hour on one core.

    Kept from the paper: the symmetric contrastive loss, the temperature's start and bound, decoupled weight
    decay 0.2 on all that is not a gain or a bias, cosine decay with warm-up, a random square crop as the only
    augmentation of the images, beta2 and epsilon of its vision transformers.
    """

    seed: int = 0
    steps: int = 1000
    batch: int = 256
    digits_a_batch: int = 40
    """How many of a batch's images are digits; the others are scenes, each drawn once."""
    image_rate: float = 5e-3
    """Highest learning rate of the image tower; the paper has one for both, which is slower here."""
    text_rate: float = 1e-3
    """Highest learning rate of the text tower and of the logit scale."""
    warmup: int = 100
    """Steps of linear warm-up."""
    weight_decay: float = 0.2
    beta1: float = 0.9
    beta2: float = 0.98
    epsilon: float = 1e-6
    temperature: float = 0.07
    largest_scale: float = 100.0
    smallest_crop: int = 44
    """Shortest side of the random square crop, in pixels of the model's input."""

    def share_of_rate(self, step: int) -> float:
        """Return a step's share of the highest learning rate: linear warm-up, then half a cosine down to 0."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return 0.5 * (1 + math.cos(math.pi * done))
