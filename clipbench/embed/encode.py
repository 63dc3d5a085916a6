"""Encoding a split: each image that is not in the store yet, once, part by part."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from clipbench.arrays import Float32Array
from clipbench.datasets.base import Split, View
from clipbench.embed.examples import DataIndex, Part, PartKey, cut_into_parts
from clipbench.embed.loader import Batch, Decoder, batches
from clipbench.embed.store import Store, StoredPart
from clipbench.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from clipbench.models.base import ImageModel


CPU_BATCH = 64
ACCELERATOR_BATCH = 256


@dataclass(frozen=True)
class EncodeSettings:
    """How to encode; nothing here changes an embedding by more than rounding."""

    device: str
    batch_size: int | None = None
    """None: by device, and as before when a run is resumed."""
    workers: int = 0


class ImageEncoder:
    """Encodes splits with one model; loads the model only when an image has to be encoded."""

    def __init__(
        self, load: Callable[[], ImageModel], fingerprint: str, store: Store, settings: EncodeSettings
    ) -> None:
        self.load = load
        self.fingerprint = fingerprint
        self.store = store
        self.settings = settings
        self.batch_size = settings.batch_size or (CPU_BATCH if settings.device == "cpu" else ACCELERATOR_BATCH)
        self.encoded = 0
        """Images encoded so far; those found in the store do not count."""
        self.seconds = 0.0
        """Spent on them, reading and decoding included."""

    def embed(
        self,
        split: Split,
        label: str,
        *,
        view: View | None = None,
        progress: Callable[[int], None] = lambda done: None,
    ) -> DataIndex:
        """Read a split and make sure that each of its images is embedded, as the view changes it if there is one.

        Args:
            split: what to read.
            label: for messages, e.g. 'cifar10/test'.
            view: a change of the images before the model's own transform.
            progress: called with the number of images done since the last call, stored ones included.

        Raises:
            UserError: an id occurs twice, the view or the model's transform fails, or the model gives features that are
                not finite.
        """
        through = view.fingerprint() if view else ""
        # Taken before reading: what changes meanwhile must make the split be read again.
        locator = split.locator()
        with self.store.data.writer(label) as table:

            def unseen() -> Iterator[Part]:
                nonlocal locator
                for part in cut_into_parts(iter(shard) for shard in split.shards()):
                    table.add(part)
                    if any(example.problem for example in part.examples):
                        locator = None  # What could not be read now must be looked for again.
                    key = part.key.seen_through(through, split.decoding)
                    if self.store.has_part(self.fingerprint, key):
                        self._resume(key)
                        progress(len(part.examples))
                    else:
                        yield part

            decoder = partial(Decoder, view=view, decoding=split.decoding)
            for part, stored in self._encode(unseen(), decoder, progress):
                self.store.write_part(self.fingerprint, part.key.seen_through(through, split.decoding), stored)
            index = replace(table.finish(), decoding=split.decoding)
        self.store.data.remember(index, locator)
        return index

    def _resume(self, stored: PartKey) -> None:
        """Take over the batch size of an earlier run, so that its results and this one's are bit-identical."""
        if self.settings.batch_size is None and self.encoded == 0:
            self.batch_size = self.store.read_part(self.fingerprint, stored).batch_size

    def _encode(
        self, parts: Iterator[Part], decoder: Callable[..., Decoder], progress: Callable[[int], None]
    ) -> Iterator[tuple[Part, StoredPart]]:
        first = next(parts, None)
        if first is None:
            return
        model = self.load()
        started = time.perf_counter()
        done: list[tuple[Batch, dict[str, Float32Array]]] = []
        pinned = self.settings.device.startswith("cuda")
        work, decode = chain([first], parts), decoder(model.transform)
        for batch in batches(work, decode, self.batch_size, self.settings.workers, pinned=pinned):
            done.append((batch, self._forward(model, batch)))
            count = len(batch.kept) + len(batch.broken)
            self.encoded += count
            progress(count)
            if batch.last:
                yield batch.part, _join(done, self.batch_size)
                done = []
        self.seconds += time.perf_counter() - started

    def _forward(self, model: ImageModel, batch: Batch) -> dict[str, Float32Array]:
        if batch.pixels is None:
            return {}
        features = self._with_back_off(model, batch.pixels)
        for name, array in features.items():
            bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
            if len(bad):
                example = batch.part.examples[batch.kept[int(bad[0])]]
                fix = "try --precision float32 (or bfloat16, which has float32's range)"
                raise UserError(f"the model's {name} features are not finite", where=f"image {example.id!r}", fix=fix)
        return features

    def _with_back_off(self, model: ImageModel, pixels: Tensor) -> dict[str, Float32Array]:
        """Encode; where the device's memory does not hold the batch, halve it, for the rest of the run too."""
        import torch

        if len(pixels) <= self.batch_size:
            try:
                return encode_images(model, pixels)
            except torch.OutOfMemoryError as error:
                if len(pixels) == 1:
                    fix = "choose a smaller model, another --device or a lower --precision"
                    raise UserError("not even one image fits in the device's memory", fix=fix) from error
            self.batch_size = len(pixels) // 2
        # The loader's batches keep the first size; after a back-off they are cut to the one that fits.
        chunks = [self._with_back_off(model, chunk) for chunk in torch.split(pixels, self.batch_size)]
        return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def encode_images(model: ImageModel, pixels: Tensor) -> dict[str, Float32Array]:
    """Encode (B, 3, H, W) pixels into (B, D) float32 arrays by name, of the features that the model gives."""
    features = model.encode_images(pixels)
    named = {"projected": features.projected, "backbone": features.backbone}
    return {name: value.float().cpu().numpy() for name, value in named.items() if value is not None}


def _join(done: list[tuple[Batch, dict[str, Float32Array]]], batch_size: int) -> StoredPart:
    kept = np.array([at for batch, _ in done for at in batch.kept], dtype=np.int64)
    broken = {at: problem for batch, _ in done for at, problem in batch.broken.items()}
    names = next((list(features) for _, features in done if features), [])
    features = {name: np.concatenate([f[name] for _, f in done if f]) for name in names}
    return StoredPart(kept, features, broken, batch_size)
