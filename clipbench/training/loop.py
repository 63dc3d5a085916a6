"""The training loop of the reference CLIP, from top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from clipbench.models.reference.files import ReferenceConfig, write_reference
from clipbench.models.reference.source import ReferenceTransform
from clipbench.models.reference.tokenizer import END, WordTokenizer
from clipbench.models.reference.towers import Architecture, ReferenceTowers
from clipbench.training.batches import batches
from clipbench.training.captions import known_words
from clipbench.training.recipe import Recipe

TRAINED_ON: Final = ("clipbench-scenes", "digits (train half)")
_MEAN, _STD = (0.6, 0.6, 0.6), (0.3, 0.3, 0.3)


@dataclass(frozen=True)
class Progress:
    """How far a training run has come."""

    step: int
    loss: float
    scale: float
    seconds: float


@dataclass(frozen=True)
class Trained:
    """What a training run gives."""

    config: ReferenceConfig
    towers: ReferenceTowers
    losses: tuple[float, ...]

    def write(self, folder: Path) -> None:
        """Write the folder that `local:DIR` names."""
        write_reference(folder, self.config, self.towers)


def train(recipe: Recipe, report: Callable[[Progress], None] = lambda _: None) -> Trained:
    """Train a reference CLIP; equal recipes give equal weights on equal machines with equal threads."""
    torch.manual_seed(recipe.seed)
    started = time.monotonic()
    tokenizer = WordTokenizer.of_words(known_words(), Architecture.context)
    architecture = Architecture(vocabulary=len(tokenizer.vocabulary))
    transform = ReferenceTransform(architecture.image_side, _MEAN, _STD)
    towers = ReferenceTowers(architecture, END, recipe.temperature).to(memory_format=torch.channels_last)
    optimizer = make_optimizer(towers, recipe)
    losses: list[float] = []

    for step, batch in enumerate(batches(recipe, transform)):
        for group in optimizer.param_groups:
            group["lr"] = group["highest"] * recipe.share_of_rate(step)

        tokens = tokenizer(batch.captions)
        image, _ = towers.image(batch.pixels)
        text = towers.text(tokens.ids[:, : int(tokens.lengths.max())])
        loss = contrastive(image, text, towers.log_scale.exp(), shared_captions(batch.captions))

        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            towers.log_scale.clamp_(max=math.log(recipe.largest_scale))

        losses.append(loss.item())
        report(Progress(step + 1, losses[-1], float(towers.log_scale.detach().exp()), time.monotonic() - started))

    training = {
        "recipe": asdict(recipe),
        "images": recipe.steps * recipe.batch,
        "last loss": round(float(np.mean(losses[-50:])), 4),
        "seconds": round(time.monotonic() - started),
        "threads": torch.get_num_threads(),
        "versions": {"torch": str(torch.__version__), "numpy": np.__version__},
    }
    config = ReferenceConfig(architecture, tokenizer.vocabulary, _MEAN, _STD, TRAINED_ON, training)
    return Trained(config, towers.eval(), tuple(losses))


def contrastive(image: Tensor, text: Tensor, scale: Tensor | float, targets: Tensor) -> Tensor:
    """Return the symmetric cross-entropy over a batch's similarity matrix (Radford et al. 2021, figure 3).

    Image and text are (B, D), not normalised; the targets (B, B), symmetric, with rows that sum to 1.
    """
    logits = scale * (functional.normalize(image, dim=1) @ functional.normalize(text, dim=1).T)
    return (functional.cross_entropy(logits, targets) + functional.cross_entropy(logits.T, targets)) / 2


def shared_captions(captions: Sequence[str]) -> Tensor:
    """Return (B, B) targets that divide the weight evenly among equal captions.

    Without them, a batch that holds one caption twice asks the model to tell two equal strings apart.
    """
    numbers = {caption: number for number, caption in enumerate(dict.fromkeys(captions))}
    codes = torch.tensor([numbers[caption] for caption in captions])
    same = (codes[:, None] == codes[None, :]).float()
    return same / same.sum(dim=1, keepdim=True)


def make_optimizer(towers: ReferenceTowers, recipe: Recipe) -> torch.optim.AdamW:
    """Return AdamW that decays all weights but gains, biases and the logit scale."""
    rates = (
        (recipe.image_rate, list(towers.image.parameters())),
        (recipe.text_rate, [*towers.text.parameters(), towers.log_scale]),
    )
    groups: list[dict[str, Any]] = []
    for highest, weights in rates:
        decayed = [weight for weight in weights if weight.ndim >= 2]
        others = [weight for weight in weights if weight.ndim < 2]
        groups.append({"params": decayed, "weight_decay": recipe.weight_decay, "highest": highest})
        groups.append({"params": others, "weight_decay": 0.0, "highest": highest})
    return torch.optim.AdamW(groups, betas=(recipe.beta1, recipe.beta2), eps=recipe.epsilon)
