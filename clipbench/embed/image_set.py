"""A stored split as a task sees it: its readable images, row by row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from clipbench.arrays import BoolArray, Float32Array, IntArray
from clipbench.datasets.base import Split
from clipbench.datasets.subset import LimitedSplit, balanced_ids
from clipbench.embed.examples import DataIndex, PartKey, digest_labels
from clipbench.embed.store import Store
from clipbench.fingerprint import SetDigest
from clipbench.tasks.base import Features, ImageSet

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class StoredFeatures:
    """Features read from the store part by part."""

    store: Store
    model: str
    name: str
    parts: tuple[tuple[PartKey, IntArray], ...]
    """Each part with the rows of its tensors that belong to the set."""
    shape: tuple[int, int]

    def chunks(self, rows: int = 4096) -> Iterator[tuple[int, Float32Array]]:
        """Iterate over (first row, (<= rows, D) array), in order; memory is that of one part and one chunk."""
        first = 0
        for part, chosen in self.parts:
            if not len(chosen):
                continue
            features = self.store.read_part(self.model, part, (self.name,)).features[self.name][chosen]
            for start in range(0, len(features), rows):
                yield first + start, features[start : start + rows]
            first += len(features)

    def load(self) -> Float32Array:
        """Return everything as one array."""
        whole = np.empty(self.shape, np.float32)
        for start, chunk in self.chunks():
            whole[start : start + len(chunk)] = chunk
        return whole


@dataclass(frozen=True)
class StoredSet:
    """A split (or a subset of it) with its embeddings."""

    images: ImageSet
    broken: tuple[tuple[str, str], ...]
    """(id, problem) of every image that could not be read."""


@dataclass(frozen=True)
class SetIdentity:
    """What a split (or a subset of it) is: all that a pedigree needs, without opening it."""

    fingerprint: str
    """Of the ids and bytes of the set's examples, broken ones included."""
    labels: str
    """Digest of labels, captions and ids."""


def identify(index: DataIndex, limit: int | None) -> SetIdentity:
    """Return what a stored split is, or its balanced subset of `limit` examples.

    That it is cut down to some classes follows from this and from which they are.
    """
    if limit is None or limit >= index.rows:
        return SetIdentity(index.fingerprint, index.labels)
    table = index.read(["id", "digest", "label", "labels", "captions"])
    data, labels = SetDigest(), SetDigest()
    for row in table.take(np.flatnonzero(_wanted(table, limit))).to_pylist():
        data.add(row["digest"])
        labels.add(digest_labels(row))
    return SetIdentity(data.hexdigest(), labels.hexdigest())


def is_stored(index: DataIndex, store: Store, model: str, view: str = "") -> bool:
    """Say whether every part of a split is embedded."""
    return all(store.has_part(model, part.seen_through(view)) for part in index.parts)


def find_split(
    split: Split, limit: int | None, store: Store, model: str, view: str = ""
) -> tuple[Split, DataIndex | None]:
    """Return which split to read for a limit, and its index if it was read before.

    If the whole split is embedded (seen through the view), a subset is taken from it and nothing is encoded again.
    """
    whole = store.data.find(split.locator())
    if limit is None or (whole is not None and is_stored(whole, store, model, view)):
        return split, whole
    limited = LimitedSplit(split, limit)
    return limited, store.data.find(limited.locator())


def open_set(
    index: DataIndex,
    store: Store,
    model: str,
    features: Sequence[str],
    *,
    view: str = "",
    limit: int | None = None,
    classes: Mapping[int, int] | None = None,
) -> StoredSet:
    """Open a stored split.

    Args:
        index: of the split.
        store: that holds all of its parts for this model.
        model: the model's folder in the store.
        features: which of 'projected' and 'backbone' to open.
        view: the fingerprint of the view that the images were seen through.
        limit: keep a balanced subset of this many examples.
        classes: keep the examples of these classes (after the limit), whose labels become those given here.
    """
    table = index.read(["id", "label", "labels", "captions", "groups"])
    wanted = _wanted(table, limit)
    if classes is not None:
        wanted &= np.isin(table["label"].to_numpy(), list(classes))
    rows, parts, problems = _readable(index, wanted, store, model, view)
    opened: dict[str, Features] = {}
    for name in features:
        shape = (len(rows), _width(store, model, parts, name))
        opened[name] = StoredFeatures(store, model, name, tuple(parts), shape)
    return StoredSet(
        images=_relabelled(_image_set(table.take(rows), opened, len(problems)), classes),
        broken=tuple((table["id"][row].as_py(), problem) for row, problem in sorted(problems.items())),
    )


def _readable(
    index: DataIndex, wanted: BoolArray, store: Store, model: str, view: str
) -> tuple[IntArray, list[tuple[PartKey, IntArray]], dict[int, str]]:
    """Return the wanted rows whose image could be read, the same by part, and the problems of the others."""
    rows: list[IntArray] = [np.empty(0, np.int64)]
    parts: list[tuple[PartKey, IntArray]] = []
    problems: dict[int, str] = {}
    offset = 0
    for part in index.parts:
        key = part.seen_through(view)
        stored = store.read_part(model, key)
        inside = wanted[offset : offset + part.rows]
        chosen = np.flatnonzero(inside[stored.kept])
        rows.append(offset + stored.kept[chosen])
        parts.append((key, chosen))
        problems.update({offset + at: problem for at, problem in stored.broken.items() if inside[at]})
        offset += part.rows
    return np.concatenate(rows), parts, problems


def _width(store: Store, model: str, parts: Sequence[tuple[PartKey, IntArray]], name: str) -> int:
    for part, chosen in parts:
        if len(chosen):
            return int(store.read_part(model, part, (name,)).features[name].shape[1])
    return 0


def _wanted(table: pa.Table, limit: int | None) -> BoolArray:
    if limit is None or limit >= len(table):
        return np.ones(len(table), dtype=bool)
    ids = table["id"].to_pylist()
    chosen = balanced_ids(zip(ids, table["label"].to_pylist(), strict=True), limit)
    return np.fromiter((example_id in chosen for example_id in ids), bool, len(ids))


def _image_set(table: pa.Table, features: Mapping[str, Features], n_broken: int) -> ImageSet:
    labelled = table["label"].null_count == 0 and len(table) > 0
    captions = [tuple(texts) for texts in table["captions"].to_pylist()]
    label_sets = table["labels"]
    return ImageSet(
        ids=table["id"].to_pylist(),
        features=features,
        labels=table["label"].to_numpy().astype(np.int64) if labelled else None,
        label_sets=None if label_sets.null_count else [tuple(present) for present in label_sets.to_pylist()],
        captions=captions if any(captions) else None,
        groups=_groups(table["groups"].to_pylist()),
        n_broken=n_broken,
    )


def _relabelled(images: ImageSet, classes: Mapping[int, int] | None) -> ImageSet:
    if classes is None or images.labels is None:
        return images
    return replace(images, labels=np.array([classes[int(label)] for label in images.labels], np.int64))


def _groups(documents: Sequence[str]) -> dict[str, list[str]]:
    if not any(documents):
        return {}
    rows = [json.loads(document) if document else {} for document in documents]
    names = sorted({name for row in rows for name in row})
    return {name: [row.get(name, "") for row in rows] for name in names}
