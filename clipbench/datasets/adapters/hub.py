"""Hugging Face data sets: a name on the hub, or a local folder of Parquet or Arrow files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbench.datasets.adapters.hub_tables import Tables, find_folder, open_folder, open_hub
from clipbench.datasets.base import INDEXED_SHARD, Dataset, Example, Shard, Split, decode
from clipbench.datasets.io.columns import Column, Roles, assign, describe
from clipbench.datasets.io.image_files import read_image_file
from clipbench.datasets.io.mirror import local_mirror, mirror_places
from clipbench.datasets.io.rows import Row, Rows
from clipbench.datasets.labels import ClassIndex, class_list, classes_of
from clipbench.errors import UserError, did_you_mean
from clipbench.fingerprint import digest

if TYPE_CHECKING:
    import PIL.Image


class HuggingFace(Dataset):
    """A data set in the hub's own form: one table a split, with encoded images in a column.

    Images reach the model as the bytes that lie in the table. No code of a data set is ever run.
    """

    def __init__(
        self,
        *,
        path: str,
        config: str | None = None,
        revision: str = "main",
        splits: Mapping[str, str] | None = None,
        image: str | None = None,
        label: str | None = None,
        caption: str | None = None,
        id: str | None = None,
        groups: Sequence[str] = (),
        classes: Sequence[str] | str | None = None,
        base: Path | None = None,
        data_root: Path | None = None,
        catalog_name: str = "",
    ) -> None:
        """Open the tables and settle which column holds what.

        Args:
            path: a local folder or file relative to the suite's, or else a hub name; a copy of a hub data
                set under `data_root` comes before the hub.
            config: the configuration, where there are several.
            revision: branch, tag or commit on the hub.
            splits: our name of a split -> its name there; by default all, under their own names.
            image: the column with images; found where one column holds some.
            label: the column with a class, or with a list of them (multi-label).
            caption: the column with a caption, or with a list of them.
            id: the column with an id that is unique within the split; by default the row's number.
            groups: columns to break results down by.
            classes: class names in label order, instead of those that the table declares.
            base: where relative paths start.
            data_root: holds local copies of hub data sets.
            catalog_name: a further name under which `data_root` may hold it.

        Raises:
            Unavailable: it is not here and the hub cannot be reached or refuses it.
            UserError: a column or split is not there, or cannot be told from the others.
        """
        tables = _open(path, config, revision, base, data_root, catalog_name)
        columns = describe(tables.schema)
        roles = assign(columns, Roles(image, label, caption, id, tuple(groups)), where=tables.name)
        chosen = _choose_splits(tables, splits)
        self.classes = _find_classes(chosen, roles, columns, class_list(classes, where=tables.name), tables.name)
        self.multilabel = roles.label is not None and columns[roles.label].kind in ("numbers", "texts")
        reader = _Reader(roles, self.multilabel, ClassIndex(self.classes), tables.roots, tables.name)
        self._splits = {name: TableSplit(name, rows, reader) for name, rows in chosen.items()}

    @property
    def splits(self) -> Mapping[str, Split]:
        """The splits that were asked for, or all."""
        return self._splits


def _open(
    path: str, config: str | None, revision: str, base: Path | None, data_root: Path | None, catalog_name: str
) -> Tables:
    folder = find_folder(path, base) or local_mirror(path, data_root, catalog_name)
    if folder is not None:
        return open_folder(folder, config)
    return open_hub(path, config, revision, mirror_places(path, data_root, catalog_name))


def _choose_splits(tables: Tables, splits: Mapping[str, str] | None) -> Mapping[str, Rows]:
    if splits is None:
        return tables.splits
    for theirs in splits.values():
        if theirs not in tables.splits:
            raise UserError(
                f"splits: there is no split {theirs!r}", where=tables.name, fix=did_you_mean(theirs, tables.splits)
            )
    return {ours: tables.splits[theirs] for ours, theirs in splits.items()}


def _find_classes(
    splits: Mapping[str, Rows],
    roles: Roles,
    columns: Mapping[str, Column],
    given: tuple[str, ...] | None,
    where: str,
) -> tuple[str, ...]:
    if roles.label is None:
        return given or ()
    column = columns[roles.label]
    if given is not None:
        if column.classes is not None and len(column.classes) != len(given):
            problem = f"`classes` has {len(given)} names, column {column.name!r} has {len(column.classes)} classes"
            raise UserError(problem, where=where, fix="give one name for each, in label order")
        return given
    if column.classes is not None:
        return column.classes
    return classes_of(_labels(splits.values(), column), column=column.name, where=where)


def _labels(splits: Iterable[Rows], column: Column) -> Iterator[object]:
    for rows in splits:
        for row in rows.read(0, rows.length(), [column.name]):
            value = row[column.name]
            yield from value or () if column.kind in ("numbers", "texts") else () if value is None else (value,)


@dataclass(frozen=True)
class _Reader:
    """Turns a row into an example."""

    roles: Roles
    multilabel: bool
    index: ClassIndex
    roots: tuple[Path, ...]
    where: str

    def example(self, number: int, row: Row) -> Example:
        content, problem = self._image(row[self.roles.image or ""])
        label, labels = self.labels(number, row)
        captions = _captions(row[self.roles.caption]) if self.roles.caption else ()
        groups = {name: "" if row[name] is None else str(row[name]) for name in self.roles.groups}
        return Example(self.id(number, row), content, label, labels, captions, groups, problem)

    def id(self, number: int, row: Row) -> str:
        return f"{number:08d}" if self.roles.id is None else str(row[self.roles.id])

    def labels(self, number: int, row: Row) -> tuple[int | None, tuple[int, ...] | None]:
        if self.roles.label is None:
            return None, None
        value = row[self.roles.label]
        try:
            if value is None:
                raise ValueError("there is no label")
            return (None, self.index.indices(value)) if self.multilabel else (self.index.index(value), None)
        except ValueError as error:
            raise UserError(f"column {self.roles.label!r}: {error}", where=f"{self.where}, row {number}") from error

    def _image(self, value: Any) -> tuple[bytes, str | None]:
        if isinstance(value, bytes):
            return value, None if value else "the image is empty"
        if value is None or (value.get("bytes") is None and not value.get("path")):
            return b"", "there is no image"
        if value["bytes"] is not None:
            return value["bytes"], None if value["bytes"] else "the image is empty"
        return self._image_file(str(value["path"]))

    def _image_file(self, path: str) -> tuple[bytes, str | None]:
        place = (self.roots[0] / path).resolve()
        if not any(place.is_relative_to(root.resolve()) for root in self.roots):
            return b"", f"{path} lies outside the data set"
        return read_image_file(place)


def _captions(value: Any) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value or []
    return tuple(text.strip() for text in texts if text and text.strip())


class TableSplit(Split):
    """One split of a table: shards of consecutive rows."""

    def __init__(self, name: str, rows: Rows, reader: _Reader) -> None:
        self._name = name
        self._rows = rows
        self._reader = reader
        self.count = rows.count
        self.download_bytes = rows.download_bytes

    def shards(self) -> Sequence[Shard]:
        """Return slices of `INDEXED_SHARD` rows; may download.

        Raises:
            UserError: the id column holds a value twice.
        """
        self._require_distinct_ids()
        total = self._rows.length()
        starts = range(0, total, INDEXED_SHARD)
        return [RowShard(self._rows, self._reader, start, min(start + INDEXED_SHARD, total)) for start in starts]

    def _require_distinct_ids(self) -> None:
        column = self._reader.roles.id
        seen: dict[str, int] = {}
        for number, example_id in enumerate(self._ids() if column else ()):
            if example_id in seen:
                problem = f"column {column!r} holds {example_id!r} in rows {seen[example_id]} and {number}"
                fix = "name a column without repeats under `id:`, or leave it out to use row numbers"
                raise UserError(problem, where=f"{self._reader.where}, split {self._name!r}", fix=fix)
            seen[example_id] = number

    def _ids(self) -> Iterator[str]:
        columns = [self._reader.roles.id] if self._reader.roles.id else []
        for number, row in enumerate(self._rows.read(0, self._rows.length(), columns)):
            yield self._reader.id(number, row)

    def locator(self) -> str | None:
        """Return the rows' locator together with which columns are read."""
        rows = self._rows.locator()
        roles = self._reader.roles
        parts = [roles.image, roles.label, roles.caption, roles.id, list(roles.groups)]
        return None if rows is None else f"{rows}|{digest([parts, list(self._reader.index.classes)])}"

    def keys(self) -> Iterator[tuple[str, int | None]]:
        """Iterate over (id, label), reading those columns alone."""
        reader, roles = self._reader, self._reader.roles
        columns = Roles(label=roles.label, id=roles.id).names()
        if not columns:
            yield from ((reader.id(number, {}), None) for number in range(self._rows.length()))
            return
        for number, row in enumerate(self._rows.read(0, self._rows.length(), columns)):
            yield reader.id(number, row), reader.labels(number, row)[0]

    @cached_property
    def _row_of(self) -> Mapping[str, int]:
        return {example_id: number for number, example_id in enumerate(self._ids())}

    def image(self, example_id: str) -> PIL.Image.Image:
        """Return one decoded image, reading its row alone."""
        if self._reader.roles.id is not None:
            number = self._row_of[example_id]
        elif example_id.isdecimal() and int(example_id) < self._rows.length():
            number = int(example_id)
        else:
            raise KeyError(example_id)
        row = next(self._rows.read(number, number + 1, self._reader.roles.names()))
        return decode(self._reader.example(number, row).image)


@dataclass(frozen=True)
class RowShard:
    """Consecutive rows of a split."""

    rows: Rows
    reader: _Reader
    start: int
    stop: int

    @property
    def name(self) -> str:
        """The first row's number."""
        return f"{self.start:08d}"

    def __iter__(self) -> Iterator[Example]:
        """Iterate over the examples.

        Raises:
            UserError: a row without a label, or with one outside the classes.
        """
        rows = self.rows.read(self.start, self.stop, self.reader.roles.names())
        for number, row in enumerate(rows, start=self.start):
            yield self.reader.example(number, row)
