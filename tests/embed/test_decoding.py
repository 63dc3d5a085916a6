"""How images are decoded is part of what is stored, where it concerns one of them, and of nothing else."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import PIL.Image
import pyarrow.parquet as pq
import pytest

from clipbench.datasets.base import Example, IndexedSplit
from clipbench.datasets.decoding import Decoding
from clipbench.datasets.subset import LimitedSplit
from clipbench.embed.encode import EncodeSettings, ImageEncoder
from clipbench.embed.image_set import SplitReader
from clipbench.errors import UserError

from .conftest import LinearModel, Squares

ORIENTED, TRANSPARENT, DEEP = range(3)


def _changed(index: int, kind: int | None, upright: PIL.Image.Image) -> bytes:
    file = io.BytesIO()
    if kind == ORIENTED:
        exif = PIL.Image.Exif()
        exif[0x0112] = 6
        upright.transpose(PIL.Image.Transpose.ROTATE_90).save(file, "PNG", exif=exif)
    elif kind == TRANSPARENT:
        upright.putalpha(0)
        upright.save(file, "PNG")
    elif kind == DEEP:
        PIL.Image.fromarray(np.asarray(upright.convert("L")).astype(np.uint16) * 257).save(file, "PNG")
    return file.getvalue()


class Changed(Squares):
    """Squares of which every fourth has what can be decoded in two ways."""

    def __init__(self, kind: int, decoding: Decoding) -> None:
        super().__init__(20)
        self.kind = kind
        self.decoding = decoding

    def __getitem__(self, index: int) -> Example:
        example = super().__getitem__(index)
        upright = PIL.Image.open(io.BytesIO(example.image))
        return example if index % 4 else replace(example, image=_changed(index, self.kind, upright))

    def locator(self) -> str:
        return f"changed {self.kind}"


@pytest.fixture
def embed(store, settings):
    """Embeds a split with one model, and returns its index and how many images that encoded."""
    model = LinearModel()

    def run(split):
        before = model.images
        index = ImageEncoder(lambda: model, "linear", store, settings).embed(split, "squares")
        return index, model.images - before

    return run


def _features(index, store):
    return SplitReader(store, "linear").open(index, ("backbone",)).images.features["backbone"].load()


@pytest.mark.parametrize("decoding", [Decoding("apply"), Decoding(alpha="white"), Decoding("apply", "black")])
def test_images_that_a_decoding_does_not_concern_are_not_encoded_again(embed, store, decoding):
    plain, encoded = embed(Squares().split("test"))
    data = Squares()
    data.decoding = decoding
    index, again = embed(data.split("test"))
    assert (encoded, again, store.data.find(data.locator(), decoding)) == (40, 0, index)
    assert index.seen_through("") == plain.seen_through("") == plain.parts
    assert SplitReader(store, "linear").identify(index) == SplitReader(store, "linear").identify(plain)
    assert SplitReader(store, "linear").open(index, ()).notes == ()


@pytest.mark.parametrize(
    ("kind", "declared", "says"),
    [
        (ORIENTED, Decoding("apply"), "5 of 20 images carry an EXIF orientation, which was applied"),
        (ORIENTED, Decoding(), "which was ignored (`exif: apply` turns them)"),
        (TRANSPARENT, Decoding(alpha="white"), "5 of 20 images have an alpha channel, which was shown on white"),
        (TRANSPARENT, Decoding(), "which was dropped (`alpha: white` shows them on white)"),
        (DEEP, Decoding(), "5 of 20 images have more than 8 bits a channel, which were scaled to 8"),
    ],
)
def test_what_was_done_is_noted(embed, store, kind, declared, says):
    index, _ = embed(Changed(kind, declared).split("test"))
    (note,) = SplitReader(store, "linear").open(index, ()).notes
    assert says in note
    limited = SplitReader(store, "linear", limit=4)
    split, whole = limited.find(Changed(kind, declared).split("test"))
    assert whole == index
    other = embed(LimitedSplit(split, 4))[0]
    assert limited.identify(whole) == limited.identify(other)


@pytest.mark.parametrize(("kind", "declared"), [(ORIENTED, Decoding("apply")), (TRANSPARENT, Decoding(alpha="black"))])
def test_another_decoding_has_embeddings_and_an_identity_of_its_own(embed, store, kind, declared):
    usual, first = embed(Changed(kind, Decoding()).split("test"))
    other, second = embed(Changed(kind, declared).split("test"))
    assert (first, second) == (20, 20)
    reader = SplitReader(store, "linear")
    assert (reader.identify(usual).decoding, bool(reader.identify(other).decoding)) == ("", True)
    assert usual.seen_through("view") == tuple(part.seen_through("view") for part in usual.parts)
    assert other.seen_through("view") != usual.seen_through("view")
    unchanged = (_features(usual, store) == _features(other, store)).all(axis=1)
    assert unchanged.tolist() == [bool(row % 4) for row in range(20)]


def test_oriented_images_have_the_embeddings_of_upright_ones(embed, store):
    plain = embed(Squares(20).split("test"))[0]
    turned = embed(Changed(ORIENTED, Decoding("apply")).split("test"))[0]
    np.testing.assert_array_equal(_features(plain, store), _features(turned, store))


def test_parts_with_deep_images_are_encoded_again_since_older_versions_clipped_them(embed, store):
    index = embed(Changed(DEEP, Decoding()).split("test"))[0]
    assert index.seen_through("") != index.parts
    assert SplitReader(store, "linear").identify(index).decoding == "depth scaled"


def test_a_table_of_a_version_that_did_not_look_at_the_images_is_read_again(embed, store):
    index = embed(Squares().split("test"))[0]
    table = pq.read_table(index.table)
    metadata = pq.read_metadata(index.table).metadata
    metadata.pop(b"ARROW:schema")
    parts = [{"digest": part.digest, "rows": part.rows} for part in index.parts]
    pq.write_table(table.replace_schema_metadata({**metadata, b"parts": json.dumps(parts)}), index.table)
    assert store.data.find(Squares().locator()) is None
    assert embed(Squares().split("test")) == (index, 0)
    assert store.data.find(Squares().locator()) == index


def test_what_cannot_be_read_now_is_looked_for_again(embed, store):
    """The locator is the same, as after a network disk has come back."""
    unread = replace(Squares()[3], image=b"", problem="3.png cannot be read (Permission denied)")
    for example, broken in ((unread, [("0003", unread.problem)]), (Squares()[3], [])):
        split = IndexedSplit(20, lambda at, example=example: example if at == 3 else Squares()[at], lambda: "a disk")
        assert store.data.find("a disk") is None
        index, _ = embed(split)
        assert list(SplitReader(store, "linear").open(index, ()).broken) == broken
    assert store.data.find("a disk") == index


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("stage", ["transform", "view", "memory"])
def test_errors_that_no_image_causes_fail_the_job_with_the_image_s_id(store, monkeypatch, stage, workers):
    says = {
        "transform": "image '0000': the model's transform failed (TypeError: no such size)",
        "view": "image '0000': the view fog failed (ZeroDivisionError: no light)",
        "memory": "image '0000': decoding failed (MemoryError: )",
    }[stage]
    model = LinearModel()

    class Fog:
        name = "fog"

        def fingerprint(self) -> str:
            return "fog"

        def __call__(self, image, example_id):
            raise ZeroDivisionError("no light")

    def refuse(image):
        raise TypeError("no such size")

    def exhausted(*_, **__):
        raise MemoryError

    if stage == "transform":
        model.transform = refuse
    if stage == "memory":
        monkeypatch.setattr(PIL.Image.Image, "convert", exhausted)
    encoder = ImageEncoder(lambda: model, "linear", store, EncodeSettings("cpu", 8, workers))
    with pytest.raises(UserError) as refused:
        encoder.embed(Squares().split("test"), "squares", view=Fog() if stage == "view" else None)
    assert str(refused.value) == says
    assert store.data.find(Squares().locator()) is None
