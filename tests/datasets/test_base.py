"""The classes that a user subclasses."""

import io
from pathlib import Path

import PIL.Image
import pytest

from clipbench.datasets.base import INDEXED_SHARD, Dataset, Example, IndexedDataset, IndexedSplit, Split
from clipbench.datasets.catalog import define, open_dataset
from clipbench.datasets.decoding import BrokenImage, decode
from clipbench.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[2]


class Numbers(IndexedDataset):
    classes = ("even", "odd")

    def __len__(self):
        return INDEXED_SHARD + 2

    def __getitem__(self, index):
        return Example(str(index), b"image", label=index % 2)


def test_an_indexed_dataset_is_one_split_cut_into_shards_of_consecutive_examples():
    split = Numbers().split("test")
    shards = split.shards()
    assert split.count == INDEXED_SHARD + 2
    assert [len(list(shard)) for shard in shards] == [INDEXED_SHARD, 2]
    assert [example.id for shard in shards for example in shard] == [str(i) for i in range(INDEXED_SHARD + 2)]
    assert list(split.keys())[:3] == [("0", 0), ("1", 1), ("2", 0)]


def test_a_split_that_is_not_there_is_named_with_those_that_are():
    dataset = open_dataset(define("digits", {"adapter": "digits"}, base=None))
    with pytest.raises(UserError, match="digits: there is no split 'validation'; it has: test, train"):
        dataset.split("validation")


def test_an_image_is_found_by_its_id(png):
    pictures = [Example("a", png((1, 2, 3))), Example("b", png((4, 5, 6)))]

    class Plain(Split):
        def shards(self):
            return [pictures]

    for split in (Plain(), IndexedSplit(2, pictures.__getitem__, lambda: None)):
        assert split.image("b").getpixel((0, 0)) == (4, 5, 6)
        with pytest.raises(KeyError):
            split.image("c")


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK"])
def test_every_image_reaches_the_model_as_rgb(mode):
    file = io.BytesIO()
    PIL.Image.new("RGB", (3, 2)).convert(mode).save(file, "TIFF")
    assert decode(file.getvalue()).mode == "RGB"


def test_a_broken_image_raises_when_it_is_decoded():
    with pytest.raises(BrokenImage, match="none of JPEG, PNG, WebP, GIF, BMP, TIFF, PPM"):
        decode(b"not an image")


def test_the_example_adapter_is_opened_by_dotted_path(tmp_path, monkeypatch, png):
    monkeypatch.syspath_prepend(str(REPOSITORY / "examples"))
    (tmp_path / "photos").mkdir()
    for name in ("oak-1.jpg", "maple-1.jpg", "oak-2.jpg"):
        (tmp_path / "photos" / name).write_bytes(png())
    mapping = {"adapter": "leaves_dataset:Leaves", "path": "photos", "regime": "field"}
    dataset = open_dataset(define("leaves", mapping, base=tmp_path))
    assert isinstance(dataset, Dataset)
    assert (dataset.info.name, dataset.info.regime, dataset.classes) == ("leaves", "field", ("maple", "oak"))
    assert list(dataset.split("test").keys()) == [("maple-1.jpg", 0), ("oak-1.jpg", 1), ("oak-2.jpg", 1)]
    assert dataset.split("test").image("oak-2.jpg").size == (4, 4)
