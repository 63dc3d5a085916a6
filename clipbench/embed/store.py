"""The store of embeddings: addressed by content, shared between processes, never half-written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clipbench.arrays import Float32Array, IntArray
from clipbench.embed.examples import ExampleTables, PartKey
from clipbench.embed.notes import discard, read_note, write_note
from clipbench.embed.texts import TextFiles
from clipbench.errors import Damaged
from clipbench.files import check_tensors, read_tensors, write_tensors
from clipbench.fingerprint import digest
from clipbench.models.base import ModelInfo, ModelPedigree

NAME_FILE = "model.json"


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
    processes may share the folder: at worst two of them compute the same part. Every file holds a checksum of its
    content; one that is damaged is told of, removed and made again.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = ExampleTables(root)

    def part_path(self, model: str, part: PartKey) -> Path:
        """Return where the embeddings of a part are or will be."""
        return self.root / "embeddings" / model / f"{part.digest}.safetensors"

    def has_part(self, model: str, part: PartKey) -> bool:
        """Say whether a part is stored, without reading it."""
        return self.part_path(model, part).exists()

    def find_part(self, model: str, part: PartKey) -> StoredPart | None:
        """Return a part without its features; None if it is not stored, or was damaged and is gone now."""
        try:
            return self.read_part(model, part) if self.has_part(model, part) else None
        except Damaged as damage:
            discard(damage)
            return None

    def write_part(self, model: str, part: PartKey, stored: StoredPart) -> None:
        """Store a part; one that another process stored meanwhile is replaced by the same content."""
        tensors: dict[str, Any] = {"kept": stored.kept, **stored.features}
        metadata = {"batch_size": str(stored.batch_size), "broken": json.dumps(stored.broken)}
        write_tensors(self.part_path(model, part), tensors, metadata)

    def read_part(self, model: str, part: PartKey, features: Sequence[str] = ()) -> StoredPart:
        """Read a part with the features named.

        Raises:
            Damaged: the file is not as it was written.
        """
        path = self.part_path(model, part)
        check_tensors(path)
        tensors, metadata = read_tensors(path, ("kept", *features))
        try:
            broken = {int(row): problem for row, problem in json.loads(metadata["broken"]).items()}
            stored = StoredPart(tensors.pop("kept"), tensors, broken, int(metadata["batch_size"]))
        except (KeyError, ValueError) as error:
            raise Damaged(path, f"its metadata lack {error}") from error
        if len(stored.kept) + len(broken) != part.rows:
            raise Damaged(path, f"it is of {len(stored.kept) + len(broken)} images, not of {part.rows}")
        return stored

    def texts(self, model: str) -> TextFiles:
        """Return the strings that a model has embedded."""
        return TextFiles(self.root / "texts" / model)

    def find_model(self, locator: str | None) -> ModelInfo | None:
        """Return what a model with this locator said of itself when it was last loaded."""
        document = read_note(self._model_path(locator)) if locator is not None else None
        if document is None:
            return None
        for name in ("features", "trained_on"):
            document[name] = None if document[name] is None else tuple(document[name])
        return ModelInfo(**{**document, "pedigree": ModelPedigree(**document["pedigree"])})

    def write_model(self, locator: str | None, info: ModelInfo) -> None:
        """Remember what a loaded model says of itself."""
        if locator is not None:
            write_note(self._model_path(locator), asdict(info))

    def write_name(self, info: ModelInfo) -> None:
        """Put a model's name beside its embeddings, for those who list them."""
        path = self.root / "embeddings" / info.pedigree.fingerprint() / NAME_FILE
        if read_note(path) is None:
            write_note(path, {"model": info.name, **asdict(info.pedigree)})

    def _model_path(self, locator: str) -> Path:
        return self.root / "models" / f"{digest(locator)}.json"

    def measured(self, model: str, name: str) -> dict[str, Any]:
        """Return what was measured of a model, e.g. its 'widths' or 'rate-cpu-64'; empty if nothing was."""
        return read_note(self.root / "embeddings" / model / f"{name}.json") or {}

    def keep_measured(self, model: str, name: str, measured: Mapping[str, Any]) -> None:
        """Remember what was measured of a model, beside or instead of what was measured before."""
        write_note(self.root / "embeddings" / model / f"{name}.json", {**self.measured(model, name), **measured})
