"""Splits whose images are files of their own, as the folder and the table adapter have them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from clipbench.datasets.base import Example, NumberedSplit
from clipbench.files import stat_key
from clipbench.fingerprint import digest

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
"""In lower case; a file whose name ends otherwise is not taken for an image."""


def read_image_file(path: Path) -> tuple[bytes, str | None]:
    """Return (encoded bytes, None), or (b"", why the file could not be read now)."""
    try:
        # A pipe would be waited for, and a device read for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            return b"", "is not a regular file"
        return path.read_bytes(), None
    except (OSError, ValueError) as error:
        return b"", f"cannot be read ({getattr(error, 'strerror', None) or error})"


def path_text(path: Path | str) -> str:
    r"""Return a path as text; bytes of it that are no UTF-8 are written as `\xff`."""
    return os.fsencode(path).decode(errors="backslashreplace")


class FileSplit(NumberedSplit):
    """A split made of image files; it holds their paths and labels, never their contents."""

    def __init__(self, files: Sequence[tuple[Example, Path]], also: Sequence[Path] = ()) -> None:
        """Take the examples without their images, each with its file, and further paths that the split depends on."""
        self.count: int = len(files)
        self._files = files
        self._also = also

    def read(self, rows: range) -> Iterator[Example]:
        """Iterate over consecutive examples; a file that cannot be read gives a broken one."""
        for example, path in self._files[rows.start : rows.stop]:
            content, problem = read_image_file(path)
            if problem and not path.as_posix().endswith(example.id):
                problem = f"{path_text(path)} {problem}"
            yield replace(example, image=content, problem=problem)

    def locator(self) -> str:
        """Return a digest of the files' paths, sizes and times and of what is known of them."""
        files = [
            [example.id, *_path_key(path), example.label, example.labels, example.captions, dict(example.groups)]
            for example, path in self._files
        ]
        return digest([files, [_path_key(path) for path in self._also]])

    def keys(self) -> Iterator[tuple[str, int | None]]:
        """Iterate over (id, label) without touching the disk."""
        return ((example.id, example.label) for example, _ in self._files)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {example.id: number for number, (example, _) in enumerate(self._files)}

    def position(self, example_id: str) -> int:
        """Return a file's number."""
        return self._positions[example_id]


def _path_key(path: Path) -> list[str | int]:
    return [str(path.absolute()), *stat_key(path)]
