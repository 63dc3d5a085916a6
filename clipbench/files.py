"""Files that are either whole or not there, whatever kills the process that writes them."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any

from clipbench.errors import UserError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file by renaming a finished one into place; parents are created.

    Raises:
        UserError: the place cannot be written (no permission, disk full).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
        try:
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"cannot be written ({error.strerror})", where=str(path)) from error


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
