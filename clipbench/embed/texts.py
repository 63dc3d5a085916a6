"""Strings that a model has embedded: each once, found by its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clipbench.arrays import Float32Array
from clipbench.errors import UserError
from clipbench.files import write_atomically


@dataclass(frozen=True)
class _Place:
    file: Path
    row: int
    truncated: bool


class TextFiles:
    """The embedded strings of one model, in files that are only ever added."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._places: dict[bytes, _Place] = {}
        self._known: set[Path] = set()
        self._refresh()

    def _refresh(self) -> None:
        for path in sorted(self.folder.glob("*.safetensors")):
            if path not in self._known:
                keys, truncated = _read(path, "keys"), _read(path, "truncated")
                for row, (key, cut) in enumerate(zip(keys, truncated, strict=True)):
                    self._places.setdefault(key.tobytes(), _Place(path, row, bool(cut)))
                self._known.add(path)

    def missing(self, strings: Sequence[str]) -> list[str]:
        """Return the strings that no process has embedded yet, each once, in order."""
        self._refresh()
        return [string for string in dict.fromkeys(strings) if _key(string) not in self._places]

    def add(self, strings: Sequence[str], embeddings: Float32Array, truncated: Sequence[bool]) -> None:
        """Store the embeddings of some strings: (T, D) float32, and which were cut by the tokenizer."""
        from safetensors.numpy import save

        keys = np.stack([np.frombuffer(_key(string), np.uint8) for string in strings])
        tensors: dict[str, Any] = {"keys": keys, "embeddings": embeddings, "truncated": np.asarray(truncated, np.uint8)}
        name = hashlib.sha256(keys.tobytes()).hexdigest()
        write_atomically(self.folder / f"{name}.safetensors", save(tensors))
        self._refresh()

    def get(self, strings: Sequence[str]) -> Float32Array:
        """Return (T, D) float32 embeddings, in the order of the strings.

        Raises:
            KeyError: a string is not embedded.
        """
        places = [self._places[_key(string)] for string in strings]
        rows_of: dict[Path, list[int]] = {}
        for at, place in enumerate(places):
            rows_of.setdefault(place.file, []).append(at)
        found: Float32Array | None = None
        for file, wanted in rows_of.items():
            stored = _read(file, "embeddings")
            if found is None:
                found = np.empty((len(places), stored.shape[1]), np.float32)
            found[wanted] = stored[[places[at].row for at in wanted]]
        return np.empty((0, 0), np.float32) if found is None else found

    def truncated(self, strings: Sequence[str]) -> list[str]:
        """Return those of the strings that the tokenizer cut."""
        return [string for string in dict.fromkeys(strings) if self._places[_key(string)].truncated]


def _key(string: str) -> bytes:
    return hashlib.sha256(string.encode()).digest()


def _read(path: Path, name: str) -> Float32Array:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            tensor: Float32Array = file.get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise UserError(f"damaged embeddings ({error})", where=str(path), fix="delete it and run again") from error
    return tensor
