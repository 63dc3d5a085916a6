"""Labelled features to fit linear heads on: digits, CIFAR-10 through a small CLIP, or drawn at random."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

from clipbench.arrays import Float32Array, IntArray
from clipbench.datasets.adapters.hub import HuggingFace
from clipbench.embed.device import default_workers
from clipbench.embed.encode import EncodeSettings
from clipbench.embed.image_set import SplitReader
from clipbench.embed.opened import OpenedModel
from clipbench.embed.store import Store
from clipbench.models.base import ModelInfo, ModelPedigree
from clipbench.models.catalog import find_model
from clipbench.tasks.base import ArrayFeatures, DatasetFacts, Feature, ImageSet, Inputs
from clipbench.tasks.holdout import stratified

FEATURE: Feature = "backbone"
"""The name that all features have here."""
SPLITS = ("train", "test")
_ROWS = 65_536
"""Drawn at once."""


@dataclass(frozen=True)
class ProbeData:
    """A training and a test split in memory."""

    name: str
    classes: int
    train: ImageSet
    test: ImageSet

    @property
    def width(self) -> int:
        """Of the features."""
        return self.train.features[FEATURE].shape[1]

    def inputs(self, device: str) -> Inputs:
        """Return them as a task takes them."""
        names = tuple(f"class {number}" for number in range(self.classes))
        dataset = DatasetFacts(name=self.name, classes=names, multilabel=False, splits=("train", "test"))
        model = ModelInfo("benchmark", ModelPedigree("", ""), has_text=False, features=(FEATURE,))
        sets = {"train": self.train, "test": self.test}
        return Inputs(dataset, model, sets, text=lambda strings: np.empty((len(strings), 0), np.float32), device=device)

    def limited(self, limit: int) -> ProbeData:
        """Return at most so many images of each split, drawn at random."""
        return replace(self, train=_drawn(self.train, limit), test=_drawn(self.test, limit))


def arrays(images: ImageSet) -> tuple[Float32Array, IntArray]:
    """Return (n, D) features and (n,) labels."""
    assert images.labels is not None
    return images.features[FEATURE].load(), images.labels


def held_out(data: ProbeData) -> tuple[tuple[Float32Array, IntArray], tuple[Float32Array, IntArray]]:
    """Return the training images in two parts: those to fit on, and the fifth that clipbench's probe holds out."""
    features, labels = arrays(data.train)
    chosen = stratified(data.train.ids, labels, fraction=0.2, seed=0)
    kept = np.setdiff1d(np.arange(len(labels)), chosen)
    return (features[kept], labels[kept]), (features[chosen], labels[chosen])


def digits() -> ProbeData:
    """Return scikit-learn's 1,797 digits as 64 grey values each: every second one is for training."""
    pixels, labels = load_digits(return_X_y=True)
    features, labels = pixels.astype(np.float32), labels.astype(np.int64)
    return ProbeData("digits", 10, _images(features[::2], labels[::2]), _images(features[1::2], labels[1::2]))


def cifar10(data: Path, cache: Path, feature: Feature = FEATURE) -> ProbeData:
    """Return what the small CLIP of the development data gives before or after its projection, stored or embedded."""
    dataset = HuggingFace(path=str(data / "cifar10"))
    settings = EncodeSettings("cpu", workers=default_workers("cpu"))
    source = find_model(f"open_clip:local-dir:{data / 'models' / 'cifar-clip'}")
    model = OpenedModel(source, Store(cache), "float32", settings)
    return ProbeData("cifar10", len(dataset.classes), *(_embedded(model, dataset, name, feature) for name in SPLITS))


def synthetic(images: int, width: int, classes: int) -> ProbeData:
    """Draw features around class means: few directions hold most of the variance, as with image towers.

    Of the means less lies in the weaker directions than of what surrounds them. They are as far apart as leaves a
    good part of the images, but not all, to be told. The test split has a fifth of the images on top, at most 50,000.
    """
    generator = torch.Generator().manual_seed(0)
    axes = 1 + torch.arange(width, dtype=torch.float32)
    spread = 2 * float(np.log(classes) / axes.reciprocal().sum()) ** 0.5
    means = 1.5 / width**0.5 + spread * torch.randn(classes, width, generator=generator) * axes**-1.25

    def draw(count: int) -> ImageSet:
        labels = torch.randint(classes, (count,), generator=generator)
        features = torch.empty(count, width)
        for start in range(0, count, _ROWS):
            rows = features[start : start + _ROWS]
            torch.randn(rows.shape, generator=generator, out=rows)
            rows.mul_(axes**-0.75).add_(means[labels[start : start + _ROWS]])
        return _images(features.numpy(), labels.numpy())

    return ProbeData(f"{classes:,} classes drawn", classes, draw(images), draw(min(images // 5, 50_000)))


def _embedded(model: OpenedModel, dataset: HuggingFace, name: str, feature: Feature) -> ImageSet:
    split = dataset.split(name)
    reader = SplitReader(model.store, model.fingerprint)
    _, index = reader.find(split)
    if index is None or reader.missing(index):
        print(f"embedding CIFAR-10's {name} split into {model.store.root}", flush=True)
        index = model.images.embed(split, f"cifar10/{name}")
    images = reader.open(index, (feature,)).images
    return replace(images, features={FEATURE: ArrayFeatures(images.features[feature].load())})


def _images(features: Float32Array, labels: IntArray) -> ImageSet:
    return ImageSet([f"{row:07d}" for row in range(len(labels))], {FEATURE: ArrayFeatures(features)}, labels)


def _drawn(images: ImageSet, limit: int) -> ImageSet:
    features, labels = arrays(images)
    rows = np.sort(np.random.default_rng(0).permutation(len(images))[:limit])
    return _images(features[rows], labels[rows])
