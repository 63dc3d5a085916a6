"""The cache is listed by model and pruned without touching what is not its own."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from clipbench.embed.encode import EncodeSettings, ImageEncoder
from clipbench.embed.housekeeping import cache_bytes, cache_entries, prune
from clipbench.embed.store import Store

from ..conftest import user_error
from .conftest import LinearModel, Squares


def fill(store: Store, model: LinearModel) -> str:
    fingerprint = model.info.pedigree.fingerprint()
    store.write_model("where it lies", model.info)
    store.write_name(model.info)
    encoder = ImageEncoder(lambda: model, fingerprint, store, EncodeSettings("cpu", batch_size=16))
    encoder.embed(Squares().split("test"), "squares")
    return fingerprint


def test_a_model_is_listed_with_what_it_holds(store: Store, model: LinearModel):
    fingerprint = fill(store, model)
    (entry,) = cache_entries(store.root)
    assert (entry.model, entry.precision, entry.fingerprint) == ("linear", "float32", fingerprint)
    assert (entry.image_files, entry.text_files) == (1, 0)
    assert 0 < entry.bytes < cache_bytes(store.root)


def test_an_absent_cache_is_empty(store: Store):
    assert cache_entries(store.root) == []
    assert cache_bytes(store.root) == 0
    assert prune(store.root, everything=True) == 0


@pytest.mark.parametrize("everything", [False, True])
def test_pruning_removes_old_drafts_and_keeps_young_ones(store: Store, model: LinearModel, everything: bool):
    fill(store, model)
    old, young = (store.root / "data" / f".{name}.part" for name in ("old", "young"))
    for draft in (old, young):
        draft.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    freed = prune(store.root, everything=everything)
    assert (freed == 4) is not everything
    assert not old.exists()
    assert young.exists()
    assert len(cache_entries(store.root)) == (0 if everything else 1)


def test_a_model_is_pruned_by_name_by_fingerprint_or_by_age(store: Store, model: LinearModel):
    for choice in ({"model": "linear"}, {"model": fill(store, model)[:8]}, {"unused_days": 0.0}):
        fill(store, model)
        assert prune(store.root, **choice) > 0  # type: ignore[arg-type]
        assert cache_entries(store.root) == []
    fill(store, model)
    assert prune(store.root, unused_days=1.0) == 0


@pytest.mark.parametrize("beginning", ["", "l", "liner"])
def test_a_model_that_is_not_there_is_refused_with_those_that_are(store: Store, model: LinearModel, beginning: str):
    fingerprint = fill(store, model)
    for name in (beginning, fingerprint[:7]):
        error = user_error(prune, store.root, model=name)
        assert (error.where, "linear" in str(error.fix)) == ("--model", True)
    assert len(cache_entries(store.root)) == 1


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_cache_that_cannot_be_written_is_not_pruned(
    store: Store, model: LinearModel, number: int, monkeypatch: pytest.MonkeyPatch
):
    fill(store, model)

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "unlink", refuse)
    error = user_error(prune, store.root, everything=True)
    assert os.strerror(number) in error.problem
    assert "CLIPBENCH_CACHE" in str(error.fix)


def test_what_is_not_the_store_s_own_stays(store: Store, model: LinearModel):
    fill(store, model)
    stranger = store.root / "notes.txt"
    stranger.write_text("mine")
    prune(store.root, everything=True)
    assert cache_bytes(store.root) == 0
    assert stranger.read_text() == "mine"
