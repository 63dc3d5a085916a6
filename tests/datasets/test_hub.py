"""Hugging Face data sets: local Parquet and Arrow folders, and the hub."""

import json
import pickle
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipbench.datasets import base
from clipbench.datasets.adapters.hub import HuggingFace
from clipbench.errors import Unavailable, UserError

from ..conftest import printed_by
from .conftest import examples

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
TEST = "test-00000-of-00001.parquet"
CLASSES = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}


def _table(images, features=None, **columns):
    cells = [image if image is None or isinstance(image, dict) else {"bytes": image, "path": None} for image in images]
    table = pa.table({"image": pa.array(cells, IMAGE), **columns})
    metadata = {"huggingface": json.dumps({"info": {"features": features}})} if features else None
    return table.replace_schema_metadata(metadata)


def _write(folder: Path, table, name=TEST, **options) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / name, **options)


@pytest.mark.shared_data
def test_cifar10_opens_as_it_lies_on_the_hub(shared_data):
    dataset = HuggingFace(path=str(shared_data / "cifar10"))
    assert {name: split.count for name, split in dataset.splits.items()} == {"test": 10_000, "train": 20_000}
    assert dataset.classes[:3] == ("airplane", "automobile", "bird")
    shards, found = dataset.split("test").shards(), examples(dataset)
    assert (len(shards), len(found)) == (3, 10_000)
    assert [example.id for example in found[:2]] == ["00000000", "00000001"]
    assert [(e.id, e.label) for e in found] == list(dataset.split("test").keys())
    assert dataset.split("test").image("00009999").size == (32, 32)
    assert [e.image for e in shards[2]] == [e.image for e in found[8192:]]


def test_a_local_folder_loads_neither_the_datasets_library_nor_torch(tmp_path, png):
    _write(tmp_path, _table([png()], label=["a"]))
    program = (
        "import sys; from clipbench.datasets.adapters.hub import HuggingFace; dataset = HuggingFace(path='.'); "
        "print([e.id for shard in dataset.split('test').shards() for e in shard]); "
        "assert not {'datasets', 'torch', 'pandas'} & set(sys.modules)"
    )
    assert printed_by(program, tmp_path) == "['00000000']"


def test_shards_cross_files_and_row_groups(tmp_path, png, monkeypatch):
    monkeypatch.setattr(base, "INDEXED_SHARD", 7)
    images = [png((n, 0, 0)) for n in range(20)]
    labels = ["a", "b"] * 10
    _write(tmp_path, _table(images[:9], label=labels[:9]), "data/test-00000-of-00002.parquet", row_group_size=4)
    _write(tmp_path, _table(images[9:], label=labels[9:]), "data/test-00001-of-00002.parquet", row_group_size=3)
    split = HuggingFace(path=str(tmp_path)).split("test")
    shards = split.shards()
    assert [len(list(shard)) for shard in shards] == [7, 7, 6]
    assert [example.image for shard in shards for example in shard] == images
    assert [example.image for example in pickle.loads(pickle.dumps(shards[1]))] == images[7:14]
    assert split.image("00000013").getpixel((0, 0)) == (13, 0, 0)
    for unknown in ("00000020", "x"):
        with pytest.raises(KeyError):
            split.image(unknown)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("data/validation-00000-of-00001-0a1b2c.parquet", "validation"),
        ("train/0000.parquet", "train"),
        ("test.parquet", "test"),
        ("train_part.parquet", "train"),
        ("trainer.parquet", "test"),
        ("anything.parquet", "test"),
    ],
)
def test_the_split_is_told_by_the_file_name(tmp_path, png, name, split):
    _write(tmp_path, _table([png()], label=["a"]), name)
    assert list(HuggingFace(path=str(tmp_path)).splits) == [split]
    assert HuggingFace(path=name, base=tmp_path).split("test").count == 1


def test_splits_can_be_chosen_and_renamed(tmp_path, png):
    for name in ("train", "validation"):
        _write(tmp_path, _table([png()], label=["a"]), f"{name}-00000-of-00001.parquet")
    assert list(HuggingFace(path=str(tmp_path), splits={"test": "validation"}).splits) == ["test"]
    with pytest.raises(UserError, match="splits: there is no split 'valid'; did you mean 'validation'"):
        HuggingFace(path=str(tmp_path), splits={"test": "valid"})


