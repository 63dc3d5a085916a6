"""Embedding with a model that is being trained, in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from clipbench.arrays import Float32Array
from clipbench.datasets.base import Example, Split
from clipbench.embed.device import encode_within_memory
from clipbench.embed.encode import EncodeSettings, encode_images
from clipbench.embed.examples import Part, cut_into_parts
from clipbench.embed.loader import Decoder, batches
from clipbench.embed.texts import BATCH, encode_tokens
from clipbench.errors import UserError
from clipbench.models.base import ImageFeatures, ModelInfo, ModelPedigree, Tokens
from clipbench.tasks.base import ArrayFeatures, ImageSet

if TYPE_CHECKING:
    from clipbench.training.towers.base import Trainable


class TrainedModel:
    """A model that is being trained, as the harness sees models: in float32, without gradients."""

    text_length: Literal["cut", "whole"] = "whole"
    """Its tokenizer gives rows that are as long as they have to be."""

    def __init__(self, model: Trainable, name: str, device: str) -> None:
        self.transform = model.transform
        self._model, self._device = model, device
        self.info = ModelInfo(
            name=name,
            pedigree=ModelPedigree(weights="", transform=""),
            has_text=True,
            logit_scale=float(model.log_scale.detach().exp()),
            logit_bias=0.0 if model.bias is None else float(model.bias.detach()),
        )

    @torch.no_grad()
    def encode_images(self, pixels: Tensor) -> ImageFeatures:
        """Encode (B, 3, S, S) pixels."""
        return ImageFeatures(self._model.image(pixels.to(self._device, non_blocking=True)).float(), None)

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """Tokenise B texts."""
        ids = self._model.tokenize(texts)
        return Tokens(ids, torch.full((len(ids),), ids.shape[1]), (False,) * len(ids))

    @torch.no_grad()
    def encode_tokens(self, ids: Tensor) -> Tensor:
        """Encode (B, L) ids."""
        return self._model.text(ids.to(self._device)).float()


class EmbeddedTexts:
    """Embedded strings."""

    def __init__(self, model: TrainedModel, strings: Sequence[str]) -> None:
        # Texts of about one length together: each batch is cut to its longest.
        ordered = sorted(strings, key=len)
        parts = [ordered[at : at + BATCH] for at in range(0, len(ordered), BATCH)]
        self._vectors = np.concatenate([encode_tokens(model, model.tokenize(part), cut=False) for part in parts])
        self._rows = {string: row for row, string in enumerate(ordered)}

    def __call__(self, strings: Sequence[str]) -> Float32Array:
        """Return (T, D) float32."""
        found: Float32Array = self._vectors[[self._rows[string] for string in strings]]
        return found


def embed_images(model: TrainedModel, split: Split, cluster: str, settings: EncodeSettings) -> ImageSet:
    """Embed a split's images, which come in clusters by a group, '' for none; those that are broken are counted."""
    size = settings.first_batch
    examples: list[Example] = []

    def read() -> Iterator[Part]:
        for part in cut_into_parts(iter(shard) for shard in split.shards()):
            examples.extend(replace(example, image=b"") for example in part.examples)
            yield part

    decoder, pinned = Decoder(model.transform, decoding=split.decoding), settings.device.startswith("cuda")
    features: list[Float32Array] = []
    rows: list[int] = []
    start, fitting = 0, size
    for batch in batches(read(), decoder, size, settings.workers, pinned=pinned):
        if batch.pixels is not None:
            chunks, fitting = encode_within_memory(partial(encode_images, model), batch.pixels, fitting)
            features += [chunk["projected"] for chunk in chunks]
            rows += [start + at for at in batch.kept]
        if batch.last:
            start += batch.key.rows
    if not rows:
        raise UserError("no image can be decoded", fix="look at the data set's images")
    kept = [examples[row] for row in rows]
    return _image_set(kept, np.concatenate(features), len(examples) - len(kept), cluster)


def _image_set(examples: Sequence[Example], features: Float32Array, broken: int, cluster: str) -> ImageSet:
    labels = [example.label for example in examples if example.label is not None]
    label_sets = [example.labels for example in examples if example.labels is not None]
    captions = [example.captions for example in examples]
    return ImageSet(
        ids=[example.id for example in examples],
        features={"projected": ArrayFeatures(features)},
        labels=np.array(labels, np.int64) if len(labels) == len(examples) else None,
        label_sets=label_sets if len(label_sets) == len(examples) else None,
        captions=captions if any(captions) else None,
        n_broken=broken,
        clusters=[example.groups.get(cluster, "") for example in examples] if cluster else None,
    )
