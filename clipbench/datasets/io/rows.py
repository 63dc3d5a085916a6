"""Rows of Parquet files and of Arrow tables, read a few at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbench.errors import UserError
from clipbench.files import stat_key
from clipbench.fingerprint import digest

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 16
_BUFFER_BYTES = 1 << 20

Row = Mapping[str, Any]


def _stat_all(files: Sequence[Path]) -> str:
    return digest([[str(file.resolve()), *stat_key(file)] for file in files])


@dataclass(frozen=True)
class ParquetRows:
    """The rows of Parquet files, one file after the other."""

    files: tuple[Path, ...]
    download_bytes: int = 0

    @cached_property
    def _lengths(self) -> tuple[int, ...]:
        return tuple(_open(file).metadata.num_rows for file in self.files)

    @property
    def count(self) -> int:
        """From the files' footers."""
        return sum(self._lengths)

    def length(self) -> int:
        """Return how many there are."""
        return self.count

    def locator(self) -> str:
        """Return a digest of the files' paths, sizes and times."""
        return _stat_all(self.files)

    def read(self, start: int, stop: int, columns: Sequence[str]) -> Iterator[Row]:
        """Iterate over rows; memory holds a batch and the Parquet pages that it comes from."""
        first = 0
        for file, length in zip(self.files, self._lengths, strict=True):
            if start < first + length and first < stop:
                yield from _read_file(file, max(start - first, 0), min(stop - first, length), columns)
            first += length


def _read_file(path: Path, start: int, stop: int, columns: Sequence[str]) -> Iterator[Row]:
    """Read only the row groups that overlap [start, stop)."""
    file = _open(path)
    if missing := sorted(set(columns) - set(file.schema_arrow.names)):
        problem = f"has no column {missing[0]!r}, which other files of the data set have"
        raise UserError(problem, where=str(path), fix="write the files with the same columns")
    lengths = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
    ends = list(accumulate(lengths))
    groups = [group for group, end in enumerate(ends) if end > start and end - lengths[group] < stop]
    position = ends[groups[0]] - lengths[groups[0]] if groups else stop
    for batch in _batches(file, groups, columns, path):
        low, high = max(start - position, 0), min(stop - position, batch.num_rows)
        if low < high:
            yield from batch.slice(low, high - low).to_pylist()
        position += batch.num_rows
        if position >= stop:
            return


def _batches(file: Any, groups: Sequence[int], columns: Sequence[str], path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    # Looked up now: what is left half-read when Python ends is closed when its modules are gone.
    damages = pa.ArrowException, OSError
    try:
        yield from file.iter_batches(BATCH_ROWS, row_groups=groups, columns=list(columns), use_threads=False)
    except damages as error:
        raise UserError(f"is damaged ({error})", where=str(path), fix="download or copy it again") from error


def parquet_schema(path: Path) -> pa.Schema:
    """Return the columns of a Parquet file."""
    return _open(path).schema_arrow


def _open(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Buffering ahead, which is the default, would hold whole row groups: all of the file, in many a file.
    try:
        return pq.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"cannot be read as Parquet ({error})", where=str(path), fix="copy it again") from error


@dataclass(frozen=True)
class ArrowRows:
    """The rows of one split as the `datasets` library maps them from disk."""

    load: Callable[[], Any]
    """Returns the `datasets.Dataset`; may download."""
    count: int | None
    """None where that takes a download to know."""
    revision: str | None
    """Of a hub data set; None for a local one, whose files are looked at."""
    download_bytes: int = 0

    @cached_property
    def _data(self) -> Any:
        return self.load().with_format("arrow")

    def length(self) -> int:
        """Return how many there are; may download."""
        return len(self._data)

    def locator(self) -> str | None:
        """Return the hub's revision, or a digest of the Arrow files' paths, sizes and times."""
        if self.revision is not None:
            return self.revision
        files = [Path(entry["filename"]) for entry in self._data.cache_files]
        return _stat_all(files) if files else None

    def read(self, start: int, stop: int, columns: Sequence[str]) -> Iterator[Row]:
        """Iterate over rows; encoded images stay encoded."""
        chosen = self._data.select_columns(list(columns))
        for first in range(start, min(stop, len(chosen)), BATCH_ROWS):
            yield from chosen[first : min(first + BATCH_ROWS, stop)].to_pylist()


Rows = ParquetRows | ArrowRows
"""The rows of one split, numbered from 0."""

_PART = re.compile(r"(?P<split>[^/]+?)[-_](?P<part>\d+)-of-(?P<parts>\d+)(?:-[0-9a-f]+)?")
_SPLITS = ("train", "validation", "valid", "val", "dev", "test")


def parquet_splits(folder: Path, config: str | None) -> dict[str, ParquetRows]:
    """Group a folder's Parquet files by split, as the hub names them.

    Looked for in `folder/config` (if a configuration is named), `folder/data` and `folder`. A split is told
    by `SPLIT-00000-of-00003.parquet`, by a sub-folder `SPLIT/`, or by a name that begins with train,
    validation, val, dev or test; files that tell none form the split `test`.

    Raises:
        UserError: a numbered part of a split is missing, there is no such configuration, or there are several
            and none was named.
    """
    if config is not None and not (folder / config).is_dir():
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        fix = f"it has: {', '.join(names)}" if names else "leave out `config:`"
        raise UserError(f"there is no configuration {config!r}", where=str(folder), fix=fix)
    folders = [folder / config] if config else [folder, folder / "data"]
    files = [file for parent in folders for file in sorted({*parent.glob("*.parquet"), *parent.glob("*/*.parquet")})]
    grouped: dict[str, list[Path]] = {}
    _require_one_configuration(files, folders)
    for file in dict.fromkeys(files):
        grouped.setdefault(_split_of(file, folders), []).append(file)
    for split, parts in grouped.items():
        _require_all_parts(split, parts)
    return {split: ParquetRows(tuple(parts)) for split, parts in sorted(grouped.items())}


def _split_of(file: Path, folders: Sequence[Path]) -> str:
    if match := _PART.fullmatch(file.stem):
        return match["split"]
    if file.parent not in folders:
        return file.parent.name
    return next((split for split in _SPLITS if re.match(rf"{split}(?![a-z])", file.stem)), "test")


def _require_one_configuration(files: Sequence[Path], folders: Sequence[Path]) -> None:
    named = sorted({file.parent for file in files if file.parent not in folders and _PART.fullmatch(file.stem)})
    if len(named) > 1:
        fix = f"name one under `config:`: {', '.join(folder.name for folder in named)}"
        raise UserError("holds several configurations", where=str(folders[0]), fix=fix)


def _require_all_parts(split: str, files: Sequence[Path]) -> None:
    matches = [match for file in files if (match := _PART.fullmatch(file.stem))]
    if not matches:
        return
    parts = int(matches[0]["parts"])
    if missing := sorted(set(range(parts)) - {int(match["part"]) for match in matches}):
        problem = f"part {missing[0]} of {parts} of split {split!r} is missing"
        raise UserError(problem, where=str(files[0].parent), fix="the copy is not complete; copy it again")
