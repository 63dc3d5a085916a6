"""The webdataset layout: local, mirrored and on the hub."""

import io
import pickle
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from clipbench.datasets.adapters.webdataset import WebDataset
from clipbench.errors import Unavailable, UserError

from .conftest import examples


@pytest.fixture
def one(tmp_path, write_tar):
    """Writes a data set of one shard."""

    def write(members, kind=None, classes="cat\ndog\n"):
        root = tmp_path / "one"
        write_tar(root / "test/0.tar", members)
        (root / "classnames.txt").write_text(classes)
        if kind:
            (root / "dataset_type.txt").write_text(kind)
        return WebDataset(path=root)

    return write


def _array(values) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def _tars(hub):
    return [name for name in hub.served if name.endswith(".tar")]


def test_examples_come_shard_by_shard_with_labels(layout, png):
    dataset = WebDataset(path=layout)
    assert dataset.classes == ("cat", "dog")
    assert dataset.templates == ("a photo of a {}.", "{}, a pet")
    assert list(dataset.splits) == ["test", "train"]
    found = examples(dataset)
    labels = [("0/a", 0), ("0/b", 1), ("1/a", 1), ("1/c", 0)]
    assert [(e.id, e.label) for e in found] == list(dataset.split("test").keys()) == labels
    assert (found[1].image, {e.problem for e in found}) == (png((0, 0, 9)), {None})
    assert (dataset.split("test").count, dataset.split("test").download_bytes) == (4, 0)


def test_an_image_is_read_from_its_own_shard(layout):
    split = WebDataset(path=layout).split("test")
    (layout / "test/0.tar").write_bytes(b"damaged")
    assert split.image("1/a").getpixel((0, 0)) == (5, 5, 5)
    with pytest.raises(KeyError):
        split.image("1/zzz")


def test_shards_can_be_sent_to_other_processes(layout):
    shard = WebDataset(path=layout).split("test").shards()[1]
    assert [example.id for example in pickle.loads(pickle.dumps(shard))] == ["1/a", "1/c"]


@pytest.mark.shared_data
def test_the_imagenet_sample_opens(shared_data):
    dataset = WebDataset(path=shared_data / "imagenet_sample")
    found = examples(dataset)
    assert [example.label for example in found] == list(range(80))
    assert (len(dataset.classes), dataset.classes[0], dataset.templates) == (80, "goldfish", ("a photo of a {}.",))
    assert dataset.split("test").image(found[7].id).mode == "RGB"


@pytest.mark.shared_data
def test_the_flickr8k_sample_has_five_captions_an_image(shared_data):
    dataset = WebDataset(path=shared_data / "flickr8k_sample")
    found = examples(dataset)
    assert (len(found), dataset.classes) == (500, ())
    assert {(len(example.captions), example.label) for example in found} == {(5, None)}


def test_shards_are_in_numerical_order(tmp_path, png, write_tar):
    for number in range(11):
        write_tar(tmp_path / f"test/{number}.tar", {"a.png": png(), "a.cls": b"0"})
    (tmp_path / "classnames.txt").write_text("cat")
    assert [shard.name for shard in WebDataset(path=tmp_path).split("test").shards()] == [str(n) for n in range(11)]


@pytest.mark.parametrize(
    ("array", "labels"),
    [
        (np.array([1.0, 0, 1], np.float32), (0, 2)),
        (np.array([0, 0, 0]), ()),
        (np.array([True, False, False]), (0,)),
        (np.array([2, 0]), (0, 2)),
        (np.array([1]), (1,)),
        (np.array([], np.int64), ()),
    ],
)
def test_several_labels_are_a_vector_of_zeros_and_ones_or_class_numbers(one, png, array, labels):
    dataset = one({"a.png": png(), "a.npy": _array(array)}, "multilabel", "x\ny\nz")
    assert dataset.multilabel
    assert [example.labels for example in examples(dataset)] == [labels]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (_array(np.array([0.5, 0, 0])), "neither 3 zeros and ones nor distinct class numbers below 3"),
        (_array(np.array([1, 1])), "neither 3"),
        (_array(np.array([-1, 0, 1])), "neither 3"),
        (_array(np.array([7])), "neither 3"),
        (_array(np.zeros((3, 3))), "neither 3"),
        (b"no array", "is not a NumPy array"),
        (_array(np.array([{}], dtype=object)), "is not a NumPy array"),
    ],
)
def test_other_vectors_are_refused_and_never_unpickled(one, png, content, says):
    with pytest.raises(UserError, match=rf"one/test/0\.tar: a\.npy: .*{says}"):
        examples(one({"a.png": png(), "a.npy": content}, "multilabel", "x\ny\nz"))


