"""A stored split as a task sees it: its readable images, row by row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from clipbench.arrays import BoolArray, Float32Array, IntArray
from clipbench.datasets.base import Split
from clipbench.datasets.decoding import Traits
from clipbench.datasets.subset import LimitedSplit, balanced_ids
from clipbench.embed.examples import TRAITS, DataIndex, PartKey, digest_labels
from clipbench.embed.store import Store
from clipbench.errors import Damaged, UserError
from clipbench.fingerprint import SetDigest, digest
from clipbench.tasks.base import Features, ImageSet


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
    notes: tuple[str, ...] = ()
    """How images were decoded for which there is a choice."""
    contents: IntArray | None = None
    """(n,) equal for equal images; None where that is not known."""

    def check_broken(self, max_broken: float, where: str) -> None:
        """Check that there are images, and that enough of them can be read.

        Raises:
            UserError: there are none, or the share of broken ones is above `max_broken`.
        """
        broken, total = len(self.broken), len(self.images) + len(self.broken)
        if total == 0:
            raise UserError("there are no images", where=where, fix="check the data set's path and split")
        if broken <= max_broken * total and len(self.images):
            return
        listed = "; ".join(f"{example_id} ({problem})" for example_id, problem in self.broken[:20])
        more = f"; and {broken - 20} more" if broken > 20 else ""
        problem = f"{broken} of {total} images cannot be read ({max_broken:.1%} are allowed): {listed}{more}"
        raise UserError(problem, where=where, fix="mend or remove them, or raise max_broken in the suite")


@dataclass(frozen=True)
class SetIdentity:
    """What a split (or a subset of it) is: all that a pedigree needs, without opening it."""

    fingerprint: str
    """Of the ids and bytes of the set's examples, broken ones included."""
    labels: str
    """Digest of labels, captions and ids."""
    n: int
    """Number of examples, broken ones included."""
    decoding: str = ""
    """How its images are decoded, as `Decoding.difference` says it; '' where there is no choice for any of them."""
    clusters: str = ""
    """Digest of ids and clusters; '' where images are independent."""


@dataclass(frozen=True)
class SplitReader:
    """Reads splits as one model has embedded them, whole or as a subset, plain or through a view."""

    store: Store
    model: str
    """The model's folder in the store."""
    view: str = ""
    """The fingerprint of the view that the images are seen through; '' for none."""
    limit: int | None = None
    """Keep a balanced subset of this many examples."""
    cluster: str = ""
    """The group by which images come in clusters; '' where they are independent."""

    def find(self, split: Split) -> tuple[Split, DataIndex | None]:
        """Return which split to embed, and its index if it was read before.

        If the whole split is embedded (seen through the view), a subset is taken from it and nothing is encoded again.
        """
        index = self.store.data.find(split.locator(), split.decoding)
        if self.limit is None or (index is not None and not self.missing(index)):
            return split, index
        limited = LimitedSplit(split, self.limit)
        return limited, self.store.data.find(limited.locator(), split.decoding)

    def missing(self, index: DataIndex) -> int:
        """Return how many images of a split are not embedded."""
        return sum(part.rows for part in index.seen_through(self.view) if not self.store.has_part(self.model, part))

    def identify(self, index: DataIndex) -> SetIdentity:
        """Return what a split that was read is, or its subset.

        That it is cut down to some classes follows from this and from which they are.
        """
        clusters = self._digest_clusters(index) if self.cluster else ""
        if self.limit is None or self.limit >= index.rows:
            decoding = index.decoding.difference(index.traits)
            return SetIdentity(index.fingerprint, index.labels, index.rows, decoding, clusters)
        table = index.read(["id", "digest", "label", "labels", "captions", *TRAITS])
        table = table.filter(_chosen(table, self.limit))
        data, labels = SetDigest(), SetDigest()
        for row in table.to_pylist():
            data.add(row["digest"])
            labels.add(digest_labels(row))
        decoding = index.decoding.difference(_traits(table))
        return SetIdentity(data.hexdigest(), labels.hexdigest(), self.limit, decoding, clusters)

    def _digest_clusters(self, index: DataIndex) -> str:
        """Return the digest of the whole split's ids and clusters."""
        table, found = index.read(["id", "groups"]), SetDigest()
        named = _cluster_names(_groups(table["groups"].to_pylist()), self.cluster, table["id"].to_pylist())
        for example_id, name in zip(table["id"].to_pylist(), named, strict=True):
            found.add(bytes.fromhex(digest([example_id, name])))
        return found.hexdigest()

    def open(self, index: DataIndex, features: Sequence[str], classes: Mapping[int, int] | None = None) -> StoredSet:
        """Open a split that is embedded.

        Args:
            index: of the split.
            features: which of 'projected' and 'backbone' to open.
            classes: keep the examples of these classes (after the limit), whose labels become those given here.

        Raises:
            Damaged: parts were not as they were written; they are gone now, so that they can be embedded again.
        """
        table = index.read(["id", "label", "labels", "captions", "groups", "content", *TRAITS])
        chosen = _chosen(table, self.limit)
        if classes is not None:
            chosen &= np.isin(table["label"].to_numpy(), list(classes))
        rows, parts, problems = self._readable(index, chosen)
        opened = {
            name: StoredFeatures(self.store, self.model, name, parts, (len(rows), self._width(parts, name)))
            for name in features
        }
        images = _image_set(table.take(rows), opened, len(problems), self.cluster)
        if classes is not None and images.labels is not None:
            images = replace(images, labels=np.array([classes[int(label)] for label in images.labels], np.int64))
        broken = tuple((table["id"][row].as_py(), problem) for row, problem in sorted(problems.items()))
        contents = table["content"].to_numpy()[rows] if "content" in table.column_names else None
        notes = index.decoding.notes(_traits(table.filter(chosen)), int(chosen.sum()))
        return StoredSet(images, broken, notes, contents)

    def _readable(
        self, index: DataIndex, chosen: BoolArray
    ) -> tuple[IntArray, tuple[tuple[PartKey, IntArray], ...], dict[int, str]]:
        """Return the chosen rows whose image could be read, the same by part, and the problems of the others."""
        rows: list[IntArray] = [np.empty(0, np.int64)]
        parts: list[tuple[PartKey, IntArray]] = []
        problems: dict[int, str] = {}
        offset, lost = 0, None
        for part, key in zip(index.parts, index.seen_through(self.view), strict=True):
            stored = self.store.find_part(self.model, key)
            if stored is None:
                lost = self.store.part_path(self.model, key)
                continue
            inside = chosen[offset : offset + part.rows]
            kept = np.flatnonzero(inside[stored.kept])
            rows.append(offset + stored.kept[kept])
            parts.append((key, kept))
            problems.update({offset + row: problem for row, problem in stored.broken.items() if inside[row]})
            offset += part.rows
        if lost is not None:
            raise Damaged(lost, "it was removed")
        return np.concatenate(rows), tuple(parts), problems

    def _width(self, parts: Sequence[tuple[PartKey, IntArray]], name: str) -> int:
        filled = next((part for part, kept in parts if len(kept)), None)
        return self.store.read_part(self.model, filled, (name,)).features[name].shape[1] if filled else 0


