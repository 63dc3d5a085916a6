"""What was read of a split: its examples without their images, and the parts it is embedded in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clipbench.datasets.base import Example
from clipbench.datasets.decoding import NO_TRAITS, USUAL, Decoding, Traits, traits_of
from clipbench.embed.notes import discard, read_note, write_note
from clipbench.errors import Damaged, UserError
from clipbench.files import StatKey, cannot_read, stat_key, write_atomically
from clipbench.fingerprint import SetDigest, digest, digest_example, digest_file

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
        ("content", pa.int64()),
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
    """Parquet, a row an example, in order: id, digest, label, labels, captions, groups (JSON), content, traits.

    `content` are 8 bytes of the image's own digest, by which equal images are found whatever their ids; tables of
    earlier versions lack it.
    """
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
        """Read columns of the table; one that tables of earlier versions lack is left out where it is not there.

        Raises:
            Damaged: it is gone.
        """
        try:
            there = set(pq.read_schema(self.table).names)
            return pq.read_table(self.table, columns=[name for name in columns if name in there])
        except OSError as error:
            raise cannot_read(self.table, error) from error


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
        self.folder = root / "data"
        self.locators = root / "locators"

    def find(self, locator: str | None, decoding: Decoding = USUAL) -> DataIndex | None:
        """Return what is known of the split with this locator and decoding, or None if it has to be read."""
        note = None if locator is None else read_note(self._locator_path(locator))
        index = None if note is None else find_table(self.folder / f"{note.get('table')}.parquet")
        return index and replace(index, decoding=decoding)

    def writer(self, label: str) -> TableWriter:
        """Return what takes the table of a split part by part, and writes it at its end."""
        return TableWriter(self.folder, label)

    def remember(self, index: DataIndex, locator: str | None) -> None:
        """Find this index by its locator from now on."""
        if locator is not None:
            write_note(self._locator_path(locator), {"table": index.table.stem})

    def _locator_path(self, locator: str) -> Path:
        return self.locators / f"{digest(locator)}.json"


class TableWriter:
    """Gathers one split's table in memory, which is some hundred bytes an example."""

    def __init__(self, folder: Path, label: str) -> None:
        self.folder = folder
        self.label = label
        self._content = pa.BufferOutputStream()
        self._file = pq.ParquetWriter(self._content, _SCHEMA)
        self._parts: list[PartKey] = []
        self._data = SetDigest()
        self._labels = SetDigest()
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
        self._file.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA))

    def finish(self) -> DataIndex:
        """Write the finished table, named by the digest of its file, and return its index."""
        parts = json.dumps([asdict(part) for part in self._parts])
        fingerprint, labels = self._data.hexdigest(), self._labels.hexdigest()
        self._file.add_key_value_metadata({"fingerprint": fingerprint, "labels": labels, "parts": parts})
        self._file.close()
        content = self._content.getvalue()
        table = self.folder / f"{hashlib.sha256(content).hexdigest()}.parquet"
        index = find_table(table)
        if index is None:
            write_atomically(table, content)
            index = DataIndex(fingerprint, labels, tuple(self._parts), table)
        return index


def _row(example: Example, item: bytes, traits: Traits) -> dict[str, Any]:
    return {
        "id": example.id,
        "digest": item,
        "label": example.label,
        "labels": None if example.labels is None else list(example.labels),
        "captions": list(example.captions),
        "groups": json.dumps(dict(example.groups), sort_keys=True) if example.groups else "",
        "content": int.from_bytes(hashlib.sha256(example.image).digest()[:8], "little", signed=True),
        **{name: bool(count) for name, count in asdict(traits).items()},
    }


def digest_labels(row: Mapping[str, Any]) -> bytes:
    """Return the 32-byte digest of what is known of one example, from a row of the table."""
    return bytes.fromhex(digest([row["id"], row["label"], row["labels"], row["captions"]]))


def find_table(table: Path) -> DataIndex | None:
    """Return the index of a table that is stored; None if it is not, or was damaged and is gone now."""
    try:
        return _open(table, stat_key(table)) if table.exists() else None
    except Damaged as damage:
        discard(damage)
        return None


@lru_cache(maxsize=4096)
def _open(table: Path, key: StatKey) -> DataIndex:
    """Check a table against its name and open it; one that did not change since is not read again."""
    try:
        if digest_file(table) != table.stem:
            raise Damaged(table, "checksum")
        metadata = pq.read_metadata(table).metadata
        parts = tuple(
            PartKey(part["digest"], part["rows"], Traits(**part["traits"])) for part in json.loads(metadata[b"parts"])
        )
        return DataIndex(metadata[b"fingerprint"].decode(), metadata[b"labels"].decode(), parts, table)
    except OSError as error:
        raise cannot_read(table, error) from error
    except (KeyError, TypeError) as error:
        raise Damaged(table, f"{type(error).__name__}: {error}") from error
