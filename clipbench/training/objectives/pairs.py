"""Images and texts of a batch as features, and which of them belong together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Pairs:
    """B images with a text each, as an objective sees them."""

    image: Tensor
    """(B, D) float32, of length 1."""
    text: Tensor
    """(B, D) float32, of length 1."""
    captions: Tensor
    """(B,) int64: equal where the texts are equal strings."""
    classes: Tensor
    """(B,) int64: the class of the image; -1 where it has none."""

    def same(self, others: Pairs) -> Tensor:
        """Return (B, C) truth values: whether this image's text is that of the other pair."""
        return self.captions[:, None] == others.captions[None, :]

    def rows(self, start: int, stop: int) -> Pairs:
        """Return some of the pairs."""
        columns = (self.image, self.text, self.captions, self.classes)
        return Pairs(*(column[start:stop] for column in columns))

    def hidden(self, others: Pairs) -> Tensor:
        """Return (B, C) truth values: whether both are of one class, but with another text.

        They are neither right nor wrong for each other: 'a photo of a dog' suits another dog too.
        """
        alike = (self.classes[:, None] == others.classes[None, :]) & (self.classes >= 0)[:, None]
        return alike & ~self.same(others)


def caption_codes(captions: Sequence[str]) -> Tensor:
    """Return (B,) int64 codes of texts, the same on every machine, so that ranks can compare theirs."""
    digests = (hashlib.blake2b(caption.encode(), digest_size=8).digest() for caption in captions)
    return torch.tensor([int.from_bytes(digest, "little", signed=True) for digest in digests])
