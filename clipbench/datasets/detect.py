"""Which adapter reads a folder or a file of images, told by what is there."""

from __future__ import annotations

import re
from pathlib import Path

from clipbench.datasets.io.columns import describe
from clipbench.datasets.io.image_files import IMAGE_SUFFIXES
from clipbench.datasets.io.rows import parquet_schema, parquet_splits
from clipbench.errors import UserError

_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
_SAVED = ("dataset_dict.json", "state.json")
"""What `datasets.save_to_disk` writes beside its Arrow files."""
_NUMBERED_TAR = re.compile(r"\d+\.tar")


def adapter_of(path: Path) -> str:
    """Return 'webdataset', 'hf', 'table' or 'folder'; no image is read, and the adapter still has to open it.

    A Parquet file or a folder of them is in the hub's layout if a column holds encoded images, and a table if it names
    image files.

    Raises:
        UserError: there is nothing, or nothing that holds images.
    """
    if path.is_file():
        return _of_file(path)
    if not path.is_dir():
        raise UserError("there is no such folder or file", where=str(path), fix="check the path")
    if (path / "classnames.txt").is_file() or any(_NUMBERED_TAR.fullmatch(tar.name) for tar in path.glob("*/*.tar")):
        return "webdataset"
    if any((path / name).is_file() for name in _SAVED):
        return "hf"
    if splits := parquet_splits(path, None):
        first = next(iter(splits.values())).files[0]
        if _of_parquet(first) == "hf":
            return "hf"
        raise UserError(f"holds a table, {first.name}", where=str(path), fix=f"give the table itself: {first}")
    _refuse_a_table_beside_its_images(path)
    return "folder"


def _of_file(file: Path) -> str:
    suffix = file.suffix.lower()
    if suffix == ".parquet":
        return _of_parquet(file)
    if suffix in _TABLES:
        return "table"
    if suffix in IMAGE_SUFFIXES:
        raise UserError("is one image", where=str(file), fix="give the folder around the folders of the classes")
    endings = ", ".join((*_TABLES, ".parquet"))
    raise UserError(f"is not a table by its ending {suffix!r}", where=str(file), fix=f"one of: {endings}; or a folder")


def _of_parquet(file: Path) -> str:
    columns = describe(parquet_schema(file)).values()
    return "hf" if any(column.kind == "image" for column in columns) else "table"


def _refuse_a_table_beside_its_images(folder: Path) -> None:
    """Such a folder looks like one of class folders, whose classes would be called `images` or the like."""
    tables = sorted(file for file in folder.iterdir() if file.is_file() and file.suffix.lower() in _TABLES)
    folders = [entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    if tables and len(folders) < 2:
        fix = f"give the table itself: {tables[0]}"
        raise UserError(f"holds a table, {tables[0].name}, and no class folders", where=str(folder), fix=fix)
