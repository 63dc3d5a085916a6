"""Encoding a split: each image that is not in the store yet, once, part by part."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from clipbench.arrays import Float32Array
from clipbench.datasets.base import Split, View
from clipbench.embed.device import encode_within_memory
from clipbench.embed.examples import DataIndex, Part, PartKey, cut_into_parts
from clipbench.embed.loader import Batch, Decoder, batches
from clipbench.embed.store import Store, StoredPart
from clipbench.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from clipbench.models.base import ImageModel


_EncodedBatch = tuple[list[int], dict[int, str], dict[str, Float32Array]]
"""Positions of the images that could be read, problems of the others, features."""
CPU_BATCH = 64
ACCELERATOR_BATCH = 256


@dataclass(frozen=True)
class EncodeSettings:
    """How to encode; nothing here changes an embedding by more than rounding."""

    device: str
    batch_size: int | None = None
    """None: by device, and as before when a run is resumed."""
    workers: int = 0

    @property
    def first_batch(self) -> int:
        """The batch size that a run begins with, if it does not resume another."""
        return self.batch_size or (CPU_BATCH if self.device == "cpu" else ACCELERATOR_BATCH)


class ImageEncoder:
    """Encodes splits with one model; loads the model only when an image has to be encoded."""

    def __init__(
        self, load: Callable[[], ImageModel], fingerprint: str, store: Store, settings: EncodeSettings
    ) -> None:
        self.load = load
        self.fingerprint = fingerprint
        self.store = store
        self.settings = settings
        self.batch_size = settings.first_batch
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
        table = self.store.data.writer(label)

        def unseen() -> Iterator[Part]:
            nonlocal locator
            for part in cut_into_parts(iter(shard) for shard in split.shards()):
                table.add(part)
                if any(example.problem for example in part.examples):
                    locator = None  # What could not be read now must be looked for again.
                stored = self.store.find_part(self.fingerprint, part.key.seen_through(through, split.decoding))
                if stored is None:
                    yield part
                else:
                    self._resume(stored)
                    progress(len(part.examples))

        decoder = partial(Decoder, view=view, decoding=split.decoding)
        for key, encoded in self._encode(unseen(), decoder, progress):
            self.store.write_part(self.fingerprint, key.seen_through(through, split.decoding), encoded)
        index = replace(table.finish(), decoding=split.decoding)
        self.store.data.remember(index, locator)
        return index

    def _resume(self, stored: StoredPart) -> None:
        """Take over the batch size of an earlier run, so that its results and this one's are bit-identical."""
        if self.settings.batch_size is None and self.encoded == 0:
            self.batch_size = stored.batch_size

    def _encode(
        self, parts: Iterator[Part], decoder: Callable[..., Decoder], progress: Callable[[int], None]
    ) -> Iterator[tuple[PartKey, StoredPart]]:
        first = next(parts, None)
        if first is None:
            return
        model = self.load()
        started = time.perf_counter()
        done: list[_EncodedBatch] = []
        work, decode = chain([first], parts), decoder(model.transform)
        pinned = self.settings.device.startswith("cuda")
        try:
            for batch in batches(work, decode, self.batch_size, self.settings.workers, pinned=pinned):
                # Without the pixels: those of a part of photographs are up to 2 GB.
                done.append((batch.kept, batch.broken, self._forward(model, batch)))
                count = len(batch.kept) + len(batch.broken)
                self.encoded += count
                progress(count)
                if batch.last:
                    yield batch.key, _join(done, self.batch_size)
                    done = []
        finally:
            self.seconds += time.perf_counter() - started

    def _forward(self, model: ImageModel, batch: Batch) -> dict[str, Float32Array]:
        if batch.pixels is None:
            return {}
        chunks, self.batch_size = encode_within_memory(partial(encode_images, model), batch.pixels, self.batch_size)
        features = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
        for name, array in features.items():
            bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
            if len(bad):
                example = batch.ids[batch.kept[int(bad[0])] - batch.start]
                low = model.info.pedigree.precision != "float32"
                fix = "try --precision float32 (or bfloat16, which has float32's range)"
                fix = fix if low else "check the checkpoint and its preprocessing: float32 is as wide as it gets"
                raise UserError(f"the model's {name} features are not finite", where=f"image {example!r}", fix=fix)
        return features


def encode_images(model: ImageModel, pixels: Tensor) -> dict[str, Float32Array]:
    """Encode (B, 3, H, W) pixels into (B, D) float32 arrays by name, of the features that the model gives."""
    features = model.encode_images(pixels)
    named = {"projected": features.projected, "backbone": features.backbone}
    return {name: value.float().cpu().numpy() for name, value in named.items() if value is not None}


def _join(done: Sequence[_EncodedBatch], batch_size: int) -> StoredPart:
    kept = np.array([at for kept, _, _ in done for at in kept], dtype=np.int64)
    broken = {at: problem for _, broken, _ in done for at, problem in broken.items()}
    names = next((list(features) for _, _, features in done if features), [])
    features = {name: np.concatenate([f[name] for _, _, f in done if f]) for name in names}
    return StoredPart(kept, features, broken, batch_size)
