"""Reads a tar of samples front to back, as the webdataset layout has them, and never extracts anything."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from clipbench.datasets.io.image_files import IMAGE_SUFFIXES
from clipbench.errors import UserError

_DAMAGED = "download or copy it again"


@dataclass(frozen=True)
class Sample:
    """What a tar holds under one key."""

    key: str
    """The member's name up to the first dot behind the last slash."""
    image: bytes | None
    """The encoded image; None if it was not read or there is none."""
    texts: dict[str, bytes] = field(default_factory=dict)
    """The other members by extension, e.g. {"cls": b"3"}; only those that were asked for."""


def samples(
    path: Path, *, images: bool = True, only: str | None = None, extensions: frozenset[str]
) -> Iterator[Sample]:
    """Iterate over a tar's samples: members that follow each other and share a key.

    Memory holds one sample and the keys. Links, folders, sparse and hidden members are passed over.

    Args:
        only: read the members of this key alone.
        extensions: what to read beside the image, without the dot and in lower case.

    Raises:
        UserError: the tar is damaged or cut short, a key comes back after another one, or two members of one key are
            images or have one extension.
    """
    seen: set[str] = set()
    try:
        for key, members in groupby(_members(path), key=lambda member: member.key):
            if key in seen:
                fix = "the members of a sample must follow each other; write the shard again"
                raise UserError(f"key {key!r} comes up twice", where=str(path), fix=fix)
            seen.add(key)
            sample = _read(key, members, path, images=images and only in (None, key), extensions=extensions)
            if only in (None, key):
                yield sample
    except tarfile.TarError as error:
        raise UserError(f"is damaged or cut short ({error})", where=str(path), fix=_DAMAGED) from error
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror or error})", where=str(path), fix=_DAMAGED) from error


@dataclass(frozen=True)
class _Member:
    key: str
    extension: str
    archive: tarfile.TarFile
    info: tarfile.TarInfo

    def read(self) -> bytes:
        opened = self.archive.extractfile(self.info)
        return opened.read() if opened else b""


def _read(key: str, members: Iterator[_Member], path: Path, *, images: bool, extensions: frozenset[str]) -> Sample:
    names: dict[str, str] = {}
    contents: dict[str, bytes] = {}
    for member in members:
        part = "image" if f".{member.extension}" in IMAGE_SUFFIXES else member.extension
        if part != "image" and part not in extensions:
            continue
        if part in names:
            fix = "which of them counts is not known; write the shard again with one of each"
            raise UserError(f"holds {names[part]!r} and {member.info.name!r} under one key", where=str(path), fix=fix)
        names[part] = member.info.name
        if part != "image" or images:
            contents[part] = member.read()
    return Sample(key, contents.pop("image", None), contents)


def _members(path: Path) -> Iterator[_Member]:
    with tarfile.open(path, "r:") as archive:
        for info in _headers(archive):
            folder, slash, name = info.name.rpartition("/")
            stem, _, extension = name.partition(".")
            if info.isreg() and not info.issparse() and stem:
                yield _Member(folder + slash + stem, extension.lower(), archive, info)
        _require_end(archive, path)


def _headers(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while info := archive.next():
        # TarFile keeps every header that it has read, which would grow with the archive.
        archive.members = []  # type: ignore[attr-defined]
        yield info


def _require_end(archive: tarfile.TarFile, path: Path) -> None:
    # TarFile.next takes a damaged header behind the first one, or the end of the file, for the end of the
    # archive; a whole archive ends with a block of zeros.
    assert archive.fileobj is not None
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        problem = f"is damaged or cut short (no end of archive at byte {archive.offset})"
        raise UserError(problem, where=str(path), fix=_DAMAGED)
