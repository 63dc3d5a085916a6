"""Looking into the store, and making room in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from clipbench.files import read_json

DRAFT_AGE = 24 * 3600
"""Seconds after which a draft belongs to no running process."""


@dataclass(frozen=True)
class CacheEntry:
    """What the store holds of one model."""

    model: str
    precision: str
    fingerprint: str
    image_files: int
    text_files: int
    bytes: int
    last_written: float
    """Seconds since 1970."""


def cache_entries(root: Path) -> list[CacheEntry]:
    """Return what the store holds, model by model, the largest first."""
    fingerprints = {path.name for kind in ("embeddings", "texts") for path in _folders(root / kind)}
    entries = [_entry(root, fingerprint) for fingerprint in sorted(fingerprints)]
    return sorted(entries, key=lambda entry: -entry.bytes)


def cache_bytes(root: Path) -> int:
    """Return the size of everything in the store."""
    return sum(path.stat().st_size for path in _own_files(root))


def prune(root: Path, *, model: str | None = None, unused_days: float | None = None, everything: bool = False) -> int:
    """Remove what was left by killed runs and, if asked, embeddings; return the bytes freed.

    Args:
        root: the cache folder.
        model: remove this model's embeddings; a name or the beginning of a fingerprint.
        unused_days: remove models to which nothing was added for so many days.
        everything: remove all embeddings and what is known of models and data sets.
    """
    before = cache_bytes(root)
    now = time.time()
    for path in list(_own_files(root)):
        if everything or (path.name.endswith(".part") and now - path.stat().st_mtime > DRAFT_AGE):
            path.unlink(missing_ok=True)
    for entry in cache_entries(root):
        named = model is not None and (entry.model == model or entry.fingerprint.startswith(model))
        stale = unused_days is not None and now - entry.last_written > unused_days * 86400
        if named or stale:
            for path in _files_of(root, entry.fingerprint):
                path.unlink(missing_ok=True)
    _remove_empty_folders(root)
    return before - cache_bytes(root)


def _entry(root: Path, fingerprint: str) -> CacheEntry:
    description = root / "embeddings" / fingerprint / "model.json"
    known = read_json(description) if description.exists() else {}
    images = list((root / "embeddings" / fingerprint).glob("*.safetensors"))
    texts = list((root / "texts" / fingerprint).glob("*.safetensors"))
    stats = [path.stat() for path in images + texts]
    return CacheEntry(
        model=str(known.get("model", "unknown")),
        precision=str(known.get("precision", "")),
        fingerprint=fingerprint,
        image_files=len(images),
        text_files=len(texts),
        bytes=sum(stat.st_size for stat in stats),
        last_written=max((stat.st_mtime for stat in stats), default=0.0),
    )


def _files_of(root: Path, fingerprint: str) -> Iterator[Path]:
    for kind in ("embeddings", "texts"):
        yield from _files(root / kind / fingerprint)


def _own_files(root: Path) -> Iterator[Path]:
    """Yield the store's own files; nothing else that may lie in its folder."""
    for kind in ("embeddings", "texts", "data", "locators", "models"):
        yield from _files(root / kind)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _folders(root: Path) -> Iterator[Path]:
    return (path for path in root.iterdir() if path.is_dir()) if root.is_dir() else iter(())


def _remove_empty_folders(root: Path) -> None:
    for kind in ("embeddings", "texts"):
        for folder in _folders(root / kind):
            if not any(folder.iterdir()):
                folder.rmdir()
