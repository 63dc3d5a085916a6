"""The store of embeddings: addressed by content, shared between processes, never half-written."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clipbench.arrays import Float32Array, IntArray
from clipbench.embed.examples import ExampleTables, PartKey
from clipbench.embed.texts import TextFiles
from clipbench.errors import UserError
from clipbench.files import read_json, write_atomically
from clipbench.fingerprint import digest
from clipbench.models.base import ModelInfo, ModelPedigree


def default_cache() -> Path:
    """Return the cache folder: CLIPBENCH_CACHE, else `clipbench` in this user's cache folder."""
    named = os.environ.get("CLIPBENCH_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "clipbench"


@dataclass(frozen=True)
class StoredPart:
    """The embeddings of one part."""

    kept: IntArray
    """(k,) positions within the part of the images that could be read, ascending."""
    features: Mapping[str, Float32Array]
    """'projected', 'backbone': (k, D) float32, not normalised."""
    broken: Mapping[int, str]
    """Position within the part -> what is wrong with the image."""
    batch_size: int
    """That it was encoded with."""


class Store:
    """The cache folder.

    embeddings/MODEL/PART.safetensors   embeddings of one part, named by the digest of its content
    texts/MODEL/*.safetensors           strings already embedded
    data/KEY.parquet                    what was read of a split: ids, labels, captions, groups; no images
    locators/KEY.json                   from a split's cheap key to its file below data/
    models/KEY.json                     from a model's cheap key to its fingerprint

    Every file is written whole by rename, and its name is a digest of what is in it, so any number of
    processes may share the folder: at worst two of them compute the same part.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = ExampleTables(root)

    def part_path(self, model: str, part: PartKey) -> Path:
        """Return where the embeddings of a part are or will be."""
        return self.root / "embeddings" / model / f"{part.digest}.safetensors"

    def has_part(self, model: str, part: PartKey) -> bool:
        """Say whether a part is stored."""
        return self.part_path(model, part).exists()

    def write_part(self, model: str, part: PartKey, stored: StoredPart) -> None:
        """Store a part; one that another process stored meanwhile is replaced by the same content."""
        from safetensors.numpy import save

        tensors: dict[str, Any] = {"kept": stored.kept, **stored.features}
        metadata = {"batch_size": str(stored.batch_size), "broken": json.dumps(stored.broken)}
        write_atomically(self.part_path(model, part), save(tensors, metadata))

    def read_part(self, model: str, part: PartKey, features: Sequence[str] = ()) -> StoredPart:
        """Read a part with the features named.

        Raises:
            UserError: the file is damaged.
        """
        from safetensors import SafetensorError, safe_open

        path = self.part_path(model, part)
        try:
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata()
                return StoredPart(
                    kept=file.get_tensor("kept"),
                    features={name: file.get_tensor(name) for name in features},
                    broken={int(at): problem for at, problem in json.loads(metadata["broken"]).items()},
                    batch_size=int(metadata["batch_size"]),
                )
        except (SafetensorError, OSError, KeyError, TypeError) as error:
            raise UserError(f"damaged embeddings ({error})", where=str(path), fix="delete it and run again") from error

    def texts(self, model: str) -> TextFiles:
        """Return the strings that a model has embedded."""
        return TextFiles(self.root / "texts" / model)

    def find_model(self, locator: str | None) -> ModelInfo | None:
        """Return what a model with this locator said of itself when it was last loaded."""
        path = self._model_path(locator)
        if path is None or not path.exists():
            return None
        document = read_json(path)
        for name in ("features", "trained_on"):
            document[name] = None if document[name] is None else tuple(document[name])
        return ModelInfo(**{**document, "pedigree": ModelPedigree(**document["pedigree"])})

    def write_model(self, locator: str | None, info: ModelInfo) -> None:
        """Remember what a loaded model says of itself."""
        path = self._model_path(locator)
        if path is not None:
            write_atomically(path, json.dumps(asdict(info), indent=1).encode())
        named = self._folder(info.pedigree.fingerprint()) / "model.json"
        if not named.exists():
            write_atomically(named, json.dumps({"model": info.name, **asdict(info.pedigree)}, indent=1).encode())

    def _folder(self, model: str) -> Path:
        return self.root / "embeddings" / model

    def _model_path(self, locator: str | None) -> Path | None:
        return None if locator is None else self.root / "models" / f"{digest(locator)}.json"

    def rates(self, model: str, device: str) -> Mapping[str, float]:
        """Return the rates last measured on a device: 'images' and 'texts' a second; empty if none were."""
        path = self._folder(model) / f"rate-{device.partition(':')[0]}.json"
        return read_json(path) if path.exists() else {}

    def write_rates(self, model: str, device: str, rates: Mapping[str, float]) -> None:
        """Remember measured rates, for the plan of later runs."""
        path = self._folder(model) / f"rate-{device.partition(':')[0]}.json"
        write_atomically(path, json.dumps({**self.rates(model, device), **rates}).encode())

    def widths(self, model: str) -> Mapping[str, int]:
        """Return the width of each of a model's features; empty if it was never asked."""
        path = self._folder(model) / "widths.json"
        return read_json(path) if path.exists() else {}

    def write_widths(self, model: str, widths: Mapping[str, int]) -> None:
        """Remember the widths of a model's features."""
        write_atomically(self._folder(model) / "widths.json", json.dumps(dict(widths)).encode())
