"""Each text is encoded once per model, in batches of fixed shape."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clipbench.embed import texts
from clipbench.embed.store import Store
from clipbench.embed.texts import TextEncoder, TextFiles
from clipbench.errors import UserError

from .conftest import LinearModel

WORDS = ["a", "a longer text", "a text as long as the context reaches, and on", "ünïcödé", "a"]


def test_embeddings_come_back_in_order_for_repeated_strings(model, text_encoder):
    text_encoder.embed(WORDS)
    expected = model.encode_tokens(model.tokenize(WORDS).ids).numpy()
    np.testing.assert_allclose(text_encoder.files.get(WORDS), expected, rtol=1e-6, atol=1e-6)
    assert text_encoder.encoded == 4


def test_a_text_is_encoded_once_whoever_asks(model, store, text_encoder):
    text_encoder.embed(WORDS)
    later = TextEncoder(lambda: model, store.texts("linear"))
    later.embed([*WORDS, "one more"])
    assert later.encoded == 1
    assert later.files.missing(["one more", "unseen", "unseen"]) == ["unseen"]


def test_files_of_another_process_are_seen(store, text_encoder):
    early = store.texts("linear")
    text_encoder.embed(WORDS)
    assert early.missing([*WORDS, "unseen"]) == ["unseen"]


def test_a_crash_loses_at_most_one_file(model, store, monkeypatch):
    monkeypatch.setattr(texts, "FILE_ROWS", 2)

    class Failing(LinearModel):
        def encode_tokens(self, ids: torch.Tensor) -> torch.Tensor:
            if self.texts > 2 * texts.BATCH:
                raise RuntimeError("pulled the plug")
            return super().encode_tokens(ids)

    strings = [f"text number {row}" for row in range(8)]
    try:
        TextEncoder(Failing, store.texts("linear")).embed(strings)
    except RuntimeError:
        stored = 8 - len(store.texts("linear").missing(strings))
    assert 2 <= stored < 8


def test_an_embedding_does_not_depend_on_its_company(model, store):
    alone, together = store.texts("alone"), store.texts("together")
    TextEncoder(lambda: model, alone).embed([WORDS[1]])
    TextEncoder(lambda: model, together).embed(WORDS)
    assert np.array_equal(alone.get([WORDS[1]]), together.get([WORDS[1]]))


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("MPS backend out of memory"), MemoryError()]
)
def test_the_batch_is_halved_where_memory_runs_out(store: Store, error: Exception):
    class Narrow(LinearModel):
        def encode_tokens(self, ids: torch.Tensor) -> torch.Tensor:
            if len(ids) > limit:
                raise error
            return super().encode_tokens(ids)

    limit = 20
    wide, narrow = store.texts("wide"), store.texts("narrow")
    strings = [f"{'long ' * (row % 4)}text {row}" for row in range(150)]
    TextEncoder(LinearModel, wide).embed(strings)
    encoder = TextEncoder(Narrow, narrow)
    encoder.embed(strings)
    assert np.array_equal(wide.get(strings), narrow.get(strings))
    limit = 0
    with pytest.raises(UserError, match="not even a batch of one fits"):
        encoder.embed(["another"])


def test_other_errors_of_a_model_are_not_taken_for_a_lack_of_memory(text_encoder, monkeypatch):
    def fail(self: LinearModel, ids: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("shapes do not agree")

    monkeypatch.setattr(LinearModel, "encode_tokens", fail)
    with pytest.raises(RuntimeError, match="shapes do not agree"):
        text_encoder.embed(WORDS)


def test_texts_that_were_cut_are_known(text_encoder):
    text_encoder.embed(WORDS)
    assert text_encoder.files.truncated(WORDS) == [WORDS[2]]


def test_nothing_asked_is_nothing_found(tmp_path):
    assert TextFiles(tmp_path).get([]).shape == (0, 0)
