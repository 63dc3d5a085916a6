"""Where the store lies, looking into it, and making room in it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from clipbench.files import read_json

DRAFT_AGE = 24 * 3600
"""Seconds after which a draft belongs to no running process."""
_OF_MODELS = ("embeddings", "texts")


def default_cache() -> Path:
    """Return the cache folder: CLIPBENCH_CACHE, else `clipbench` in this user's cache folder."""
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("CLIPBENCH_CACHE") or user / "clipbench")


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
    fingerprints = {path.name for kind in _OF_MODELS for path in root.glob(f"{kind}/*/")}
    entries = [_entry(root, fingerprint) for fingerprint in sorted(fingerprints)]
    return sorted(entries, key=lambda entry: -entry.bytes)


def cache_bytes(root: Path) -> int:
    """Return the size of everything in the store."""
    return sum(path.stat().st_size for path in _files(root))


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
    for path in _files(root):
        if everything or (path.name.endswith(".part") and now - path.stat().st_mtime > DRAFT_AGE):
            path.unlink(missing_ok=True)
    for entry in cache_entries(root):
        named = model is not None and (entry.model == model or entry.fingerprint.startswith(model))
        stale = unused_days is not None and now - entry.last_written > unused_days * 86400
        for path in _files(root, entry.fingerprint) if named or stale else ():
            path.unlink(missing_ok=True)
    for folder in [folder for kind in _OF_MODELS for folder in root.glob(f"{kind}/*/")]:
        if not any(folder.iterdir()):
            folder.rmdir()
    return before - cache_bytes(root)


def _entry(root: Path, fingerprint: str) -> CacheEntry:
    description = root / "embeddings" / fingerprint / "model.json"
    known = read_json(description) if description.exists() else {}
    images, texts = ([*(root / kind / fingerprint).glob("*.safetensors")] for kind in _OF_MODELS)
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


def _files(root: Path, fingerprint: str = "") -> list[Path]:
    """Return the store's own files, or those of one model; nothing else that may lie in its folder."""
    kinds = _OF_MODELS if fingerprint else (*_OF_MODELS, "data", "locators", "models")
    return [path for kind in kinds for path in (root / kind / fingerprint).rglob("*") if path.is_file()]
