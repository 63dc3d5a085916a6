"""What was read of a split: its examples without their images, and the parts it is embedded in."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clipbench.datasets.base import Example
from clipbench.datasets.decoding import NO_TRAITS, USUAL, Decoding, Traits, traits_of
from clipbench.errors import UserError
from clipbench.files import read_json, write_atomically
from clipbench.fingerprint import SetDigest, digest, digest_example

PART_ROWS = 1024
PART_BYTES = 64 << 20
TRAITS = tuple(field.name for field in fields(Traits))
_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("digest", pa.binary(32)),
        ("label", pa.int64()),
        ("labels", pa.list_(pa.int64())),
        ("captions", pa.list_(pa.string())),
        ("groups", pa.string()),
        *((name, pa.bool_()) for name in TRAITS),
    ]
)


@dataclass(frozen=True)
class PartKey:
    """One part of a split: what is encoded and stored as a whole, and lost as a whole in a crash."""

    digest: str
    """Of the ids and encoded bytes of its examples, in order."""
    rows: int
    """Its examples, broken ones included."""
    traits: Traits = NO_TRAITS
    """How many of its images have each."""

    def seen_through(self, view: str, decoding: Decoding = USUAL) -> PartKey:
        """Return the key of the same images decoded so and seen through a view with this fingerprint ('' for none).

        A decoding that concerns none of the images leaves the key as it is.
        """
        difference = decoding.difference(self.traits)
        through = digest([view, difference]) if difference else view
        return replace(self, digest=digest([self.digest, through])) if through else self


@dataclass(frozen=True)
class Part:
    """A part with its images, still encoded."""

    key: PartKey
    examples: tuple[Example, ...]
    digests: tuple[bytes, ...]
    """Of each example's id and encoded bytes."""
    traits: tuple[Traits, ...]
    """Of each image."""


@dataclass(frozen=True)
class DataIndex:
    """A split that has been read: independent of any model."""

    fingerprint: str
    """Of ids and encoded bytes; equal for every copy of the data, whatever its order or layout."""
    labels: str
    """Of ids, labels and captions, likewise."""
    parts: tuple[PartKey, ...]
    table: Path
    """Parquet: id, digest, label, labels, captions, groups (a JSON object), traits; a row an example, in order."""
    decoding: Decoding = USUAL
    """Of the split that it was looked up for."""

    @property
    def rows(self) -> int:
        """Number of examples, broken ones included."""
        return sum(part.rows for part in self.parts)

    @property
    def traits(self) -> Traits:
        """How many of its images have each."""
        return sum_traits(part.traits for part in self.parts)

    def seen_through(self, view: str) -> tuple[PartKey, ...]:
        """Return the keys of its parts, decoded as the split says and seen through a view ('' for none)."""
        return tuple(part.seen_through(view, self.decoding) for part in self.parts)

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Read columns of the table."""
        return pq.read_table(self.table, columns=list(columns))


def cut_into_parts(shards: Iterator[Iterator[Example]]) -> Iterator[Part]:
    """Cut a split into parts of `PART_ROWS` examples, or fewer where a shard ends or images are large.

    The cut depends on the data alone, so a part has the same content, and its batches the same shapes, on
    every run.
    """
    for shard in shards:
        examples: list[Example] = []
        size = 0
        for example in shard:
            examples.append(example)
            size += len(example.image)
            if len(examples) == PART_ROWS or size >= PART_BYTES:
                yield _close(examples)
                examples, size = [], 0
        if examples:
            yield _close(examples)


def _close(examples: Sequence[Example]) -> Part:
    digests = tuple(digest_example(example.id, example.image) for example in examples)
    traits = tuple(traits_of(example.image) for example in examples)
    key = PartKey(digest([item.hex() for item in digests]), len(examples), sum_traits(traits))
    return Part(key, tuple(examples), digests, traits)


def sum_traits(traits: Iterable[Traits]) -> Traits:
    """Return how many images have each trait, of counts for some each."""
    return Traits(*map(sum, zip(*map(astuple, (NO_TRAITS, *traits)), strict=True)))


class ExampleTables:
    """The tables of all splits that were read, in the cache folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, locator: str | None, decoding: Decoding = USUAL) -> DataIndex | None:
        """Return what is known of the split with this locator and decoding, or None if it has to be read."""
        if locator is None or not (path := self._locator_path(locator)).exists():
            return None
        table = self.root / "data" / f"{read_json(path)['data']}.parquet"
        return _open(table, decoding) if table.exists() else None

    @contextmanager
    def writer(self, label: str) -> Iterator[TableWriter]:
        """Write the table of a split part by part; call `finish` at its end. Without it nothing is kept."""
        folder = self.root / "data"
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f".{uuid.uuid4().hex}.part"
        writer = TableWriter(draft, label)
        try:
            yield writer
        finally:
            writer.file.close()
            draft.unlink(missing_ok=True)

    def remember(self, index: DataIndex, locator: str | None) -> None:
        """Find this index by its locator from now on."""
        if locator is not None:
            write_atomically(self._locator_path(locator), json.dumps({"data": index.table.stem}).encode())

    def _locator_path(self, locator: str) -> Path:
        return self.root / "locators" / f"{digest(locator)}.json"


