"""Files that are either whole or not there, whatever kills the process that writes them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbench.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file by renaming a finished one into place; parents are created.

    Raises:
        UserError: the place cannot be written (no permission, disk full).
    """
    with file_written_atomically(path) as draft:
        draft.write_bytes(content)


@contextmanager
def file_written_atomically(path: Path) -> Iterator[Path]:
    """Give a draft's path to write to; at the end of the block the draft takes the file's place.

    Raises:
        UserError: the place cannot be written.
    """
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield draft
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        fix = "check the folder's permissions and the space on its disk"
        raise UserError(f"cannot be written ({error.strerror or error})", where=str(path), fix=fix) from error


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        UserError: the file is not one.
    """
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"cannot be read as JSON ({error})", where=str(path), fix="delete it and run again") from error
    if not isinstance(document, dict):
        raise UserError("is not a JSON object", where=str(path), fix="delete it and run again")
    return document


def read_tensors(path: Path, names: Iterable[str]) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Read tensors of a safetensors file, and its metadata.

    Raises:
        UserError: the file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise UserError(f"damaged embeddings ({error})", where=str(path), fix="delete it and run again") from error