def test_configurations(tmp_path, png):
    for config in ("small", "large"):
        _write(tmp_path / config, _table([png()] * len(config), label=["a"] * len(config)))
    with pytest.raises(UserError, match="holds several configurations; name one under `config:`: large, small"):
        HuggingFace(path=str(tmp_path))
    assert HuggingFace(path=str(tmp_path), config="small").split("test").count == 5
    with pytest.raises(UserError, match="there is no configuration 'tiny'; it has: large, small"):
        HuggingFace(path=str(tmp_path), config="tiny")


def test_a_missing_part_is_named(tmp_path, png):
    for part in (0, 2):
        _write(tmp_path, _table([png()], label=["a"]), f"test-0000{part}-of-00003.parquet")
    with pytest.raises(UserError, match="part 1 of 3 of split 'test' is missing"):
        HuggingFace(path=str(tmp_path))


def test_class_names_come_from_the_table_or_from_the_suite(tmp_path, png):
    _write(tmp_path, _table([png(), png()], CLASSES, label=[1, 0]))
    assert HuggingFace(path=str(tmp_path)).classes == ("cat", "dog")
    dataset = HuggingFace(path=str(tmp_path), classes=["a cat", "a dog"])
    assert dataset.classes == ("a cat", "a dog")
    assert [example.label for example in examples(dataset)] == [1, 0]
    with pytest.raises(UserError, match="`classes` has 1 names, column 'label' has 2 classes"):
        HuggingFace(path=str(tmp_path), classes=["a cat"])


def test_label_texts_are_classes_over_all_splits(tmp_path, png):
    _write(tmp_path, _table([png(), png()], label=["dog", "cat"]))
    _write(tmp_path, _table([png()], label=["ant"]), "train-00000-of-00001.parquet")
    dataset = HuggingFace(path=str(tmp_path))
    assert dataset.classes == ("ant", "cat", "dog")
    assert [example.label for example in examples(dataset)] == [2, 1]


def test_numbers_without_names_are_refused(tmp_path, png):
    _write(tmp_path, _table([png()], label=[3]))
    with pytest.raises(UserError, match=r"column 'label' holds numbers \(3\) and nothing names the classes"):
        HuggingFace(path=str(tmp_path))
    assert HuggingFace(path=str(tmp_path), classes=list("abcd")).classes == ("a", "b", "c", "d")


def test_lists_of_labels_make_a_multi_label_set(tmp_path, png):
    features = {"image": {"_type": "Image"}, "labels": {"_type": "List", "feature": CLASSES["label"]}}
    _write(tmp_path, _table([png(), png()], features, labels=[[1, 0], []]))
    dataset = HuggingFace(path=str(tmp_path))
    assert (dataset.multilabel, dataset.classes) == (True, ("cat", "dog"))
    assert [example.labels for example in examples(dataset)] == [(0, 1), ()]


def test_captions_ids_and_groups(tmp_path, png):
    _write(tmp_path, _table([png(), png()], captions=[["a", " b "], ["c"]], key=["x", "y"], age=[3, None]))
    dataset = HuggingFace(path=str(tmp_path), id="key", groups=["age"])
    assert dataset.classes == ()
    assert [(e.id, e.captions, e.label, e.groups) for e in examples(dataset)] == [
        ("x", ("a", "b"), None, {"age": "3"}),
        ("y", ("c",), None, {"age": ""}),
    ]
    assert list(dataset.split("test").keys()) == [("x", None), ("y", None)]
    assert dataset.split("test").image("y").size == (4, 4)
    with pytest.raises(KeyError):
        dataset.split("test").image("z")
    assert list(HuggingFace(path=str(tmp_path)).split("test").keys()) == [("00000000", None), ("00000001", None)]


def test_an_id_that_repeats_is_named_with_its_rows(tmp_path, png):
    _write(tmp_path, _table([png()] * 3, label=["a"] * 3, key=["x", "y", "x"]))
    with pytest.raises(UserError, match="split 'test': column 'key' holds 'x' in rows 0 and 2"):
        HuggingFace(path=str(tmp_path), id="key").split("test").shards()


