"""Image-text pairs of data sets: streamed, shuffled, each once an epoch, in an order that the seed alone decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor

from clipbench.datasets.base import Dataset, Example, NumberedSplit, Shard, Slice, Split
from clipbench.datasets.catalog import open_dataset
from clipbench.datasets.decoding import BrokenImage, Decoding, decode
from clipbench.errors import UserError
from clipbench.prompts.filling import prompts_for
from clipbench.training.data.base import Batch
from clipbench.training.recipe import Crop, LoadedRecipe, Source

if TYPE_CHECKING:
    from pathlib import Path

    import PIL.Image

BLOCK: Final = 256
"""Consecutive examples that are read together; blocks are shuffled, and their examples among each other."""
WINDOW: Final = 4096
"""Encoded examples from which the next one is drawn: about 40 MB of small photographs, 400 MB of large ones."""
PREFETCH: Final = 4


@dataclass(frozen=True)
class _Opened:
    """A source with its texts."""

    dataset: Dataset
    split: Split
    texts: Sequence[Sequence[str]]
    """Of each class its prompts; empty where examples have captions."""
    first_class: int
    """Classes of a data set are numbered on from those before it."""

    def shards(self) -> Sequence[Shard]:
        if not isinstance(self.split, NumberedSplit):
            return self.split.shards()
        length = self.split.length()
        return [Slice(self.split, range(at, min(at + BLOCK, length))) for at in range(0, length, BLOCK)]

    def pair(self, example: Example, random: np.random.Generator) -> tuple[str, int] | None:
        """Return a text of an example and its class, -1 where captions tell of it; None where it has no text."""
        if example.captions:
            return str(random.choice(list(example.captions))), -1
        labels = example.labels or (() if example.label is None else (example.label,))
        if not self.texts or not labels:
            return None
        label = int(random.choice(labels))
        return str(random.choice(list(self.texts[label]))), self.first_class + label


@dataclass(frozen=True)
class _Sample:
    example: Example
    caption: str
    label: int
    decoding: Decoding
    seed: tuple[int, ...]


class PairData:
    """The pairs of a recipe's sources. Every process reads all and decodes its own, so that the order is one."""

    def __init__(self, loaded: LoadedRecipe, transform: CropTransform, options: LoadingOptions) -> None:
        self._seed, self._batch = loaded.recipe.seed, loaded.recipe.schedule.batch
        self._transform, self._options = transform, options
        self._sources = _open(loaded, options.data_root)
        counts = [source.split.count for source in self._sources]
        self.examples = None if None in counts else sum(number or 0 for number in counts)

    def batches(self, first: int) -> Iterator[Batch]:
        """Yield this process's batches from step `first` on; what was seen before is read, not decoded."""
        from torch.utils.data import DataLoader

        workers = self._options.workers
        loader: Iterable[Batch] = DataLoader(
            self._transform,  # type: ignore[arg-type]
            batch_sampler=self._own(first),
            num_workers=workers,
            prefetch_factor=PREFETCH if workers else None,
            collate_fn=_collate,
            pin_memory=self._options.pinned,
        )
        yield from loader

    def _own(self, first: int) -> Iterator[list[_Sample]]:
        """Yield the samples of this process, step by step."""
        stream, ranks = self._stream(first * self._batch), self._options.ranks
        size = self._batch // ranks
        while True:
            step = [next(stream) for _ in range(self._batch)]
            start = self._options.rank * size
            yield step[start : start + size]

    def _stream(self, seen: int) -> Iterator[_Sample]:
        """Yield the samples of all processes, without the first ones."""
        position = 0
        for epoch in count():
            before = position
            for source, example in self._epoch(epoch):
                seed = (self._seed, epoch, position)
                told = source.pair(example, np.random.default_rng(seed))
                if told is None:
                    continue
                position += 1
                if position > seen:
                    yield _Sample(example, *told, source.split.decoding, seed)
            if position == before:
                raise UserError("no example has a caption or a class", where="data", fix="name other data sets")

    def _epoch(self, epoch: int) -> Iterator[tuple[_Opened, Example]]:
        """Yield each example once: blocks in random order, and within a window examples in random order."""
        random = np.random.default_rng((self._seed, epoch))
        blocks = [(source, shard) for source in self._sources for shard in source.shards()]
        waiting: list[tuple[_Opened, Example]] = []
        for place in random.permutation(len(blocks)).tolist():
            source, shard = blocks[place]
            for example in shard:
                if len(waiting) < WINDOW:
                    waiting.append((source, example))
                    continue
                drawn = int(random.integers(WINDOW))
                yield waiting[drawn]
                waiting[drawn] = (source, example)
        for place in random.permutation(len(waiting)).tolist():
            yield waiting[place]

    def about(self) -> Mapping[str, Any]:
        """Return the names, splits, sizes and locators of what is trained on."""
        return {
            "sources": [
                {
                    "dataset": source.dataset.info.name,
                    "training_names": list(source.dataset.info.training_names),
                    "examples": source.split.count,
                    "locator": source.split.locator(),
                }
                for source in self._sources
            ]
        }


