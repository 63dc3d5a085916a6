"""A small model and a small data set, both real code paths: pixels go through torch, bytes through Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from torch import Tensor

from clipbench.datasets.base import Example, IndexedDataset
from clipbench.embed.encode import EncodeSettings
from clipbench.embed.store import Store
from clipbench.embed.texts import TextEncoder
from clipbench.models.base import ImageFeatures, ModelInfo, ModelPedigree, Tokens

from ..conftest import png


def to_pixels(image: PIL.Image.Image) -> Tensor:
    array = np.asarray(image.resize((8, 8)), np.float32) / 255
    return torch.from_numpy(array).permute(2, 0, 1)


class LinearModel:
    """One linear map from pixels, one embedding sum for texts; counts what it encodes."""

    text_length = "cut"

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.weights = torch.randn(3 * 8 * 8, 16, generator=generator)
        self.table = torch.randn(256, 16, generator=generator)
        self.transform = to_pixels
        pedigree = ModelPedigree("weights", "transform", "tokenizer")
        self.info = ModelInfo("linear", pedigree, has_text=True, features=("projected", "backbone"))
        self.images = 0
        self.batches: list[int] = []
        self.texts = 0

    def encode_images(self, pixels: Tensor) -> ImageFeatures:
        self.images += len(pixels)
        self.batches.append(len(pixels))
        backbone = pixels.flatten(1)
        return ImageFeatures(projected=backbone @ self.weights, backbone=backbone)

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        ids = torch.zeros(len(texts), 32, dtype=torch.int64)
        encoded = [text.encode()[:32] for text in texts]
        for row, text in enumerate(encoded):
            ids[row, : len(text)] = torch.tensor(list(text))
        lengths = torch.tensor([len(text) for text in encoded])
        return Tokens(ids, lengths, tuple(len(text.encode()) > 32 for text in texts))

    def encode_tokens(self, ids: Tensor) -> Tensor:
        self.texts += len(ids)
        return (self.table[ids] * (ids > 0).unsqueeze(-1)).sum(1)


class Squares(IndexedDataset):
    """Small noisy pictures; those in `broken` are cut short."""

    classes = ("dark", "light")

    def __init__(self, count: int = 40, broken: Sequence[int] = (), seed: int = 0) -> None:
        self.count = count
        self.broken = frozenset(broken)
        self.seed = seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Example:
        pixels = np.random.default_rng([self.seed, index]).integers(0, 256, (12, 10, 3), np.uint8)
        content = png(PIL.Image.fromarray(pixels))[: 60 if index in self.broken else None]
        return Example(f"{index:04d}", content, label=index % 2, groups={"third": str(index % 3)})

    def locator(self) -> str:
        return f"squares {self.count} {sorted(self.broken)} {self.seed}"


@pytest.fixture
def model() -> LinearModel:
    return LinearModel()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def settings() -> EncodeSettings:
    return EncodeSettings("cpu", batch_size=16)


@pytest.fixture
def text_encoder(model: LinearModel, store: Store) -> TextEncoder:
    return TextEncoder(lambda: model, store.texts("linear"))