@pytest.mark.parametrize(
    ("columns", "features", "arguments", "says"),
    [
        ({"x": [1.5]}, None, {}, "no column .* labels or captions; name one under `label:` or `caption:`; .*x"),
        ({"label": ["a"]}, None, {"label": "lable"}, "there is no column 'lable'; did you mean 'label'.*image"),
        ({"label": ["a"]}, None, {"image": "label"}, "column 'label' holds text, which cannot be the image"),
        ({"label": ["a"]}, None, {"label": "image"}, "column 'image' holds image, which cannot be the label"),
        ({"label": ["a"]}, None, {"caption": "image"}, "column 'image' holds image, which cannot be the caption"),
        ({"mask": [b"x"], "label": ["a"]}, None, {}, "several columns hold images; name one under `image:`; .*mask"),
        (
            {"make": [0], "model": [1]},
            dict.fromkeys(("make", "model"), CLASSES["label"]),
            {},
            r"several columns hold class labels; name one under `label:`; .*image \(image\), make \(classes\), model",
        ),
    ],
)
def test_columns_that_cannot_be_told_are_listed(tmp_path, png, columns, features, arguments, says):
    _write(tmp_path, _table([png()], features, **columns))
    with pytest.raises(UserError, match=f"{tmp_path}: {says}"):
        HuggingFace(path=str(tmp_path), **arguments)


def test_a_table_without_images_is_refused(tmp_path):
    _write(tmp_path, pa.table({"label": ["a"]}))
    with pytest.raises(UserError, match=r"no column holds .*images; name one under `image:`; it has label \(text\)"):
        HuggingFace(path=str(tmp_path))


@pytest.mark.parametrize(
    ("label", "says"),
    [
        (2, "label 2 is not one of the 2 classes"),
        (-1, r"label -1 is not one of the 2 classes \(0 to 1\); -1 marks images whose label is kept secret"),
        (None, "there is no label"),
    ],
)
def test_a_label_that_is_none_of_the_classes_names_the_row(tmp_path, png, label, says):
    _write(tmp_path, _table([png(), png()], CLASSES, label=pa.array([0, label], pa.int64())))
    with pytest.raises(UserError, match=f"{tmp_path}, row 1: column 'label': {says}"):
        examples(HuggingFace(path=str(tmp_path)))


def test_images_that_are_not_there_are_broken_and_the_others_are_read(tmp_path, png):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/near.png").write_bytes(png())
    (tmp_path / "secret.png").write_bytes(b"secret")
    paths = ["near.png", "gone.png", "../secret.png", str(tmp_path / "secret.png")]
    cells = [png(), None, b"", *({"bytes": None, "path": path} for path in paths)]
    _write(tmp_path / "set", _table(cells, label=["a"] * 7))
    assert [(e.image, e.problem) for e in examples(HuggingFace(path=str(tmp_path / "set")))] == [
        (png(), None),
        (b"", None),
        (b"", None),
        (png(), None),
        (b"", "gone.png cannot be read (No such file or directory)"),
        (b"", "../secret.png lies outside the data set"),
        (b"", f"{tmp_path}/secret.png lies outside the data set"),
    ]


def test_images_may_be_a_plain_column_of_bytes(tmp_path, png):
    _write(tmp_path, pa.table({"png": [png()], "fine_label": ["a"]}))
    assert [(e.image, e.label) for e in examples(HuggingFace(path=str(tmp_path)))] == [(png(), 0)]


def test_a_damaged_file_is_named(tmp_path, png):
    images = [png((n, 0, 0)) for n in range(100)]
    _write(tmp_path, _table(images, label=["a"] * 100), compression="none", use_dictionary=False)
    file = tmp_path / TEST
    content = bytearray(file.read_bytes())
    content[4:2000] = bytes(1996)
    file.write_bytes(content)
    with pytest.raises(UserError, match=rf"{TEST}: is damaged \("):
        examples(HuggingFace(path=str(tmp_path), classes=["a"]))
    file.write_bytes(content[:-10])
    with pytest.raises(UserError, match=rf"{TEST}: cannot be read as Parquet"):
        HuggingFace(path=str(tmp_path))


