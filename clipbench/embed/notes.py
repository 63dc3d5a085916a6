"""What the store notes to save time: read as it was written or made again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from clipbench.errors import Damaged, UserError
from clipbench.files import read_sealed_json, write_sealed_json

_LOG = logging.getLogger("clipbench")


def discard(damage: Damaged) -> None:
    """Remove a damaged file, so that it is made again, and tell of it."""
    with suppress(OSError):
        damage.path.unlink()
    _LOG.warning("cache: %s", damage)


def read_note(path: Path) -> dict[str, Any] | None:
    """Return what was noted; None if nothing was, or it cannot be read; a damaged file is gone then."""
    try:
        return read_sealed_json(path) if path.exists() else None
    except Damaged as damage:
        discard(damage)
    except UserError as error:
        _LOG.warning("cache: %s", error)
    return None


def write_note(path: Path, document: Mapping[str, Any]) -> None:
    """Note something for later runs; where that is not possible this one goes on without."""
    try:
        write_sealed_json(path, document)
    except UserError as error:
        _LOG.warning("cache: %s", error)
