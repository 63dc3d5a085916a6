"""Where the store lies, looking into it, and making room in it."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from clipbench.embed.store import NAME_FILE
from clipbench.errors import UserError, did_you_mean
from clipbench.files import cannot_write, check_seal, stat_key

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
    return sum(max(0, stat_key(path)[0]) for path in _files(root))


def prune(root: Path, *, model: str | None = None, unused_days: float | None = None, everything: bool = False) -> int:
    """Remove what was left by killed runs and, if asked, embeddings; return the bytes freed.

    Drafts younger than a day stay, whatever is asked: a running process may be writing them.

    Args:
        root: the cache folder.
        model: remove this model's embeddings; its name, or at least eight digits that its fingerprint begins with.
        unused_days: remove models to which nothing was added for so many days.
        everything: remove all embeddings and what is known of models and data sets.

    Raises:
        UserError: there is no such model, or the folder cannot be written.
    """
    before, now = cache_bytes(root), time.time()
    entries = cache_entries(root)
    chosen = _named(model, entries) if model is not None else set()
    if unused_days is not None:
        chosen |= {entry.fingerprint for entry in entries if now - entry.last_written > unused_days * 86400}
    for path in _files(root):
        if path.name.endswith(".part"):
            removed = now - stat_key(path)[1] / 1e9 > DRAFT_AGE
        else:
            removed = everything or path.parent.name in chosen
        if removed:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise cannot_write(path, error) from error
    for folder in [folder for kind in _OF_MODELS for folder in root.glob(f"{kind}/*/")]:
        with suppress(OSError):  # what is not empty
            folder.rmdir()
    return before - cache_bytes(root)


def _named(model: str, entries: Sequence[CacheEntry]) -> set[str]:
    """Return the fingerprints of the entries that a user names."""
    begins = re.fullmatch("[0-9a-f]{8,}", model) is not None
    named = {e.fingerprint for e in entries if e.model == model or (begins and e.fingerprint.startswith(model))}
    if not named:
        known = [entry.model for entry in entries]
        fix = f"{did_you_mean(model, known)} (or at least eight digits of a fingerprint: clipbench cache list)"
        raise UserError(f"the cache holds nothing of a model {model!r}", where="--model", fix=fix)
    return named


def _entry(root: Path, fingerprint: str) -> CacheEntry:
    known: dict[str, str] = {}
    with suppress(OSError, ValueError, TypeError):
        content = (root / "embeddings" / fingerprint / NAME_FILE).read_bytes()
        # One of an older version has no checksum; a damaged one is made again when the model is next used.
        known = {} if check_seal(content) is False else dict(json.loads(content))
    images, texts = ([*(root / kind / fingerprint).glob("*.safetensors")] for kind in _OF_MODELS)
    keys = [stat_key(path) for path in images + texts]
    return CacheEntry(
        model=str(known.get("model", "unknown")),
        precision=str(known.get("precision", "")),
        fingerprint=fingerprint,
        image_files=len(images),
        text_files=len(texts),
        bytes=sum(size for size, *_ in keys),
        last_written=max((changed / 1e9 for _, changed, *_ in keys), default=0.0),
    )


def _files(root: Path) -> list[Path]:
    """Return the store's own files; nothing else that may lie in its folder."""
    kinds = (*_OF_MODELS, "data", "locators", "models")
    return [path for kind in kinds for path in (root / kind).rglob("*") if path.is_file()]