def test_the_locator_changes_with_the_files_and_with_the_columns(tmp_path, png, later):
    _write(tmp_path, _table([png()], label=["a"], other=["b"]))
    before = HuggingFace(path=str(tmp_path)).split("test").locator()
    assert HuggingFace(path=str(tmp_path)).split("test").locator() == before
    assert HuggingFace(path=str(tmp_path), label="other").split("test").locator() != before
    later(tmp_path / TEST)
    assert HuggingFace(path=str(tmp_path)).split("test").locator() != before


def test_memory_does_not_grow_with_the_file(tmp_path):
    def peak(count):
        images = [bytes([n % 256]) * 20_000 for n in range(count)]
        _write(tmp_path, _table(images, CLASSES, label=[0] * count), row_group_size=50, compression="none")
        del images
        shards = HuggingFace(path=str(tmp_path)).split("test").shards()
        before = pa.total_allocated_bytes()
        return max(pa.total_allocated_bytes() - before for shard in shards for _ in shard)

    few, many = peak(100), peak(1000)
    assert many < 2 * few < 10_000_000


def test_a_folder_written_by_save_to_disk(tmp_path, png):
    import datasets

    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    cells = [{"bytes": png((n, 0, 0)), "path": None} for n in range(3)]
    data = datasets.Dataset.from_dict({"image": cells, "label": [0, 1, 1]}, features=features)
    data.save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"train": data, "val": data.select([2, 0])}).save_to_disk(tmp_path / "several")
    one, several = (HuggingFace(path=path, base=tmp_path) for path in ("one", "several"))
    assert one.classes == ("cat", "dog")
    assert [(e.id, e.label, e.image) for e in examples(one)][1] == ("00000001", 1, png((1, 0, 0)))
    assert {name: split.count for name, split in several.splits.items()} == {"train": 3, "val": 2}
    assert [e.image for e in examples(several, "val")] == [png((2, 0, 0)), png((0, 0, 0))]
    assert several.split("val").locator() == HuggingFace(path="several", base=tmp_path).split("val").locator()


def test_what_is_no_data_set_says_what_was_expected(tmp_path):
    with pytest.raises(UserError, match=r"holds no Parquet or Arrow data set; expected SPLIT-00000-of-00001\.parquet"):
        HuggingFace(path=str(tmp_path))
    for path in ("./nowhere", "nowhere/deep/er", "nowhere.parquet"):
        with pytest.raises(UserError, match="there is no such folder; check `path`: a folder relative to the suite"):
            HuggingFace(path=path, base=tmp_path)


def test_a_hub_set_is_downloaded_once_and_found_again_without_the_hub(datasets_hub, png):
    table = _table([png()] * 3, label=["b", "a", "b"])
    for name in ("train", "test"):
        _write(datasets_hub.root / "org/birds/data", table, f"{name}-00000-of-00001.parquet")
    online = HuggingFace(path="org/birds")
    assert online.classes == ("a", "b")
    rows = [("00000000", 1, png()), ("00000001", 0, png()), ("00000002", 1, png())]
    assert [(e.id, e.label, e.image) for e in examples(online)] == rows
    assert online.split("test").locator().startswith("org/birds@0123456789abcdef")
    assert online.split("test").download_bytes == 0
    served = list(datasets_hub.served)
    datasets_hub.down = True
    offline = HuggingFace(path="org/birds", splits={"val": "train"})
    assert len(examples(offline, "val")) == 3
    assert datasets_hub.served == served
    shutil.rmtree(datasets_hub.cache)
    with pytest.raises(Unavailable, match="data set org/birds: every file is missing"):
        HuggingFace(path="org/birds")


def test_a_hub_set_with_code_or_without_data_is_refused(datasets_hub):
    for file, content in (("code/code.py", "raise SystemExit('this was run')"), ("empty/README.md", "nothing")):
        path = datasets_hub.root / "org" / file
        path.parent.mkdir(parents=True)
        path.write_text(content)
    with pytest.raises(UserError, match=r"data set org/code: cannot be opened \(Dataset scripts are no longer supp"):
        HuggingFace(path="org/code")
    with pytest.raises(UserError, match="data set org/empty: cannot be opened"):
        HuggingFace(path="org/empty")
