"""Hugging Face data sets: a name on the hub, or a local folder of Parquet or Arrow files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any

from clipbench.datasets.adapters.hub_tables import Tables, find_folder, open_folder, open_hub
from clipbench.datasets.base import Dataset, Example, NumberedSplit, Shard, Split
from clipbench.datasets.io.columns import Column, Roles, assign, captions_in, describe
from clipbench.datasets.io.image_files import read_image_file
from clipbench.datasets.io.repository import HubDataset
from clipbench.datasets.io.rows import Row, Rows
from clipbench.datasets.labels import ClassIndex, class_list, classes_of
from clipbench.errors import UserError, did_you_mean
from clipbench.fingerprint import digest


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
            revision: branch, tag or commit on the hub.
            splits: our name of a split -> its name there; by default all, under their own names.
            image: the column with images; found where one column holds some.
            label: the column with a class, or with a list of them (multi-label).
            caption: the column with a caption, or with a list of them.
            id: the column with an id that is unique within the split; by default the row's number.
            classes: class names in label order, instead of those that the table declares.

        Raises:
            Unavailable: it is not here and the hub cannot be reached or refuses it.
            UserError: a column or split is not there, or cannot be told from the others.
        """
        tables = _open(path, config, revision, base, data_root, catalog_name)
        columns = describe(tables.schema)
        roles = assign(columns, Roles(image, label, caption, id, tuple(groups)), where=tables.name)
        chosen = _choose_splits(tables, splits)
        self.classes = _find_classes(chosen, roles, columns, class_list(classes, where=tables.name), tables.name)
        self.captioned = roles.caption is not None
        self.multilabel = roles.label is not None and columns[roles.label].kind in ("numbers", "texts")
        index = ClassIndex(self.classes, self.multilabel)
        self._splits = {
            name: TableSplit(tables.name, name, rows, roles, index, tables.roots) for name, rows in chosen.items()
        }

    @property
    def splits(self) -> Mapping[str, Split]:
        """The splits that were asked for, or all."""
        return self._splits


def _open(
    path: str, config: str | None, revision: str, base: Path | None, data_root: Path | None, catalog_name: str
) -> Tables:
    dataset = HubDataset(path, data_root, catalog_name)
    folder = find_folder(path, base) or dataset.find_mirror()
    return open_hub(dataset, config, revision) if folder is None else open_folder(folder, config)


def _choose_splits(tables: Tables, splits: Mapping[str, str] | None) -> Mapping[str, Rows]:
    if splits is None:
        return tables.splits
    for name in splits.values():
        if name not in tables.splits:
            fix = did_you_mean(name, tables.splits)
            raise UserError(f"splits: there is no split {name!r}", where=tables.name, fix=fix)
    return {renamed: tables.splits[name] for renamed, name in splits.items()}


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
    tables = (rows.read(0, rows.length(), [column.name]) for rows in splits.values())
    cells = (row[column.name] for table in tables for row in table)
    return classes_of(cells, column=column.name, where=where)


@dataclass(frozen=True, eq=False)
class TableSplit(NumberedSplit):
    """One split of a table."""

    table: str
    """What messages call the data set."""
    name: str
    rows: Rows
    roles: Roles
    index: ClassIndex
    roots: tuple[Path, ...]
    """Folders that images named by path may lie in."""

    @property
    def count(self) -> int | None:  # type: ignore[override]
        """Of the rows, where it is known."""
        return self.rows.count

    @property
    def download_bytes(self) -> int:  # type: ignore[override]
        """Of the rows, where they are not here."""
        return self.rows.download_bytes

    def length(self) -> int:
        """Return the number of rows; may download."""
        return self.rows.length()

    def shards(self) -> Sequence[Shard]:
        """Return slices of consecutive rows; may download.

        Raises:
            UserError: the id column holds a value twice.
        """
        seen: dict[str, int] = {}
        for number, example_id in enumerate(self._ids() if self.roles.id else ()):
            if example_id in seen:
                problem = f"column {self.roles.id!r} holds {example_id!r} in rows {seen[example_id]} and {number}"
                fix = "name a column without repeats under `id:`, or leave it out to use row numbers"
                raise UserError(problem, where=f"{self.table}, split {self.name!r}", fix=fix)
            seen[example_id] = number
        return super().shards()

    def read(self, rows: range) -> Iterator[Example]:
        """Iterate over consecutive examples.

        Raises:
            UserError: a row without a label, or with one outside the classes.
        """
        return map(self._example, rows, self.rows.read(rows.start, rows.stop, self.roles.names()))

    def locator(self) -> str | None:
        """Return the rows' locator together with which columns are read."""
        rows, roles = self.rows.locator(), self.roles
        parts = [roles.image, roles.label, roles.caption, roles.id, list(roles.groups)]
        return None if rows is None else f"{rows}|{digest([parts, list(self.index.classes)])}"

    def keys(self) -> Iterator[tuple[str, int | None]]:
        """Iterate over (id, label), reading those columns alone."""
        columns = Roles(label=self.roles.label, id=self.roles.id).names()
        rows = self.rows.read(0, self.length(), columns) if columns else repeat({}, self.length())
        return ((self._id(number, row), self._labels(number, row)[0]) for number, row in enumerate(rows))

    def position(self, example_id: str) -> int:
        """Return a row's number."""
        if self.roles.id is not None:
            return self._positions[example_id]
        if example_id.isdecimal() and int(example_id) < self.length():
            return int(example_id)
        raise KeyError(example_id)

    @cached_property
    def _positions(self) -> Mapping[str, int]:
        return {example_id: number for number, example_id in enumerate(self._ids())}

    def _ids(self) -> Iterator[str]:
        column = self.roles.id or ""
        return (str(row[column]) for row in self.rows.read(0, self.length(), [column]))

    def _example(self, number: int, row: Row) -> Example:
        content, problem = self._image(row[self.roles.image or ""])
        label, labels = self._labels(number, row)
        captions = captions_in(row[self.roles.caption]) if self.roles.caption else ()
        groups = {name: "" if row[name] is None else str(row[name]) for name in self.roles.groups}
        return Example(self._id(number, row), content, label, labels, captions, groups, problem)

    def _id(self, number: int, row: Row) -> str:
        return f"{number:08d}" if self.roles.id is None else str(row[self.roles.id])

    def _labels(self, number: int, row: Row) -> tuple[int | None, tuple[int, ...] | None]:
        if self.roles.label is None:
            return None, None
        return self.index.read(row[self.roles.label], column=self.roles.label, where=f"{self.table}, row {number}")

    def _image(self, value: Any) -> tuple[bytes, str | None]:
        if isinstance(value, bytes):
            return value, None
        if value is None or (value.get("bytes") is None and not value.get("path")):
            return b"", None
        if value["bytes"] is not None:
            return self._image(value["bytes"])
        try:
            file = (self.roots[0] / str(value["path"])).resolve()
        except (OSError, ValueError, RuntimeError) as error:  # a link to itself, a zero byte in the name
            return b"", f"{value['path']!r} cannot be read ({error})"
        if not any(file.is_relative_to(root.resolve()) for root in self.roots):
            return b"", f"{value['path']} lies outside the data set"
        content, problem = read_image_file(file)
        return content, problem and f"{value['path']} {problem}"