@pytest.mark.parametrize("content", [b"2", b"", b"dog", b"1.5", b"-1", b"\xff", None])
def test_a_label_that_is_no_class_names_tar_and_key(one, png, content):
    says = {b"2": r"label 2 is not one of the 2 classes \(0 to 1\)", None: "is missing; a classification data set"}
    label = {} if content is None else {"b.cls": content}
    with pytest.raises(UserError, match=rf"one/test/0\.tar: b\.cls: {says.get(content, '')}"):
        examples(one({"a.png": png(), "a.cls": b"0", "b.png": png(), **label}))


def test_a_sample_without_image_is_broken_and_the_others_are_read(one, png):
    found = examples(one({"a.cls": b"0", "b.jpg": b"", "b.cls": b"1", "c.png": png(), "c.cls": b"1"}))
    assert [(e.id, e.image, e.problem) for e in found] == [("0/a", b"", None), ("0/b", b"", None), ("0/c", png(), None)]


def test_a_key_reaches_to_the_first_dot_behind_the_last_slash(one, png):
    members = {"v1.0/x/a.seg.png": png(), "v1.0/x/a.jpg": b"1", "v1.0/x/a.cls": b"1", "v1.0/x/._a.jpg": b"hidden"}
    assert [(e.id, e.image, e.label) for e in examples(one(members))] == [("0/v1.0/x/a", b"1", 1)]


def test_member_names_are_never_paths(tmp_path, one, png):
    before = sorted(path.name for path in tmp_path.iterdir())
    members = {"../../evil.png": png(), "../../evil.cls": b"0", "/abs.png": png(), "/abs.cls": b"1"}
    assert [example.id for example in examples(one(members))] == ["0/../../evil", "0//abs"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [*before, "one"]
    assert not Path("/abs.png").exists()


def test_links_in_a_tar_are_not_followed(tmp_path, one):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    dataset = one({"b.cls": b"0"})
    with tarfile.open(tmp_path / "one/test/0.tar", "w") as archive:
        link = tarfile.TarInfo("a.png")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        archive.addfile(link)
        label = tarfile.TarInfo("a.cls")
        label.size = 1
        archive.addfile(label, io.BytesIO(b"0"))
    assert [(e.image, e.problem) for e in examples(dataset)] == [(b"", None)]


def test_a_tar_that_is_cut_short_anywhere_or_damaged_in_the_middle_is_an_error(tmp_path, one, png):
    dataset = one({"a.png": png(), "a.cls": b"0", "b.png": png(), "b.cls": b"1"})
    tar = tmp_path / "one/test/0.tar"
    whole = tar.read_bytes()
    end = len(whole.rstrip(b"\0"))
    lengths = (0, 1, 300, 511, 512, 513, 600, 1023, 1024, 1500, 1536, 2048, 2560, 3000, 3584, end)
    for content in (*(whole[:length] for length in lengths), whole.replace(b"b.png", b"b\x8fpng", 1)):
        tar.write_bytes(content)
        with pytest.raises(UserError, match=r"one/test/0\.tar: is damaged or cut short .*; download or copy it again"):
            examples(dataset)


def test_a_key_that_comes_back_is_an_error(one, png):
    dataset = one({"a.png": png(), "b.png": png(), "a.cls": b"0", "b.cls": b"0"})
    with pytest.raises(UserError, match=r"a\.cls: is missing|key 'a' comes up twice"):
        examples(dataset)
    with pytest.raises(UserError, match="key 'a' comes up twice"):
        list(dataset.split("test").shards()[0].samples())


def test_a_shard_that_is_declared_and_not_there_is_named(layout):
    (layout / "test/nshards.txt").write_text("3\n")
    with pytest.raises(UserError, match=rf"{layout}: test/2\.tar \(one of 3 shards\) is missing; the copy is not"):
        WebDataset(path=layout).split("test").shards()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("classnames.txt", None, "classnames.txt is missing or empty"),
        ("classnames.txt", b"\xff", "classnames.txt: is not UTF-8 text"),
        ("dataset_type.txt", b"video", "dataset_type.txt says 'video'; one of: classification, multilabel, retrieval"),
        ("zeroshot_classification_templates.txt", b"a {}.", r"template 'a \{\}\.' does not contain \{c\}"),
        ("*/*.tar", None, "holds no split in the webdataset layout"),
    ],
)
def test_another_layout_is_refused_with_what_was_expected(layout, name, content, says):
    for file in layout.glob(name) if content is None else ():
        file.unlink()
    if content is not None:
        (layout / name).write_bytes(content)
    with pytest.raises(UserError, match=says):
        WebDataset(path=layout)


