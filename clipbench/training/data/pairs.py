"""Image-text pairs of data sets: streamed, shuffled, each once an epoch, in an order that the seed alone decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from clipbench.datasets.base import Example
from clipbench.datasets.decoding import BrokenImage, decode
from clipbench.errors import UserError
from clipbench.training.data.base import Batch
from clipbench.training.data.lanes import Lane, lane_count, shares
from clipbench.training.data.sources import Block, Source, open_sources, trained_on
from clipbench.training.recipe import Crop, LoadedRecipe

if TYPE_CHECKING:
    from pathlib import Path

    import PIL.Image

PREFETCH: Final = 4
PREFETCHED: Final = 4096
"""Batches, and pairs, that workers are ahead; one batch if that is more pairs."""


@dataclass(frozen=True)
class LoadingOptions:
    """How this process loads its part of the data; nothing of it changes what is trained on."""

    workers: int = 0
    rank: int = 0
    ranks: int = 1
    pinned: bool = False
    data_root: Path | None = None


class PairData:
    """The pairs of a recipe's sources, from lanes that the data and the batch decide.

    A process reads the lanes that its part of the batch is taken from, and each of its workers those of its part; it
    decodes nothing else. So the batches are the same ones whatever the number of processes and workers.
    """

    def __init__(self, loaded: LoadedRecipe, transform: CropTransform, options: LoadingOptions) -> None:
        self._loaded, self._transform, self._options = loaded, transform, options
        self._sources = open_sources(loaded, options.data_root)
        self.sizes: Sequence[tuple[str, int | None]] = [
            (source.dataset.info.name, source.split.count) for source in self._sources
        ]
        counts = [number for _, number in self.sizes if number is not None]
        self.examples = sum(counts) if len(counts) == len(self.sizes) else None

    def batches(self, first: int) -> Iterator[Batch]:
        """Yield this process's batches from step `first` on; what was seen before is not decoded.

        Raises:
            UserError: there is no example, or none of a whole batch can be used.
        """
        stream = PairStream(self._loaded, self._transform, self._options, self._sources, first)
        workers = len(stream.shares) if self._options.workers else 0
        loader: DataLoader[_Part | _Failure] = DataLoader(
            stream,
            batch_size=None,
            num_workers=workers,
            prefetch_factor=max(1, min(PREFETCH, PREFETCHED // len(stream.part))) if workers else None,
            # Torch's own random numbers stay as they are, which a training that goes on depends on.
            generator=torch.Generator(),
        )
        batches = self._batches(iter(loader), len(stream.shares))
        return _ahead(batches) if workers else batches

    def _batches(self, parts: Iterator[_Part | _Failure], workers: int) -> Iterator[Batch]:
        """Put the parts of each step together, of as many workers in turn."""
        while True:
            step: list[_Part] = []
            for part in islice(parts, workers):
                if isinstance(part, _Failure):
                    raise UserError(part.problem, where=part.where, fix=part.fix)
                step.append(part)
            batch = _joined(step, self._transform)
            yield replace(batch, pixels=batch.pixels.pin_memory()) if self._options.pinned else batch

    def about(self) -> Mapping[str, Any]:
        """Return what a model declares that was trained on these data, and of each source what tells it elsewhere."""
        try:
            told = [source.about() for source in self._sources]
        except Exception:  # noqa: BLE001 - a model whose training has ended is written whatever its data have become
            told = []
        return {"trained_on": trained_on(self._sources), "sources": told}


@dataclass(frozen=True)
class CropTransform:
    """Cuts a random square out of an image and scales it to the model's side."""

    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop: Crop
    squash: bool = False
    """A part of the image's own shape is pressed into the square, instead of a square cut out."""

    def square(self, image: PIL.Image.Image, random: np.random.Generator) -> Tensor:
        """Return (S, S, 3) uint8: a square of at least `smallest` of the shorter side, anywhere in the image.

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
        return torch.from_numpy(np.array(square))

    def pixels(self, squares: Tensor) -> Tensor:
        """Normalise (n, S, S, 3) uint8 squares, all at once; return (n, 3, S, S) float32, channels last in memory."""
        mean, std = (torch.tensor(of_channels)[:, None, None] for of_channels in (self.mean, self.std))
        # In place: a large batch is copied once.
        return squares.movedim(-1, 1).float().div_(255).sub_(mean).div_(std)


@dataclass(frozen=True)
class _Part:
    """What one worker has made of its part of a step."""

    squares: Tensor
    """(n, S, S, 3) uint8, a quarter of the pixels' bytes on the way between processes; 0 where one cannot be used."""
    captions: list[str]
    classes: list[int]
    problems: list[str]
    """Why each cannot be used; '' where it can."""