@dataclass(frozen=True)
class LoadingOptions:
    """How this process loads its part of the data; nothing of it changes what is trained on."""

    workers: int = 0
    rank: int = 0
    ranks: int = 1
    pinned: bool = False
    data_root: Path | None = None


@dataclass(frozen=True)
class CropTransform:
    """Cuts a random square out of an image and scales it to the model's side; what a worker does with a sample."""

    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop: Crop
    squash: bool = False
    """A part of the image's own shape is pressed into the square, instead of a square cut out."""

    def __getitem__(self, sample: _Sample) -> tuple[Tensor | None, str, int]:
        """Return the pixels, (3, S, S) float32, or None where the image is broken; its text and class."""
        try:
            if sample.example.problem:
                raise BrokenImage(sample.example.problem)
            image = decode(sample.example.image, sample.decoding)
        except BrokenImage:
            return None, sample.caption, sample.label
        return self.pixels(image, np.random.default_rng((*sample.seed, 1))), sample.caption, sample.label

    def pixels(self, image: PIL.Image.Image, random: np.random.Generator) -> Tensor:
        """Return (3, S, S) float32: a square of at least `smallest` of the shorter side, anywhere in the image.

        With `squash` it is a rectangle of at least that share of both sides.
        """
        import PIL.ImageOps
        from PIL.Image import Resampling

        share = random.uniform(self.crop.smallest, 1)
        width, height = (share * size for size in (image.size if self.squash else [min(image.size)] * 2))
        left, top = (image.width - width) * random.uniform(), (image.height - height) * random.uniform()
        square = image.resize((self.side, self.side), Resampling.BICUBIC, box=(left, top, left + width, top + height))
        if self.crop.flip and random.uniform() < 0.5:
            square = PIL.ImageOps.mirror(square)
        scaled = torch.from_numpy(np.array(square)).movedim(-1, 0).float() / 255
        return (scaled - torch.tensor(self.mean)[:, None, None]) / torch.tensor(self.std)[:, None, None]


def _open(loaded: LoadedRecipe, data_root: Path | None) -> list[_Opened]:
    opened: list[_Opened] = []
    classes = 0
    for source in loaded.recipe.data:
        dataset = open_dataset(loaded.definitions[source.dataset], data_root=data_root)
        texts = _texts(source, dataset)
        opened.append(_Opened(dataset, dataset.split(source.split), texts, classes))
        classes += len(texts)
    return opened


def _texts(source: Source, dataset: Dataset) -> Sequence[Sequence[str]]:
    """Return the prompts of each class; none of a data set of captions."""
    return prompts_for(source.prompts or None, dataset=dataset).strings if dataset.classes else ()


def _collate(items: Sequence[tuple[Tensor | None, str, int]]) -> Batch:
    """Put a batch together; in the place of a broken sample stands another one of the batch, so that sizes stay."""
    whole = [item for item in items if item[0] is not None]
    if not whole:
        raise UserError("no image of a whole batch can be decoded", where="data", fix="look at the data set's images")
    broken = len(items) - len(whole)
    filled = [*whole, *(whole[place % len(whole)] for place in range(broken))]
    pixels = torch.stack([item[0] for item in filled if item[0] is not None])
    return Batch(pixels, [item[1] for item in filled], torch.tensor([item[2] for item in filled]), broken)
