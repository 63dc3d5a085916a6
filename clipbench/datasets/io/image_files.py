"""Splits whose images are files of their own, as the folder and the table adapter have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from clipbench.datasets.base import Example, NumberedSplit
from clipbench.fingerprint import digest

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
"""In lower case; a file whose name ends otherwise is not taken for an image."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One image on disk with what is known of it; the fields are those of `Example`."""

    id: str
    path: Path
    label: int | None = None
    labels: tuple[int, ...] | None = None
    captions: tuple[str, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)


def read_image_file(path: Path) -> tuple[bytes, str | None]:
    """Return (encoded bytes, None), or (b"", why the file could not be read)."""
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        return b"", f"{path} cannot be read ({getattr(error, 'strerror', None) or error})"
    return content, None if content else f"{path} is empty"


def stat_key(path: Path) -> tuple[int, int]:
    """Return (size, time of change in ns), or (-1, -1) where there is no such file."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return (-1, -1)
    return (status.st_size, status.st_mtime_ns)


class FileSplit(NumberedSplit):
    """A split made of image files; it holds their paths and labels, never their contents."""

    def __init__(self, files: Sequence[ImageFile], also: Sequence[Path] = ()) -> None:
        """Take the files in order, and further paths whose change means that the split changed."""
        self.count: int = len(files)
        self._files = files
        self._also = also

    def read(self, rows: range) -> Iterator[Example]:
        """Iterate over consecutive examples; a file that cannot be read gives a broken one."""
        for file in self._files[rows.start : rows.stop]:
            content, problem = read_image_file(file.path)
            yield Example(file.id, content, file.label, file.labels, file.captions, file.groups, problem)

    def locator(self) -> str:
        """Return a digest of the files' paths, sizes and times and of what is known of them."""
        files = [
            [file.id, *_path_key(file.path), file.label, file.labels, file.captions, dict(file.groups)]
            for file in self._files
        ]
        return digest([files, [_path_key(path) for path in self._also]])

    def keys(self) -> Iterator[tuple[str, int | None]]:
        """Iterate over (id, label) without touching the disk."""
        return ((file.id, file.label) for file in self._files)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {file.id: number for number, file in enumerate(self._files)}

    def position(self, example_id: str) -> int:
        """Return a file's number."""
        return self._positions[example_id]


def _path_key(path: Path) -> list[str | int]:
    return [str(path.absolute()), *stat_key(path)]
