"""A table of image paths with labels or captions: CSV, TSV, JSON lines or Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clipbench.datasets.base import Dataset, Example, Split
from clipbench.datasets.decoding import Decoding
from clipbench.datasets.io.columns import Column, Roles, assign, captions_in
from clipbench.datasets.io.image_files import FileSplit
from clipbench.datasets.labels import ClassIndex, class_list, classes_of
from clipbench.errors import UserError

_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


@dataclass(frozen=True)
class _Line:
    """One row and where it stands, for messages."""

    where: str
    values: Mapping[str, Any]

    def text(self, column: str | None) -> str:
        value = self.values.get(column) if column else None
        return "" if value is None else str(value).strip()

    def required(self, column: str | None, fix: str) -> str:
        text = self.text(column)
        if not text:
            raise UserError(f"column {column!r} is empty", where=self.where, fix=fix)
        return text


class Table(Dataset):
    """Images named in a table, one row an image (with captions: one row a caption will do).

    Relative paths start from `root`, by default the table's folder; the table is the user's own, so it may
    also name files elsewhere. A missing image is counted as broken.
    """

    decoding = Decoding(exif="apply")

    def __init__(
        self,
        *,
        path: Path,
        image: str | None = None,
        label: str | None = None,
        caption: str | None = None,
        id: str | None = None,
        split: str | None = None,
        groups: Sequence[str] = (),
        root: Path | None = None,
        classes: Sequence[str] | str | None = None,
        label_separator: str | None = None,
    ) -> None:
        """Read the table; no image is read.

        Args:
            path: a .csv, .tsv, .jsonl or .parquet file; the first line of CSV and TSV names the columns.
            image: the column with the image's path; by default one called image, path, file, ...
            label: the column with a class name or, with `classes`, its position from 0; a list of them, or
                several divided by `label_separator`, makes the set multi-label.
            caption: the column with a caption, or with a list of them.
            id: the column with an id that is unique within its split; by default the path as written.
            split: the column with the split's name; without one, all rows are the split `test`.
            root: where relative image paths start.
            classes: class names in label order; by default the distinct labels, sorted.
            label_separator: divides several labels in one cell, e.g. `|`.

        Raises:
            UserError: a column is missing, a row has no label, an unknown one, no image or an id that
                another row has; the message names the row.
        """
        lines = list(_read(path))
        if not lines:
            raise UserError("holds no rows", where=str(path), fix="one row an image, below the column names")
        columns = {name: Column(name, "cell") for line in lines for name in line.values}
        self._roles = assign(columns, Roles(image, label, caption, id, tuple(groups), split), where=str(path))
        self._separator = label_separator
        self._root = root or path.parent
        self.multilabel = any(isinstance(self._label(line), list) for line in lines)
        self.captioned = self._roles.caption is not None
        self.classes = class_list(classes, where=str(path)) or ()
        if self._roles.label and not self.classes:
            self.classes = classes_of(map(self._label, lines), column=self._roles.label, where=str(path))
        self._splits = self._sort_into_splits(lines, path)

    @property
    def splits(self) -> Mapping[str, Split]:
        """By the split column, or `test` alone."""
        return self._splits

    def _label(self, line: _Line) -> object:
        """Return what the row says: one label, a list of labels, or None."""
        value = line.values.get(self._roles.label) if self._roles.label else None
        if self._separator is not None and isinstance(value, str):
            return [part.strip() for part in value.split(self._separator) if part.strip()]
        return None if value == "" else value

    def _sort_into_splits(self, lines: Sequence[_Line], path: Path) -> Mapping[str, Split]:
        index = ClassIndex(self.classes, self.multilabel)
        splits: dict[str, dict[str, tuple[Example, Path]]] = {}
        first: dict[tuple[str, str], str] = {}
        for line in lines:
            split = line.required(self._roles.split, "name the split") if self._roles.split else "test"
            files = splits.setdefault(split, {})
            example, file = self._example(line, index)
            if example.id in files:
                example = self._merge(files[example.id], (example, file), line.where, first[split, example.id])
            files[example.id] = (example, file)
            first.setdefault((split, example.id), line.where)
        return {name: FileSplit(tuple(files.values()), also=(path,)) for name, files in sorted(splits.items())}

    def _example(self, line: _Line, index: ClassIndex) -> tuple[Example, Path]:
        roles = self._roles
        path = line.required(roles.image, "give the image's path")
        example_id = line.required(roles.id, "give each row an id") if roles.id else path
        label = labels = None
        if roles.label:
            label, labels = index.read(self._label(line), column=roles.label, where=line.where)
        captions = captions_in(line.values.get(roles.caption)) if roles.caption else ()
        groups = {name: line.text(name) for name in roles.groups}
        return Example(example_id, b"", label, labels, captions, groups), self._root / path

    def _merge(self, earlier: tuple[Example, Path], later: tuple[Example, Path], where: str, first: str) -> Example:
        """Join two rows of one image, which differ in their caption alone."""
        captions = earlier[0].captions
        same = (replace(later[0], captions=captions), later[1]) == earlier
        if self._roles.caption is None or not same:
            fix = "rows of one image may differ in the caption alone; name a column without repeats under `id:`"
            raise UserError(f"id {later[0].id!r} is that of {first} too", where=where, fix=fix)
        return replace(earlier[0], captions=captions + later[0].captions)


def _read(path: Path) -> Iterator[_Line]:
    if not path.is_file():
        raise UserError("there is no such table", where=str(path), fix="check `path`")
    suffix = path.suffix.lower()
    try:
        if suffix in (".csv", ".tsv"):
            yield from _read_delimited(path, "," if suffix == ".csv" else "\t")
        elif suffix in (".jsonl", ".ndjson"):
            yield from _read_json_lines(path)
        elif suffix == ".parquet":
            yield from _read_parquet(path)
        else:
            raise UserError(
                f"is not a table by its ending {suffix!r}", where=str(path), fix=f"one of: {', '.join(_SUFFIXES)}"
            )
    except UnicodeDecodeError as error:
        raise UserError("is not UTF-8 text", where=str(path), fix="save the table as UTF-8") from error


def _read_delimited(path: Path, delimiter: str) -> Iterator[_Line]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            header = [name.strip() for name in next(reader, [])]
            if len(set(header)) < len(header) or "" in header:
                raise UserError("column names repeat or are empty", where=f"{path}:1", fix="name each column once")
            for cells in reader:
                where = f"{path}:{reader.line_num}"
                if cells and len(cells) != len(header):
                    problem = f"has {len(cells)} cells, the first line names {len(header)} columns"
                    raise UserError(problem, where=where, fix='put a text that holds the delimiter in "quotes"')
                if cells:
                    yield _Line(where, dict(zip(header, cells, strict=True)))
        except csv.Error as error:
            raise UserError(f"is not CSV ({error})", where=f"{path}:{reader.line_num}") from error


def _read_json_lines(path: Path) -> Iterator[_Line]:
    with path.open(encoding="utf-8-sig") as file:
        for number, text in enumerate(file, start=1):
            if not text.strip():
                continue
            where = f"{path}:{number}"
            try:
                values = json.loads(text)
                # JSON can write half a character (\ud800), which no other file can hold.
                json.dumps(values, ensure_ascii=False).encode()
            except UnicodeEncodeError as error:
                raise UserError(f"holds half a character ({error})", where=where, fix="write it as UTF-8") from error
            except (ValueError, RecursionError) as error:
                raise UserError(f"is not JSON ({error})", where=where, fix="one object a line") from error
            if not isinstance(values, dict):
                raise UserError("is not a JSON object", where=where, fix="one object a line")
            yield _Line(where, values)


def _read_parquet(path: Path) -> Iterator[_Line]:
    from clipbench.datasets.io.rows import ParquetRows, parquet_schema

    rows = ParquetRows((path,))
    for number, values in enumerate(rows.read(0, rows.count, parquet_schema(path).names)):
        yield _Line(f"{path}, row {number}", values)
