"""The cache is listed by model and pruned without touching what is not its own."""

from __future__ import annotations

import os
import time

from clipbench.embed.encode import EncodeSettings, ImageEncoder
from clipbench.embed.housekeeping import cache_bytes, cache_entries, prune
from clipbench.embed.store import Store

from .conftest import LinearModel, Squares


def fill(store: Store, model: LinearModel) -> str:
    fingerprint = model.info.pedigree.fingerprint()
    store.write_model("where it lies", model.info)
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


def test_pruning_removes_old_drafts_and_keeps_young_ones(store: Store, model: LinearModel):
    fill(store, model)
    old, young = (store.root / "data" / f".{name}.part" for name in ("old", "young"))
    for draft in (old, young):
        draft.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    assert prune(store.root) == 4
    assert not old.exists()
    assert young.exists()
    assert len(cache_entries(store.root)) == 1


def test_a_model_is_pruned_by_name_by_fingerprint_or_by_age(store: Store, model: LinearModel):
    for choice in ({"model": "linear"}, {"model": fill(store, model)[:8]}, {"unused_days": 0.0}):
        fill(store, model)
        assert prune(store.root, **choice) > 0  # type: ignore[arg-type]
        assert cache_entries(store.root) == []
    fill(store, model)
    assert prune(store.root, model="another") == 0
    assert prune(store.root, unused_days=1.0) == 0


def test_what_is_not_the_store_s_own_stays(store: Store, model: LinearModel):
    fill(store, model)
    stranger = store.root / "notes.txt"
    stranger.write_text("mine")
    prune(store.root, everything=True)
    assert cache_bytes(store.root) == 0
    assert stranger.read_text() == "mine"
