"""Strings that a model has embedded, each once, and their encoding in batches of one length."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clipbench.arrays import Float32Array
from clipbench.embed.device import encode_within_memory
from clipbench.embed.notes import discard
from clipbench.errors import Damaged
from clipbench.files import check_tensors, read_tensors, write_tensors
from clipbench.models.base import cutting_is_exact

if TYPE_CHECKING:
    import torch

    from clipbench.models.base import ImageTextModel, Tokens

BATCH = 64
LENGTH_STEP = 4
"""Batches are as long as their longest text, rounded up to this: fixed shapes, whatever else is encoded."""
FILE_ROWS = 2048
"""Strings in one file of the store: what a crash can lose."""


@dataclass(frozen=True)
class _Place:
    file: Path
    row: int
    truncated: bool


class TextFiles:
    """The embedded strings of one model, found by their digest, in files that are only ever added."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._places: dict[bytes, _Place] = {}
        self._known: set[Path] = set()
        self._refresh()

    def _refresh(self) -> None:
        for path in sorted({*self.folder.glob("*.safetensors")} - self._known):
            try:
                stored, _ = read_tensors(path, ("keys", "truncated"))
            except Damaged as damage:
                discard(damage)
                continue
            for row, (key, cut) in enumerate(zip(stored["keys"], stored["truncated"], strict=True)):
                self._places.setdefault(key.tobytes(), _Place(path, row, bool(cut)))
            self._known.add(path)

    def missing(self, strings: Sequence[str]) -> list[str]:
        """Return the strings that no process has embedded yet, each once, in order."""
        self._refresh()
        return [string for string in dict.fromkeys(strings) if _key(string) not in self._places]

    def drop_damaged(self, strings: Sequence[str]) -> None:
        """Check the files that hold some strings; those in damaged ones are missing from then on."""
        self._refresh()
        for file in {place.file for place in map(self._places.get, map(_key, strings)) if place is not None}:
            try:
                check_tensors(file)
            except Damaged as damage:
                discard(damage)
                self._known.discard(file)
                self._places = {key: place for key, place in self._places.items() if place.file != file}

    def add(self, strings: Sequence[str], embeddings: Float32Array, truncated: Sequence[bool]) -> None:
        """Store the embeddings of some strings: (T, D) float32, and which were cut by the tokenizer."""
        keys = np.stack([np.frombuffer(_key(string), np.uint8) for string in strings])
        tensors: dict[str, Any] = {"keys": keys, "embeddings": embeddings, "truncated": np.asarray(truncated, np.uint8)}
        name = hashlib.sha256(keys.tobytes()).hexdigest()
        write_tensors(self.folder / f"{name}.safetensors", tensors)
        self._refresh()

    def get(self, strings: Sequence[str]) -> Float32Array:
        """Return (T, D) float32 embeddings, in the order of the strings.

        Raises:
            KeyError: a string is not embedded.
            Damaged: a file is not as it was written.
        """
        places = [self._places[_key(string)] for string in strings]
        embeddings = np.empty((0, 0), np.float32)
        for file in dict.fromkeys(place.file for place in places):
            check_tensors(file)
            stored = read_tensors(file, ("embeddings",))[0]["embeddings"]
            if not len(embeddings):
                embeddings = np.empty((len(places), stored.shape[1]), np.float32)
            rows = [row for row, place in enumerate(places) if place.file == file]
            embeddings[rows] = stored[[places[row].row for row in rows]]
        return embeddings

    def truncated(self, strings: Sequence[str]) -> list[str]:
        """Return those of the strings that the tokenizer cut."""
        return [string for string in dict.fromkeys(strings) if self._places[_key(string)].truncated]


def _key(string: str) -> bytes:
    return hashlib.sha256(string.encode()).digest()


class TextEncoder:
    """Encodes strings with one model; loads the model only when a string has to be encoded."""

    def __init__(self, load: Callable[[], ImageTextModel], files: TextFiles) -> None:
        self.load = load
        self.files = files
        self.encoded = 0
        self.seconds = 0.0
        self._cut: bool | None = None

    def embed(self, strings: Sequence[str], progress: Callable[[int], None] = lambda done: None) -> None:
        """Make sure that all strings are embedded, repeated ones once.

        `progress` is called with the number of strings done since the last call, stored ones included.
        """
        self.files.drop_damaged(strings)
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
    """Encode tokenised texts, at least one, into (T, D) float32, not normalised.

    Texts are sorted by length; a batch is cut to its longest text where `cut`, and short batches are
    filled up, so that a text's embedding does not depend on what it is encoded with.
    """
    import torch

    embeddings, batch = np.empty((0, 0), np.float32), BATCH
    for rows, length in _buckets(tokens, cut):
        filled = torch.cat([rows, rows[:1].expand(BATCH - len(rows))])
        chunks, batch = encode_within_memory(
            lambda ids: model.encode_tokens(ids).float().cpu(), tokens.ids[filled, :length], batch
        )
        encoded = torch.cat(chunks)[: len(rows)].numpy()
        if not len(embeddings):
            embeddings = np.empty((len(tokens.ids), encoded.shape[1]), np.float32)
        embeddings[rows.numpy()] = encoded
        progress(len(rows))
    return embeddings


def _buckets(tokens: Tokens, cut: bool) -> Iterator[tuple[torch.Tensor, int]]:
    """Yield the rows of each batch and the length that it is cut to."""
    context = tokens.ids.shape[1]
    if cut:
        lengths = ((tokens.lengths + LENGTH_STEP - 1) // LENGTH_STEP * LENGTH_STEP).clamp(max=context)
    else:
        lengths = tokens.lengths.new_full((len(tokens.ids),), context)
    for length in sorted(set(lengths.tolist())):
        for rows in (lengths == length).nonzero().flatten().split(BATCH):
            yield rows, int(length)
