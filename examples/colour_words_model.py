"""A model of one's own: it sees how much of each colour is in a picture and reads colour words, and nothing else.

    PYTHONPATH=examples clipbench run quickstart --model colour_words_model:ColourWords --only scenes-colour

What a model must have stands in `clipbench.extend.ImageTextModel`; there is no class to derive from. `info` carries
digests of everything that can change an embedding, since stored embeddings are keyed on them: `describe_module` makes
them.
"""

import re
from collections.abc import Sequence

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from clipbench.extend import ImageFeatures, Tokens, describe_module

COLOURS = {
    "red": (220, 30, 30),
    "orange": (245, 140, 20),
    "yellow": (245, 225, 40),
    "green": (40, 160, 60),
    "blue": (40, 80, 220),
    "purple": (130, 50, 180),
    "pink": (245, 140, 190),
    "brown": (125, 75, 40),
    "white": (250, 250, 250),
    "grey": (150, 150, 150),
    "black": (20, 20, 20),
}
SIDE = 32
WORDS = 16
REST = 0.01
"""In every embedding, so that none is all zero."""


def pixels_of(image: PIL.Image.Image) -> Tensor:
    """(3, SIDE, SIDE) in 0 ... 255; at the top of the module, so that worker processes can be given it."""
    small = image.resize((SIDE, SIDE), PIL.Image.Resampling.BOX)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1).float()


class ColourWords:
    text_length = "cut"  # padding adds nothing, so a batch may be cut to its longest text

    def __init__(self, device: str) -> None:
        palette = torch.tensor(list(COLOURS.values())).float()
        self.transform = pixels_of
        self.palette = palette.to(device)
        self.info = describe_module(
            "colour-words",
            {"palette": palette},
            transform=f"box filter to {SIDE} x {SIDE}, RGB 0 to 255",
            tokenizer=[list(COLOURS), WORDS],
            logit_scale=20.0,
            trained_on=(),
            context_length=WORDS,
        )

    def encode_images(self, pixels: Tensor) -> ImageFeatures:
        """Each colour's share of the pixels, a pixel counting for the nearest colour."""
        flat = pixels.to(self.palette.device).flatten(2).transpose(1, 2)
        nearest = torch.cdist(flat, self.palette, compute_mode="donot_use_mm_for_euclid_dist").argmin(dim=2)
        counts = torch.nn.functional.one_hot(nearest, len(COLOURS)).float().mean(dim=1)
        return ImageFeatures(projected=_with_rest(counts), backbone=None)

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """One id a word: 0 for padding and words that are no colour, else the colour's number from 1."""
        names = {name: number for number, name in enumerate(COLOURS, start=1)}
        rows = [[names.get(word, 0) for word in re.findall(r"\w+", text.lower())] for text in texts]
        ids = torch.zeros(len(rows), WORDS, dtype=torch.int64)
        for row, words in zip(ids, rows, strict=True):
            row[: len(words)] = torch.tensor(words[:WORDS])
        lengths = torch.tensor([min(max(len(words), 1), WORDS) for words in rows])
        return Tokens(ids, lengths, tuple(len(words) > WORDS for words in rows))

    def encode_tokens(self, ids: Tensor) -> Tensor:
        """How often each colour is named."""
        named = torch.nn.functional.one_hot(ids.to(self.palette.device), len(COLOURS) + 1)
        return _with_rest(named.sum(dim=1)[:, 1:].float())


def _with_rest(counts: Tensor) -> Tensor:
    return torch.cat([counts, torch.full_like(counts[:, :1], REST)], dim=1)