@pytest.fixture
def pairs(tmp_path, png, write_tar):
    """Image-text pairs as img2dataset writes them, of two splits in one folder."""
    for number, split in enumerate(["train", "train", "validation"]):
        members = {"0.jpg": png(), "0.txt": f"caption {number}".encode(), "0.json": b"{}"}
        write_tar(tmp_path / f"pairs/cc-{split}-{(9, 10, 0)[number]}.tar", members)
    return tmp_path / "pairs"


def test_tars_of_any_name_are_splits_by_their_pattern(pairs):
    splits = {"train": "cc-train-*.tar", "val": "cc-validation-*.tar"}
    dataset = WebDataset(path=pairs, splits=splits, dataset_type="retrieval")
    assert (list(dataset.splits), dataset.captioned, dataset.split("train").count) == (["train", "val"], True, 2)
    found = examples(dataset, "train")
    assert [(e.id, e.captions) for e in found] == [("cc-train-9/0", ("caption 0",)), ("cc-train-10/0", ("caption 1",))]
    assert dataset.split("train").image("cc-train-10/0").size == (4, 4)


@pytest.mark.parametrize(
    ("pattern", "says"), [("cc-test-*.tar", "no tar is called 'cc-test-[*].tar'"), ("*/*.tar", "have one name")]
)
def test_a_pattern_that_matches_nothing_or_names_twice_is_refused(pairs, pattern, says, write_tar):
    for folder in ("a", "b"):
        write_tar(pairs / folder / "0.tar", {})
    with pytest.raises(UserError, match=f"splits: train: .*{says}"):
        WebDataset(path=pairs, splits={"train": pattern}, dataset_type="retrieval")


def test_class_names_can_be_given(layout):
    assert WebDataset(path=layout, classes=["a cat", "a dog"]).classes == ("a cat", "a dog")


def test_either_a_path_or_a_hub_name_is_needed(layout):
    for arguments in ({}, {"path": layout, "hub": "org/pets"}):
        with pytest.raises(UserError, match="needs either `path`"):
            WebDataset(**arguments)
    with pytest.raises(UserError, match="is not a folder; check `path`"):
        WebDataset(path=layout / "nowhere")


def test_the_locator_changes_with_the_files(layout, later):
    before = WebDataset(path=layout).split("test").locator()
    assert WebDataset(path=layout).split("test").locator() == before
    assert WebDataset(path=layout).split("train").locator() != before
    later(layout / "test/1.tar")
    assert WebDataset(path=layout).split("test").locator() != before


def test_memory_does_not_grow_with_the_tar(one):
    def peak(count):
        members = {f"{i:05d}.{end}": content for i in range(count) for end, content in image.items()}
        shard = one(members).split("test").shards()[0]
        del members
        tracemalloc.start()
        for _ in shard:
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    image = {"png": bytes(50_000), "cls": b"0"}
    few, many = peak(10), peak(400)
    assert many - few < 200_000


def test_a_folder_of_another_layout_is_no_mirror(tmp_path, no_hub):
    (tmp_path / "mirror/pets/cat").mkdir(parents=True)
    with pytest.raises(Unavailable, match="hub cannot be reached"):
        WebDataset(hub="org/wds_pets", data_root=tmp_path / "mirror", catalog_name="pets")


def test_hub_shards_are_downloaded_one_at_a_time_as_they_are_read(hub_layout):
    dataset = WebDataset(hub="org/wds_pets")
    split = dataset.split("test")
    sizes = [(hub_layout.root / f"org/wds_pets/test/{n}.tar").stat().st_size for n in (0, 1)]
    assert not _tars(hub_layout)
    assert (split.download_bytes, split.count) == (sum(sizes), None)
    assert split.locator().startswith("org/wds_pets@0123456789abcdef")
    assert split.locator() != dataset.split("train").locator()
    first, second = split.shards()
    assert [example.label for example in first] == [0, 1]
    assert (_tars(hub_layout), split.download_bytes) == (["test/0.tar"], sizes[1])
    assert [example.label for example in second] == [1, 0]
    assert (_tars(hub_layout), split.download_bytes) == (["test/0.tar", "test/1.tar"], 0)


def test_what_was_downloaded_is_read_without_the_hub(hub_layout):
    online = WebDataset(hub="org/wds_pets")
    ids = [example.id for example in examples(online)]
    hub_layout.down = True
    offline = WebDataset(hub="org/wds_pets")
    assert [example.id for example in examples(offline)] == ids
    assert offline.split("test").locator() == online.split("test").locator()


def test_a_shard_that_was_not_downloaded_is_named_when_the_hub_is_gone(hub_layout):
    next(iter(WebDataset(hub="org/wds_pets").split("test").shards()[0]))
    hub_layout.down = True
    with pytest.raises(Unavailable, match=r"test/1\.tar \(one of 2 shards\) is missing: .*hub cannot be reached"):
        WebDataset(hub="org/wds_pets").split("test").shards()