def _traits(table: pa.Table) -> Traits:
    return Traits(*(int(table[name].to_numpy().sum()) for name in TRAITS))


def _chosen(table: pa.Table, limit: int | None) -> BoolArray:
    if limit is None or limit >= len(table):
        return np.ones(len(table), dtype=bool)
    ids = table["id"].to_pylist()
    chosen = balanced_ids(zip(ids, table["label"].to_pylist(), strict=True), limit)
    return np.fromiter((example_id in chosen for example_id in ids), bool, len(ids))


def _image_set(table: pa.Table, features: Mapping[str, Features], n_broken: int, cluster: str) -> ImageSet:
    labelled = table["label"].null_count == 0 and len(table) > 0
    captions = [tuple(texts) for texts in table["captions"].to_pylist()]
    label_sets, groups = table["labels"], _groups(table["groups"].to_pylist())
    clusters = _cluster_names(groups, cluster, table["id"].to_pylist()) if cluster else None
    return ImageSet(
        ids=table["id"].to_pylist(),
        features=features,
        labels=table["label"].to_numpy().astype(np.int64) if labelled else None,
        label_sets=None if label_sets.null_count else [tuple(present) for present in label_sets.to_pylist()],
        captions=captions if any(captions) else None,
        groups={name: values for name, values in groups.items() if name != cluster},
        n_broken=n_broken,
        clusters=clusters,
    )


def _cluster_names(groups: Mapping[str, list[str]], cluster: str, ids: Sequence[str]) -> list[str]:
    """Return each image's cluster; a UserError where there is no such group, or an image has none."""
    if cluster not in groups and ids:
        fix = f"it has {', '.join(groups) or 'none'}; name one of them, or leave `cluster` out"
        raise UserError(f"cluster: images have no group {cluster!r}", where=ids[0], fix=fix)
    lacking = [example_id for example_id, name in zip(ids, groups.get(cluster, ()), strict=True) if not name]
    if lacking:
        problem = f"cluster: images without a {cluster}: {len(lacking):,}, the first {lacking[0]!r}"
        raise UserError(problem, where=lacking[0], fix="give each one; an image on its own is its own cluster")
    return groups.get(cluster, [])


def _groups(documents: Sequence[str]) -> dict[str, list[str]]:
    if not any(documents):
        return {}
    rows = [json.loads(document) if document else {} for document in documents]
    names = sorted({name for row in rows for name in row})
    return {name: [row.get(name, "") for row in rows] for name in names}