class TableWriter:
    """Writes one split's table; memory is that of one part."""

    def __init__(self, draft: Path, label: str) -> None:
        self.draft = draft
        self.label = label
        self.file = pq.ParquetWriter(draft, _SCHEMA)
        self._parts: list[PartKey] = []
        self._data = SetDigest()
        self._labels = SetDigest()
        self._groups: list[str] = []
        self._seen: set[bytes] = set()

    def add(self, part: Part) -> None:
        """Add a part.

        Raises:
            UserError: an id occurs twice in the split.
        """
        rows = [_row(*example) for example in zip(part.examples, part.digests, part.traits, strict=True)]
        for row in rows:
            short = digest_example(row["id"], b"")[:8]
            if short in self._seen:
                fix = "every example of a split needs an id of its own"
                raise UserError(f"the id {row['id']!r} occurs twice", where=self.label, fix=fix)
            self._seen.add(short)
            self._data.add(row["digest"])
            self._labels.add(digest_labels(row))
        self._parts.append(part.key)
        self._groups.append(digest([row["groups"] for row in rows]))
        self.file.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA))

    def finish(self) -> DataIndex:
        """Put the finished table in its place and return its index."""
        fingerprint, labels = self._data.hexdigest(), self._labels.hexdigest()
        parts = [asdict(part) for part in self._parts]
        metadata = {"fingerprint": fingerprint, "labels": labels, "parts": json.dumps(parts), "label": self.label}
        self.file.add_key_value_metadata(metadata)
        self.file.close()
        place = self.draft.with_name(f"{digest([parts, labels, self._groups])}.parquet")
        self.draft.replace(place)
        return DataIndex(fingerprint, labels, tuple(self._parts), place)


def _row(example: Example, item: bytes, traits: Traits) -> dict[str, Any]:
    return {
        "id": example.id,
        "digest": item,
        "label": example.label,
        "labels": None if example.labels is None else list(example.labels),
        "captions": list(example.captions),
        "groups": json.dumps(dict(example.groups), sort_keys=True) if example.groups else "",
        **{name: bool(count) for name, count in asdict(traits).items()},
    }


def digest_labels(row: Mapping[str, Any]) -> bytes:
    """Return the 32-byte digest of what is known of one example, from a row of the table."""
    return bytes.fromhex(digest([row["id"], row["label"], row["labels"], row["captions"]]))


def _open(table: Path, decoding: Decoding) -> DataIndex | None:
    metadata = pq.read_metadata(table).metadata
    parts = json.loads(metadata[b"parts"])
    if not all("traits" in part for part in parts):
        return None  # Of a version that did not look at the images' headers: the split is read again.
    keys = tuple(PartKey(part["digest"], part["rows"], Traits(**part["traits"])) for part in parts)
    return DataIndex(metadata[b"fingerprint"].decode(), metadata[b"labels"].decode(), keys, table, decoding)
