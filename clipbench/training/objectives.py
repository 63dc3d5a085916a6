"""Pre-training objectives as plain functions of embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def contrastive(image: Tensor, text: Tensor, scale: Tensor | float, targets: Tensor | None = None) -> Tensor:
    """Return the symmetric cross-entropy over a batch's similarity matrix (Radford et al. 2021, figure 3).

    Args:
        image: (B, D), not normalised.
        text: (B, D), not normalised; row i belongs to image i.
        scale: what the cosines are multiplied by.
        targets: (B, B) rows that sum to 1 and a symmetric matrix; by default the identity: each image has
            its own text and no other. See `shared_captions`.
    """
    if image.shape != text.shape:
        raise ValueError(f"images {tuple(image.shape)} and texts {tuple(text.shape)} are not pairs")
    cosines = functional.normalize(image, dim=1) @ functional.normalize(text, dim=1).T
    logits = scale * cosines
    wanted = torch.arange(len(image), device=image.device) if targets is None else targets
    return (functional.cross_entropy(logits, wanted) + functional.cross_entropy(logits.T, wanted)) / 2


def shared_captions(captions: Sequence[str]) -> Tensor:
    """Return (B, B) targets that divide the weight evenly among equal captions.

    Without them, a batch that holds one caption twice asks the model to tell two equal strings apart.
    """
    numbers = {caption: number for number, caption in enumerate(dict.fromkeys(captions))}
    codes = torch.tensor([numbers[caption] for caption in captions])
    same = (codes[:, None] == codes[None, :]).float()
    return same / same.sum(dim=1, keepdim=True)
