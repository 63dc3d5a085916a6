"""Files that are either whole or not there, whatever kills the process that writes them, and that show any damage."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbench.errors import Damaged, UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEAL = "clipbench-sha256:"
"""Stands in a sealed file before the hexadecimal sha256 of all the rest of it."""
_DIGITS = 64
StatKey = tuple[int, int, int, int]
_ELSEWHERE = "choose another folder (CLIPBENCH_CACHE=FOLDER for the cache, -o FOLDER for results)"


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file by renaming a finished one into place; parents are created.

    `durable`: it is on the disk before it has its name. Of many files that are quickly made again, this is most of the
    time.

    Raises:
        UserError: the place cannot be written (no permission, disk full).
    """
    with file_written_atomically(path, durable=durable) as draft:
        draft.write_bytes(content)


@contextmanager
def file_written_atomically(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Give a draft's path to write to; at the end of the block the draft takes the file's place.

    Raises:
        UserError: the place cannot be written.
    """
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield draft
            if durable:
                # Else a power cut may leave the new name with nothing behind it.
                with draft.open("rb+") as file:
                    os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> UserError:
    """Return the error for a place that cannot be written or cleared, with what to do about it."""
    fix = f"check the folder's permissions, or {_ELSEWHERE}"
    if error.errno == errno.EROFS:
        fix = f"its file system is read-only; {_ELSEWHERE}"
    elif error.errno in (errno.ENOSPC, errno.EDQUOT):
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        free = shutil.disk_usage(folder).free
        fix = f"{free / 1e6:,.1f} MB are free in {folder}; make room (clipbench cache prune), or {_ELSEWHERE}"
    return UserError(f"cannot be written ({error.strerror or error})", where=str(path), fix=fix)


def cannot_read(path: Path, error: OSError) -> UserError:
    """Return the error for a file that cannot be read; Damaged where reading it again later would not help."""
    if error.errno in (None, errno.ENOENT, errno.EIO):
        return Damaged(path, error.strerror or str(error))
    fix = f"check its permissions, or {_ELSEWHERE}"
    return UserError(f"cannot be read ({error.strerror})", where=str(path), fix=fix)


def stat_key(path: Path) -> StatKey:
    """Return a file's (size, time of writing in ns, time of any change in ns, inode), or (-1,) * 4 if it is missing.

    What was copied, or whose permissions changed, is therefore read again; its images are not encoded again.
    """
    try:
        status = path.stat()
    except (OSError, ValueError):
        return (-1, -1, -1, -1)
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def sealed(encode: Callable[[str], bytes]) -> bytes:
    """Return content that holds the digest of all the rest of it, so that a reader sees any damage.

    `encode` makes the content and puts the text that it is given somewhere into it, as it is: JSON, safetensors
    and any other format stay what they are.
    """
    blank = secrets.token_hex(_DIGITS // 2)
    before, after = encode(SEAL + blank).split(blank.encode())
    return before + hashlib.sha256(before + after).hexdigest().encode() + after


def check_seal(content: bytes) -> bool | None:
    """Say whether content is as it was sealed; None if there is no seal in it."""
    whole = None
    start = content.find(SEAL.encode())
    while start >= 0 and not whole:
        # Not the first text that looks like a seal decides: what is sealed may hold anything.
        start += len(SEAL)
        digest = hashlib.sha256(memoryview(content)[:start])
        digest.update(memoryview(content)[start + _DIGITS :])
        whole = digest.hexdigest().encode() == content[start : start + _DIGITS]
        start = content.find(SEAL.encode(), start)
    return whole


def write_sealed_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON object that `read_sealed_json` reads; errors as `write_atomically`."""
    write_atomically(path, sealed(lambda seal: json.dumps({"seal": seal, **document}, indent=1).encode()))


def read_sealed_json(path: Path) -> dict[str, Any]:
    """Read a JSON object as it was written.

    Raises:
        Damaged: the file is not as it was written, has no seal, or is gone.
        UserError: it cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise cannot_read(path, error) from error
    whole = check_seal(content)
    if not whole:
        raise Damaged(path, "it has no checksum: of an older clipbench?" if whole is None else "checksum")
    document: dict[str, Any] = json.loads(content)
    del document["seal"]
    return document


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


def write_tensors(path: Path, tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors, all with the same number of rows, as sealed safetensors; errors as `write_atomically`."""
    from safetensors.numpy import save

    write_atomically(path, sealed(lambda seal: save(dict(tensors), {"seal": seal, **(metadata or {})})))


def read_tensors(path: Path, names: Iterable[str]) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Read tensors of a safetensors file, and its metadata, without looking at the rest.

    Raises:
        Damaged: the file is not what it should be, or is gone.
        UserError: it cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except SafetensorError as error:
        raise Damaged(path, str(error)) from error
    except OSError as error:
        raise cannot_read(path, error) from error


def check_tensors(path: Path) -> None:
    """Check a file that `write_tensors` wrote; one that did not change since is not read again in this process.

    Raises:
        Damaged: the file is not as it was written, or is gone.
        UserError: it cannot be read.
    """
    _check_tensors(path, stat_key(path))


@lru_cache(maxsize=1 << 16)
def _check_tensors(path: Path, key: StatKey) -> None:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        content = path.read_bytes()
        whole = check_seal(content)
        if whole is None:
            # Of a version that wrote no seals: to embed again would cost more than it is worth.
            whole = len({len(tensor) for tensor in load(content).values()}) == 1
    except SafetensorError as error:
        raise Damaged(path, str(error)) from error
    except OSError as error:
        raise cannot_read(path, error) from error
    if not whole:
        raise Damaged(path, "checksum")
