"""The store of embeddings: addressed by content, shared between processes, never half-written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clipbench.arrays import Float32Array, IntArray
from clipbench.embed.examples import ExampleTables, PartKey
from clipbench.embed.texts import TextFiles
from clipbench.files import read_json, read_tensors, write_atomically
from clipbench.fingerprint import digest
from clipbench.models.base import ModelInfo, ModelPedigree


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
        tensors, metadata = read_tensors(self.part_path(model, part), ("kept", *features))
        broken = {int(row): problem for row, problem in json.loads(metadata["broken"]).items()}
        return StoredPart(tensors.pop("kept"), tensors, broken, int(metadata["batch_size"]))

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
        named = self.root / "embeddings" / info.pedigree.fingerprint() / "model.json"
        if not named.exists():
            write_atomically(named, json.dumps({"model": info.name, **asdict(info.pedigree)}, indent=1).encode())

    def _model_path(self, locator: str | None) -> Path | None:
        return None if locator is None else self.root / "models" / f"{digest(locator)}.json"

    def measured(self, model: str, name: str) -> dict[str, Any]:
        """Return what was measured of a model, e.g. its 'widths' or 'rate-cpu'; empty if nothing was."""
        path = self.root / "embeddings" / model / f"{name}.json"
        return read_json(path) if path.exists() else {}

    def keep_measured(self, model: str, name: str, measured: Mapping[str, Any]) -> None:
        """Remember what was measured of a model, beside or instead of what was measured before."""
        path = self.root / "embeddings" / model / f"{name}.json"
        write_atomically(path, json.dumps({**self.measured(model, name), **measured}).encode())
