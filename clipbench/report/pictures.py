"""Thumbnails as data: URIs, so that the page needs no file beside it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from clipbench.results.folder import Results
from clipbench.tasks.base import SAMPLE

PER_JOB = 12

PER_FILE = 64 * 1024
"""Bytes; a larger file is no thumbnail."""

PER_PAGE = 384 * 1024
"""Bytes of all thumbnails together, each counted once: many models are wrong about the same images."""

LEFT_OUT = "left out to keep the page small"

_SIGNATURES = ((b"RIFF", "image/webp"), (b"\x89PNG\r\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))


@dataclass(frozen=True)
class Shown:
    """A picture in the page."""

    id: str
    caption: str
    true_label: str
    prediction: str
    uri: str = ""
    """data: URI, or '' where there is no thumbnail."""
    why_not: str = ""


class Album:
    """The thumbnails of one page: counts their bytes, so that many jobs do not make a page too large to open."""

    def __init__(self, budget: int = PER_PAGE) -> None:
        self._left = budget
        self._uris: dict[bytes, str] = {}

    def show(self, pictures: Iterable[Mapping[str, str]], thumbs: Path) -> tuple[Shown, ...]:
        """Return the first pictures of a job; not those that only show its data set.

        Args:
            pictures: a job's pictures: id, role, caption, true_label, prediction, thumb.
            thumbs: the folder that `thumb` is relative to; nothing outside it is read.
        """
        chosen = [picture for picture in pictures if picture.get("role") != SAMPLE]
        return tuple(self._shown(picture, thumbs) for picture in chosen[:PER_JOB])

    def _shown(self, picture: Mapping[str, str], thumbs: Path) -> Shown:
        shown = Shown(*(str(picture.get(name, "")) for name in ("id", "caption", "true_label", "prediction")))
        if not picture.get("thumb"):
            return replace(shown, why_not="not stored")
        content = read(thumbs, str(picture["thumb"]))
        if content is None:
            return replace(shown, why_not="not found")
        kind = kind_of(content)
        if kind is None:
            return replace(shown, why_not="not a thumbnail")
        if content not in self._uris:
            if len(content) > self._left:
                return replace(shown, why_not=LEFT_OUT)
            self._left -= len(content)
            self._uris[content] = f"data:{kind};base64,{base64.b64encode(content).decode()}"
        return replace(shown, uri=self._uris[content])


def thumbs_of(results: Results, job_hash: str) -> Path:
    """Return the folder of a job's thumbnails."""
    return results.part_of(job_hash).folder / "thumbs"


def kind_of(content: bytes) -> str | None:
    """Return the media type of a thumbnail, e.g. 'image/webp'; None for what is none, or larger than one may be."""
    known = next((kind for signature, kind in _SIGNATURES if content.startswith(signature)), None)
    return known if len(content) <= PER_FILE else None


def read(thumbs: Path, name: str) -> bytes | None:
    """Read at most one byte more than a thumbnail may have; None for what is not a file below `thumbs`."""
    try:
        path = (thumbs / name).resolve()
        if not path.is_relative_to(thumbs.resolve()) or not path.is_file():
            return None
        with path.open("rb") as file:
            return file.read(PER_FILE + 1)
    except (OSError, ValueError):
        return None