@dataclass(frozen=True)
class _Failure:
    """A user's error, on its way out of a worker."""

    problem: str
    where: str | None
    fix: str | None


class PairStream(IterableDataset[_Part | _Failure]):
    """One process's parts of all steps, as its workers make them; a worker that is not forked opens the data anew."""

    def __init__(
        self,
        loaded: LoadedRecipe,
        transform: CropTransform,
        options: LoadingOptions,
        sources: Sequence[Source],
        first: int,
    ) -> None:
        self._loaded, self._transform, self._options, self._first = loaded, transform, options, first
        batch = loaded.recipe.schedule.batch
        size = batch // options.ranks
        self.part = range(options.rank * size, (options.rank + 1) * size)
        """Of the batch, this process's."""
        self._lanes = lane_count(batch, sum(source.most_blocks() for source in sources))
        self._lane_share = batch // self._lanes
        self.shares = shares(self.part, options.workers, self._lane_share)
        """Of the batch, each worker's."""
        self._blocks: Sequence[Block] | None = self._cut(sources)

    def __iter__(self) -> Iterator[_Part | _Failure]:
        worker = get_worker_info()
        try:
            yield from self._parts(self.shares[worker.id if worker else 0])
        except UserError as error:
            yield _Failure(error.problem, error.where, error.fix)

    def __getstate__(self) -> Mapping[str, Any]:
        return {**self.__dict__, "_blocks": None}

    def _cut(self, sources: Sequence[Source]) -> Sequence[Block]:
        return [block for source in sources for block in source.blocks(self._lanes)]

    def _parts(self, share: range) -> Iterator[_Part]:
        blocks = self._blocks or self._cut(open_sources(self._loaded, self._options.data_root))
        size, seen = self._lane_share, self._first * self._lane_share
        numbers = range(share.start // size, (share.stop - 1) // size + 1)
        lanes = [
            (number, Lane(number, self._lanes, blocks, self._loaded.recipe.seed).examples(seen)) for number in numbers
        ]
        while True:
            found = [
                self._pair((number, seen + turn), *example)
                for number, examples in lanes
                for turn, example in enumerate(islice(examples, size))
                if number * size + turn in share
            ]
            seen += size
            none = torch.zeros(self._transform.side, self._transform.side, 3, dtype=torch.uint8)
            squares, captions, classes, problems = zip(*found, strict=True)
            stacked = torch.stack([none if square is None else square for square in squares])
            yield _Part(stacked, list(captions), list(classes), list(problems))

    def _pair(self, place: tuple[int, int], block: Block, example: Example) -> tuple[Tensor | None, str, int, str]:
        """Return a square, text, class and what is wrong; `place` is the lane and how many of it came before."""
        random = np.random.default_rng((self._loaded.recipe.seed, *place))
        told = block.source.pair(example, random)
        if told is None:
            return None, "", -1, f"image {example.id!r} has neither caption nor class"
        try:
            if example.problem:
                raise BrokenImage(example.problem)
            image = decode(example.image, block.source.split.decoding)
        except BrokenImage as broken:
            return None, *told, f"image {example.id!r}: {broken}"
        return self._transform.square(image, random), *told, ""


def _joined(parts: Sequence[_Part], transform: CropTransform) -> Batch:
    """Return a batch; in the place of an example that cannot be used stands the next one, so that sizes stay."""
    problems = [problem for part in parts for problem in part.problems]
    captions = [caption for part in parts for caption in part.captions]
    classes = torch.tensor([label for part in parts for label in part.classes])
    if all(problems):
        fix = f"look at the data set's images and captions; {problems[0]}"
        raise UserError("no example of a whole batch can be used", where="data", fix=fix)
    pixels = transform.pixels(torch.cat([part.squares for part in parts]))
    for place in (place for place, problem in enumerate(problems) if problem):
        after = (later % len(problems) for later in range(place + 1, place + len(problems)))
        other = next(later for later in after if not problems[later])
        pixels[place], captions[place], classes[place] = pixels[other], captions[other], classes[other]
    return Batch(pixels, captions, classes, sum(map(bool, problems)))


def _ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Put the next batch together, which copies all its pixels, while the one before is trained on."""
    with ThreadPoolExecutor(1, "batches") as thread:
        coming = thread.submit(next, batches)
        while True:
            batch = coming.result()
            coming = thread.submit(next, batches)
            yield batch
