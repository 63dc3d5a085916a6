"""Encoding strings: each once per model, in batches of one length."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from clipbench.arrays import Float32Array
from clipbench.models.base import cutting_is_exact

if TYPE_CHECKING:
    import torch

    from clipbench.embed.texts import TextFiles
    from clipbench.models.base import ImageTextModel, Tokens


BATCH = 64
LENGTH_STEP = 4
"""Batches are as long as their longest text, rounded up to this: fixed shapes, whatever else is encoded."""
FILE_ROWS = 2048
"""Strings in one file of the store: what a crash can lose."""


class TextEncoder:
    """Encodes strings with one model; loads the model only when a string has to be encoded."""

    def __init__(self, load: Callable[[], ImageTextModel], files: TextFiles) -> None:
        self.load = load
        self.files = files
        self.encoded = 0
        self.seconds = 0.0
        self._cut: bool | None = None

    def embed(self, strings: Sequence[str], progress: Callable[[int], None] = lambda done: None) -> None:
        """Make sure that all strings are embedded.

        Args:
            strings: any number; repeated ones are encoded once.
            progress: called with the number of strings done since the last call, stored ones included.
        """
        missing = self.files.missing(strings)
        progress(len(strings) - len(missing))
        if not missing:
            return
        model = self.load()
        if self._cut is None:
            self._cut = model.text_length == "cut" and cutting_is_exact(model)
        started = time.perf_counter()
        for start in range(0, len(missing), FILE_ROWS):
            chunk = missing[start : start + FILE_ROWS]
            tokens = model.tokenize(chunk)
            embeddings = encode_tokens(model, tokens, cut=self._cut, progress=progress)
            self.files.add(chunk, embeddings, tokens.truncated)
        self.encoded += len(missing)
        self.seconds += time.perf_counter() - started


def encode_tokens(
    model: ImageTextModel, tokens: Tokens, *, cut: bool, progress: Callable[[int], None] = lambda done: None
) -> Float32Array:
    """Encode tokenised texts into (T, D) float32, not normalised.

    Texts are sorted by length; a batch is cut to its longest text where `cut`, and short batches are
    filled up, so that a text's embedding does not depend on what it is encoded with.
    """
    import torch

    embeddings: Float32Array | None = None
    for rows, length in _buckets(tokens, cut):
        filled = torch.cat([rows, rows[:1].expand(BATCH - len(rows))])
        encoded = model.encode_tokens(tokens.ids[filled, :length])[: len(rows)].float().cpu().numpy()
        if embeddings is None:
            embeddings = np.empty((len(tokens.ids), encoded.shape[1]), np.float32)
        embeddings[rows.numpy()] = encoded
        progress(len(rows))
    return np.empty((0, 0), np.float32) if embeddings is None else embeddings


def _buckets(tokens: Tokens, cut: bool) -> Iterator[tuple[torch.Tensor, int]]:
    """Yield the rows of each batch and the length that it is cut to."""
    context = tokens.ids.shape[1]
    if not cut:
        lengths = tokens.lengths.new_full((len(tokens.ids),), context)
    else:
        lengths = ((tokens.lengths + LENGTH_STEP - 1) // LENGTH_STEP * LENGTH_STEP).clamp(max=context)
    for length in sorted(set(lengths.tolist())):
        for rows in (lengths == length).nonzero().flatten().split(BATCH):
            yield rows, int(length)
