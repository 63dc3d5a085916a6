"""Each image is encoded once, whatever happens in between, and broken ones are counted."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
import torch
from torch import Tensor

from clipbench.datasets.base import Example, IndexedSplit, Shard, Split
from clipbench.datasets.subset import LimitedSplit, balanced_ids
from clipbench.embed import examples
from clipbench.embed.encode import EncodeSettings, ImageEncoder
from clipbench.embed.examples import DataIndex
from clipbench.embed.image_set import SplitReader
from clipbench.embed.store import Store
from clipbench.errors import UserError
from clipbench.models.base import ImageFeatures
from clipbench.tasks.base import ImageSet

from .conftest import LinearModel, Squares


def encoder(model: LinearModel, store: Store, settings: EncodeSettings) -> ImageEncoder:
    return ImageEncoder(lambda: model, "linear", store, settings)


def opened(index: DataIndex, store: Store, *features: str) -> ImageSet:
    return SplitReader(store, "linear").open(index, features).images


def test_features_equal_those_of_the_model_image_by_image(model, store, settings):
    data = Squares(40)
    index = encoder(model, store, settings).embed(data.split("test"), "squares")
    images = opened(index, store, "projected", "backbone")

    one_by_one = [model.encode_images(model.transform(data.split("test").image(i))[None]) for i in images.ids]
    expected = torch.cat([features.projected for features in one_by_one]).numpy()
    np.testing.assert_allclose(images.features["projected"].load(), expected, rtol=1e-5, atol=1e-5)
    assert images.features["backbone"].shape == (40, 192)
    assert images.labels.tolist() == [0, 1] * 20
    assert images.groups["third"][:4] == ["0", "1", "2", "0"]


def test_a_second_pass_encodes_nothing_and_does_not_load_the_model(model, store, settings):
    encoder(model, store, settings).embed(Squares().split("test"), "squares")

    def refuse() -> LinearModel:
        raise AssertionError("the model was loaded")

    again = ImageEncoder(refuse, "linear", store, settings)
    again.embed(Squares().split("test"), "squares")
    assert again.encoded == 0


def test_the_same_images_elsewhere_under_other_labels_are_not_encoded_again(model, store, settings):
    class Relabelled(Squares):
        def __getitem__(self, index: int) -> Example:
            return replace(super().__getitem__(index), label=0)

        def locator(self) -> str:
            return "elsewhere"

    first = encoder(model, store, settings).embed(Squares().split("test"), "squares")
    second = encoder(model, store, settings).embed(Relabelled().split("test"), "relabelled")
    assert model.images == 40
    assert second.fingerprint == first.fingerprint
    assert second.labels != first.labels
    assert set(opened(second, store).labels.tolist()) == {0}


def test_the_fingerprint_does_not_depend_on_order_or_shards(model, store, settings):
    class Backwards(Squares):
        def __getitem__(self, index: int) -> Example:
            return super().__getitem__(self.count - 1 - index)

        def locator(self) -> str:
            return "backwards"

    one = encoder(model, store, settings).embed(Squares().split("test"), "squares")
    two = encoder(model, store, settings).embed(Backwards().split("test"), "backwards")
    other = encoder(model, store, settings).embed(Squares(seed=1).split("test"), "other")
    assert (one.fingerprint, one.labels) == (two.fingerprint, two.labels)
    assert other.fingerprint != one.fingerprint


@pytest.mark.parametrize("workers", [0, 2])
def test_broken_images_are_counted_and_cost_nothing_else(model, store, workers):
    settings = EncodeSettings("cpu", batch_size=16, workers=workers)
    whole = encoder(model, Store(store.root / "whole"), settings).embed(Squares().split("test"), "squares")
    expected = opened(whole, Store(store.root / "whole"), "projected")

    index = encoder(model, store, settings).embed(Squares(broken=[0, 5, 39]).split("test"), "squares")
    found = SplitReader(store, "linear").open(index, ("projected",))
    assert [example_id for example_id, _ in found.broken] == ["0000", "0005", "0039"]
    assert found.images.n_broken == 3
    kept = [row for row in range(40) if row not in {0, 5, 39}]
    assert found.images.ids == [expected.ids[row] for row in kept]
    np.testing.assert_allclose(
        found.images.features["projected"].load(), expected.features["projected"].load()[kept], rtol=1e-5, atol=1e-5
    )


def test_a_split_of_broken_images_alone_can_be_opened(model, store, settings):
    index = encoder(model, store, settings).embed(Squares(4, broken=range(4)).split("test"), "squares")
    found = opened(index, store, "projected")
    assert (len(found), found.n_broken) == (0, 4)
    assert list(found.features["projected"].chunks()) == []


def test_an_example_that_could_not_be_read_is_broken_with_its_reason(model, store, settings):
    unread = [Example("a", b"", 0, problem="no such file: a.jpg"), Squares()[1]]
    split = IndexedSplit(2, lambda index: unread[index], lambda: None)
    index = encoder(model, store, settings).embed(split, "files")
    assert SplitReader(store, "linear").open(index, ()).broken == (("a", "no such file: a.jpg"),)


def test_what_is_all_there_needs_no_writing(model, store, settings, monkeypatch):
    split = IndexedSplit(40, lambda index: Squares()[index], lambda: None)
    first = encoder(model, store, settings).embed(split, "squares")

    def refuse(file: int) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "fsync", refuse)
    assert encoder(model, store, settings).embed(split, "squares") == first
    with pytest.raises(UserError, match="its file system is read-only"):
        encoder(model, store, settings).embed(Squares(seed=1).split("test"), "others")


def test_a_split_that_changes_while_it_is_read_is_read_again(model, store, settings):
    state = {"version": 1}

    def read(index: int) -> Example:
        state["version"] = 2
        return Squares()[index]

    split = IndexedSplit(2, read, lambda: f"version {state['version']}")
    encoder(model, store, settings).embed(split, "squares")
    assert store.data.find("version 1") is not None
    assert store.data.find("version 2") is None


def test_an_id_that_occurs_twice_is_refused_by_name(model, store, settings):
    split = IndexedSplit(2, lambda index: replace(Squares()[index], id="twin"), lambda: None)
    with pytest.raises(UserError, match="twins/test: the id 'twin' occurs twice"):
        encoder(model, store, settings).embed(split, "twins/test")


def test_a_stopped_run_goes_on_after_its_last_part(model, store, settings, monkeypatch):
    monkeypatch.setattr(examples, "PART_ROWS", 8)

    class Stopped(Split):
        def shards(self) -> list[Shard]:
            return [_Stopping(20)]

    with pytest.raises(RuntimeError, match="pulled the plug"):
        encoder(model, store, settings).embed(Stopped(), "squares")
    done = model.images
    assert done == 16
    assert store.data.find(Squares().locator()) is None

    again = encoder(model, store, settings)
    index = again.embed(Squares(40).split("test"), "squares")
    assert again.encoded == 40 - done
    assert SplitReader(store, "linear").missing(index) == 0


class _Stopping:
    name = "0"

    def __init__(self, after: int) -> None:
        self.after = after

    def __iter__(self) -> Iterator[Example]:
        data = Squares()
        yield from (data[index] for index in range(self.after))
        raise RuntimeError("pulled the plug")


def test_a_resumed_run_keeps_the_batch_size_that_was_chosen(model, store):
    small = ImageEncoder(lambda: model, "linear", store, EncodeSettings("cpu", batch_size=7))
    small.embed(Squares(20).split("test"), "squares")
    resumed = ImageEncoder(lambda: model, "linear", store, EncodeSettings("cpu"))
    resumed.embed(Squares(20).split("test"), "squares")
    assert resumed.batch_size == 7


def test_batches_do_not_reach_over_the_end_of_a_part(model, store, monkeypatch):
    monkeypatch.setattr(examples, "PART_ROWS", 10)
    encoder(model, store, EncodeSettings("cpu", batch_size=4)).embed(Squares(25).split("test"), "squares")
    assert model.batches == [4, 4, 2, 4, 4, 2, 4, 1]


def test_large_images_make_smaller_parts(monkeypatch):
    monkeypatch.setattr(examples, "PART_BYTES", 1000)
    data = Squares(10)
    parts = list(examples.cut_into_parts(iter([iter([data[index] for index in range(10)])])))
    assert sum(part.key.rows for part in parts) == 10
    assert max(part.key.rows for part in parts) < 10


def test_the_batch_is_halved_where_memory_runs_out(store, settings):
    class Narrow(LinearModel):
        def encode_images(self, pixels: Tensor) -> ImageFeatures:
            if len(pixels) > 3:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().encode_images(pixels)

    wide, narrow, other = LinearModel(), Narrow(), Store(store.root / "wide")
    expected = encoder(wide, other, settings).embed(Squares().split("test"), "squares")
    encode = encoder(narrow, store, settings)
    index = encode.embed(Squares().split("test"), "squares")
    assert encode.batch_size == 2
    np.testing.assert_allclose(
        opened(index, store, "projected").features["projected"].load(),
        opened(expected, other, "projected").features["projected"].load(),
        rtol=1e-5,
        atol=1e-5,
    )


def test_features_that_are_not_finite_name_the_image(store, settings):
    class Overflowing(LinearModel):
        def encode_images(self, pixels: Tensor) -> ImageFeatures:
            features = super().encode_images(pixels)
            features.projected[3] = float("inf")
            return features

    told = r"image '0003': the model's projected features are not finite; "
    with pytest.raises(UserError, match=f"{told}check the checkpoint"):
        encoder(Overflowing(), store, settings).embed(Squares().split("test"), "squares")
    half = Overflowing()
    half.info = replace(half.info, pedigree=replace(half.info.pedigree, precision="float16"))
    with pytest.raises(UserError, match=f"{told}try --precision float32"):
        encoder(half, store, settings).embed(Squares().split("test"), "squares")


class Inverted:
    """A view that depends on the id."""

    name = "inverted"

    def fingerprint(self) -> str:
        return "inverted"

    def __call__(self, image: PIL.Image.Image, example_id: str) -> PIL.Image.Image:
        return PIL.Image.eval(image, lambda value: 255 - value) if int(example_id) % 2 else image


@pytest.mark.parametrize("workers", [0, 1])
def test_a_view_has_embeddings_of_its_own(model, store, workers):
    settings = EncodeSettings("cpu", batch_size=16, workers=workers)
    index = encoder(model, store, settings).embed(Squares().split("test"), "squares")
    seen = encoder(model, store, settings).embed(Squares().split("test"), "squares", view=Inverted())
    assert seen == index
    plain = opened(index, store, "projected").features["projected"].load()
    inverted = SplitReader(store, "linear", "inverted").open(index, ("projected",)).images.features["projected"].load()
    unchanged = np.isclose(plain, inverted).all(axis=1)
    assert unchanged.tolist() == [True, False] * 20


def test_a_limit_is_balanced_over_the_classes_and_grows_by_adding():
    keys = [(f"{row}", row % 3 if row < 90 else 0) for row in range(150)]
    labels = dict(keys)
    chosen = balanced_ids(keys, 30)
    assert sorted(labels[example_id] for example_id in chosen) == [0] * 10 + [1] * 10 + [2] * 10
    assert balanced_ids(reversed(keys), 30) == chosen
    assert chosen < balanced_ids(keys, 60)
    assert len(balanced_ids(keys, 1000)) == 150


def test_a_limit_takes_its_images_from_a_whole_split_that_is_stored(model, store, settings):
    alone = Store(store.root / "alone")
    limited = encoder(model, alone, settings).embed(LimitedSplit(Squares().split("test"), 10), "squares")
    encoder(model, store, settings).embed(Squares().split("test"), "squares")
    encoded = model.images

    reader = SplitReader(store, "linear", limit=10)
    _, index = reader.find(Squares().split("test"))
    assert index is not None
    assert reader.missing(index) == 0
    from_whole = reader.open(index, ("projected",))
    from_alone = SplitReader(alone, "linear", limit=10).open(limited, ("projected",))
    assert model.images == encoded
    assert from_whole.images.ids == from_alone.images.ids
    assert reader.identify(index) == reader.identify(limited)
    np.testing.assert_allclose(
        from_whole.images.features["projected"].load(), from_alone.images.features["projected"].load(), rtol=1e-5
    )


def test_chunks_are_the_whole_in_pieces(model, store, settings, monkeypatch):
    monkeypatch.setattr(examples, "PART_ROWS", 8)
    index = encoder(model, store, settings).embed(Squares(broken=[3]).split("test"), "squares")
    features = opened(index, store, "projected").features["projected"]
    pieces = dict(features.chunks(rows=3))
    assert max(len(piece) for piece in pieces.values()) == 3
    np.testing.assert_array_equal(np.concatenate(list(pieces.values())), features.load())
    assert list(pieces) == np.cumsum([0, *[len(piece) for piece in pieces.values()]])[:-1].tolist()
