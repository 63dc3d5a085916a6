"""The objectives as sums over all pairs, one term after the other, in float64: what a faster way has to equal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from clipbench.training.objectives.pairs import Pairs, caption_codes

CAPTIONS = ["a dog", "a cat", "a dog", "a photo of a dog", "two cats", "a ship"]
CAPTIONS += ["a ship", "the sea", "a dog", "a ship at sea", "a photo of a cat", "two cats"]
CLASSES = [0, 1, 0, 0, -1, 2, 2, -1, 0, 2, 1, -1]
"""Equal captions and classes stand far apart: in the first and the second half, and in each third."""

WrittenOut = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def hidden(i: int, j: int) -> bool:
    return CLASSES[i] >= 0 and CLASSES[i] == CLASSES[j] and CAPTIONS[i] != CAPTIONS[j]


def contrastive(image: Tensor, text: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """A bias is in every logit of a softmax, and so in none."""
    total, numbers = torch.zeros((), dtype=torch.float64), range(len(image))
    for first, second in ((image.double(), text.double()), (text.double(), image.double())):
        for i in numbers:
            right = [j for j in numbers if CAPTIONS[j] == CAPTIONS[i]]
            below = sum(torch.exp(scale * (first[i] @ second[j])) for j in numbers if not hidden(i, j))
            total = total - sum(torch.log(torch.exp(scale * (first[i] @ second[j])) / below) for j in right) / len(
                right
            )
    return total / (2 * len(image))


def sigmoid(image: Tensor, text: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    total, numbers = torch.zeros((), dtype=torch.float64), range(len(image))
    for i in numbers:
        for j in numbers:
            if not hidden(i, j):
                sign = 1 if CAPTIONS[i] == CAPTIONS[j] else -1
                logit = scale * (image[i].double() @ text[j].double()) + bias
                total = total + torch.log1p(torch.exp(-sign * logit))
    return total / len(image)


WRITTEN_OUT: dict[str, WrittenOut] = {"contrastive": contrastive, "sigmoid": sigmoid}


def features(width: int = 5) -> Sequence[Tensor]:
    """Image and text features of the captions, of length 1."""
    generator = torch.Generator().manual_seed(0)
    return [functional.normalize(torch.randn(len(CAPTIONS), width, generator=generator), dim=1) for _ in range(2)]


def pairs(image: Tensor, text: Tensor) -> Pairs:
    return Pairs(image, text, caption_codes(CAPTIONS), torch.tensor(CLASSES))
