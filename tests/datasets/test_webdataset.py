"""The webdataset layout: local, mirrored and on the hub."""

import io
import os
import pickle
import tarfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from clipbench.datasets.adapters.webdataset import WebDataset
from clipbench.errors import Unavailable, UserError


def _examples(dataset, split="test"):
    return [example for shard in dataset.split(split).shards() for example in shard]


def _one(tmp_path, write_tar, members, kind=None, classes="cat\ndog\n"):
    """Write a data set of one shard."""
    root = tmp_path / "one"
    write_tar(root / "test/0.tar", members)
    (root / "classnames.txt").write_text(classes)
    if kind:
        (root / "dataset_type.txt").write_text(kind)
    return WebDataset(path=root)


def _array(values) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def test_examples_come_shard_by_shard_with_labels(layout, png):
    dataset = WebDataset(path=layout)
    assert dataset.classes == ("cat", "dog")
    assert dataset.templates == ("a photo of a {}.", "{}, a pet")
    assert list(dataset.splits) == ["test", "train"]
    assert [(e.id, e.label, e.problem) for e in _examples(dataset)] == [
        ("0/a", 0, None),
        ("0/b", 1, None),
        ("1/a", 1, None),
        ("1/c", 0, None),
    ]
    assert _examples(dataset)[1].image == png((0, 0, 9))


def test_keys_and_count_agree_with_the_examples(layout):
    split = WebDataset(path=layout).split("test")
    assert list(split.keys()) == [("0/a", 0), ("0/b", 1), ("1/a", 1), ("1/c", 0)]
    assert split.count == 4
    assert split.download_bytes == 0


def test_an_image_is_read_from_its_own_shard(layout):
    split = WebDataset(path=layout).split("test")
    (layout / "test/0.tar").write_bytes(b"damaged")
    assert split.image("1/a").getpixel((0, 0)) == (5, 5, 5)
    with pytest.raises(KeyError):
        split.image("1/zzz")


def test_shards_travel_to_worker_processes(layout):
    shard = WebDataset(path=layout).split("test").shards()[1]
    assert [example.id for example in pickle.loads(pickle.dumps(shard))] == ["1/a", "1/c"]


@pytest.mark.shared_data
def test_the_imagenet_sample_opens(shared_data):
    dataset = WebDataset(path=shared_data / "imagenet_sample")
    examples = _examples(dataset)
    assert len(examples) == len(dataset.classes) == 80
    assert [example.label for example in examples] == list(range(80))
    assert dataset.classes[0] == "goldfish"
    assert dataset.templates == ("a photo of a {}.",)
    assert dataset.split("test").image(examples[7].id).mode == "RGB"


@pytest.mark.shared_data
def test_the_flickr8k_sample_has_five_captions_an_image(shared_data):
    dataset = WebDataset(path=shared_data / "flickr8k_sample")
    examples = _examples(dataset)
    assert len(examples) == 500
    assert {len(example.captions) for example in examples} == {5}
    assert dataset.classes == ()
    assert {example.label for example in examples} == {None}


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
def test_several_labels_are_a_vector_of_zeros_and_ones_or_class_numbers(tmp_path, png, write_tar, array, labels):
    dataset = _one(tmp_path, write_tar, {"a.png": png(), "a.npy": _array(array)}, "multilabel", "x\ny\nz")
    assert dataset.multilabel
    assert [example.labels for example in _examples(dataset)] == [labels]


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
def test_other_vectors_are_refused_and_never_unpickled(tmp_path, png, write_tar, content, says):
    dataset = _one(tmp_path, write_tar, {"a.png": png(), "a.npy": content}, "multilabel", "x\ny\nz")
    with pytest.raises(UserError, match=says) as caught:
        _examples(dataset)
    assert str(tmp_path / "one/test/0.tar: a.npy") in str(caught.value)


def test_a_label_outside_the_classes_names_tar_and_key(tmp_path, png, write_tar):
    dataset = _one(tmp_path, write_tar, {"a.png": png(), "a.cls": b"0", "b.png": png(), "b.cls": b"2"})
    with pytest.raises(UserError) as caught:
        _examples(dataset)
    assert str(caught.value) == (
        f"{tmp_path}/one/test/0.tar: b.cls: label 2 is not one of the 2 classes (0 to 1); "
        "check the label against classnames.txt"
    )


@pytest.mark.parametrize("content", [b"", b"dog", b"1.5", b"-1", b"\xff"])
def test_a_label_that_is_no_class_number_is_refused(tmp_path, png, write_tar, content):
    dataset = _one(tmp_path, write_tar, {"a.png": png(), "a.cls": content})
    with pytest.raises(UserError, match=r"0\.tar: a\.cls: "):
        _examples(dataset)


def test_a_sample_without_label_is_an_error(tmp_path, png, write_tar):
    dataset = _one(tmp_path, write_tar, {"a.png": png(), "a.cls": b"0", "b.png": png()})
    with pytest.raises(UserError, match=r"0\.tar: b\.cls: is missing; a classification data set has one for each"):
        _examples(dataset)


def test_a_sample_without_image_is_broken_and_the_others_are_read(tmp_path, png, write_tar):
    members = {"a.cls": b"0", "b.jpg": b"", "b.cls": b"1", "c.png": png(), "c.cls": b"1"}
    examples = _examples(_one(tmp_path, write_tar, members))
    assert [(e.id, e.problem) for e in examples] == [
        ("0/a", "there is no image"),
        ("0/b", "the image is empty"),
        ("0/c", None),
    ]


def test_a_key_reaches_to_the_first_dot_behind_the_last_slash(tmp_path, png, write_tar):
    members = {"v1.0/x/a.seg.png": png(), "v1.0/x/a.jpg": b"1", "v1.0/x/a.cls": b"1", "v1.0/x/._a.jpg": b"hidden"}
    examples = _examples(_one(tmp_path, write_tar, members))
    assert [(e.id, e.image, e.label) for e in examples] == [("0/v1.0/x/a", b"1", 1)]


def test_member_names_are_never_paths(tmp_path, png, write_tar):
    before = sorted(path.name for path in tmp_path.iterdir())
    dataset = _one(
        tmp_path, write_tar, {"../../evil.png": png(), "../../evil.cls": b"0", "/abs.png": png(), "/abs.cls": b"1"}
    )
    assert [example.id for example in _examples(dataset)] == ["0/../../evil", "0//abs"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [*before, "one"]
    assert not Path("/abs.png").exists()


def test_links_in_a_tar_are_not_followed(tmp_path, write_tar):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    dataset = _one(tmp_path, write_tar, {"b.cls": b"0"})
    with tarfile.open(tmp_path / "one/test/0.tar", "w") as archive:
        link = tarfile.TarInfo("a.png")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        archive.addfile(link)
        label = tarfile.TarInfo("a.cls")
        label.size = 1
        archive.addfile(label, io.BytesIO(b"0"))
    assert [(e.image, e.problem) for e in _examples(dataset)] == [(b"", "there is no image")]


def test_a_tar_that_is_cut_short_anywhere_is_an_error(tmp_path, png, write_tar):
    dataset = _one(tmp_path, write_tar, {"a.png": png(), "a.cls": b"0", "b.png": png(), "b.cls": b"1"})
    tar = tmp_path / "one/test/0.tar"
    whole = tar.read_bytes()
    end = len(whole.rstrip(b"\0"))
    for length in (0, 1, 300, 511, 512, 513, 600, 1023, 1024, 1500, 1536, 2048, 2560, 3000, 3584, end):
        tar.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"one/test/0\.tar: is damaged or cut short .*; download or copy it again"):
            _examples(dataset)


def test_a_damaged_header_in_the_middle_is_an_error(tmp_path, png, write_tar):
    dataset = _one(tmp_path, write_tar, {"a.png": png(), "a.cls": b"0", "b.png": png(), "b.cls": b"1"})
    tar = tmp_path / "one/test/0.tar"
    content = bytearray(tar.read_bytes())
    content[content.index(b"b.png") + 1] ^= 0xFF
    tar.write_bytes(content)
    with pytest.raises(UserError, match="is damaged or cut short"):
        _examples(dataset)


def test_a_key_that_comes_back_is_an_error(tmp_path, png, write_tar):
    dataset = _one(tmp_path, write_tar, {"a.png": png(), "b.png": png(), "a.cls": b"0", "b.cls": b"0"})
    with pytest.raises(UserError, match=r"a\.cls: is missing|key 'a' comes up twice"):
        _examples(dataset)
    with pytest.raises(UserError, match="key 'a' comes up twice"):
        list(dataset.split("test").shards()[0].samples())


def test_a_shard_that_is_declared_and_not_there_is_named(layout):
    (layout / "test/nshards.txt").write_text("3\n")
    with pytest.raises(UserError) as caught:
        WebDataset(path=layout).split("test").shards()
    assert str(caught.value) == (
        f"{layout}: test/2.tar (one of 3 shards) is missing; "
        "the copy is not complete; copy or download the data set again"
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda root: (root / "classnames.txt").unlink(), "classnames.txt is missing or empty"),
        (lambda root: (root / "dataset_type.txt").write_text("video"), "dataset_type.txt says 'video'; one of: class"),
        (
            lambda root: (root / "zeroshot_classification_templates.txt").write_text("a photo of a {}."),
            r"template 'a photo of a \{\}\.' does not contain \{c\}",
        ),
        (lambda root: (root / "classnames.txt").write_bytes(b"\xff"), "classnames.txt: is not UTF-8 text"),
        (lambda root: [tar.unlink() for tar in root.glob("*/*.tar")], "holds no split in the webdataset layout"),
    ],
)
def test_another_layout_is_refused_with_what_was_expected(layout, change, says):
    change(layout)
    with pytest.raises(UserError, match=says):
        WebDataset(path=layout)


def test_class_names_can_be_given(layout):
    dataset = WebDataset(path=layout, classes=["a cat", "a dog"])
    assert dataset.classes == ("a cat", "a dog")


def test_either_a_path_or_a_hub_name_is_needed(layout):
    for arguments in ({}, {"path": layout, "hub": "org/pets"}):
        with pytest.raises(UserError, match="needs either `path`"):
            WebDataset(**arguments)
    with pytest.raises(UserError, match="is not a folder; check `path`"):
        WebDataset(path=layout / "nowhere")


def test_the_locator_changes_with_the_files(layout):
    before = WebDataset(path=layout).split("test").locator()
    assert WebDataset(path=layout).split("test").locator() == before
    assert WebDataset(path=layout).split("train").locator() != before
    later = (layout / "test/1.tar").stat().st_mtime_ns + 1_000_000_000
    os.utime(layout / "test/1.tar", ns=(later, later))
    assert WebDataset(path=layout).split("test").locator() != before


def test_memory_does_not_grow_with_the_tar(tmp_path, write_tar):
    def peak(count):
        members = {f"{i:05d}.{end}": content for i in range(count) for end, content in image.items()}
        shard = _one(tmp_path, write_tar, members).split("test").shards()[0]
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


@pytest.mark.parametrize("place", ["org/wds_pets", "wds_pets", "pets"])
def test_a_hub_name_resolves_to_a_local_mirror_first(layout, tmp_path, no_hub, place):
    data_root = tmp_path / "mirror"
    (data_root / place).parent.mkdir(parents=True)
    layout.rename(data_root / place)
    dataset = WebDataset(hub="org/wds_pets", data_root=data_root, catalog_name="pets")
    assert len(_examples(dataset)) == 4


def test_a_folder_of_another_layout_is_no_mirror(layout, tmp_path, no_hub):
    (tmp_path / "mirror/pets/cat").mkdir(parents=True)
    with pytest.raises(Unavailable, match="hub cannot be reached"):
        WebDataset(hub="org/wds_pets", data_root=tmp_path / "mirror", catalog_name="pets")


def test_a_data_root_that_is_no_folder_is_an_error(tmp_path):
    with pytest.raises(UserError, match="nowhere: --data-root is not a folder"):
        WebDataset(hub="org/wds_pets", data_root=tmp_path / "nowhere")


def test_without_network_the_message_says_what_where_and_how(tmp_path, no_hub):
    data_root = tmp_path / "mirror"
    data_root.mkdir()
    started = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        WebDataset(hub="clip-benchmark/wds_mnist", data_root=data_root, catalog_name="mnist")
    assert time.monotonic() - started < 5
    message = str(caught.value)
    assert message.startswith("data set clip-benchmark/wds_mnist: every file is missing: not in ")
    for place in ("clip-benchmark/wds_mnist", "wds_mnist", "mnist"):
        assert str(data_root / place) in message
    assert str(no_hub) in message
    assert "hf download clip-benchmark/wds_mnist --repo-type dataset --local-dir DIR/wds_mnist" in message
    assert "--data-root DIR" in message


def test_hub_shards_are_downloaded_one_at_a_time_as_they_are_read(layout, hub):
    (hub.root / "org").mkdir()
    layout.rename(hub.root / "org/wds_pets")
    dataset = WebDataset(hub="org/wds_pets")
    split = dataset.split("test")
    sizes = [(hub.root / f"org/wds_pets/test/{n}.tar").stat().st_size for n in (0, 1)]
    assert not [name for name in hub.served if name.endswith(".tar")]
    assert split.download_bytes == sum(sizes)
    assert split.count is None
    assert split.locator().startswith("org/wds_pets@0123456789abcdef")
    assert split.locator() != dataset.split("train").locator()
    first, second = split.shards()
    assert [example.label for example in first] == [0, 1]
    assert [name for name in hub.served if name.endswith(".tar")] == ["test/0.tar"]
    assert split.download_bytes == sizes[1]
    assert [example.label for example in second] == [1, 0]
    assert [name for name in hub.served if name.endswith(".tar")] == ["test/0.tar", "test/1.tar"]
    assert split.download_bytes == 0


def test_what_was_downloaded_is_read_without_the_hub(layout, hub):
    (hub.root / "org").mkdir()
    layout.rename(hub.root / "org/wds_pets")
    online = WebDataset(hub="org/wds_pets")
    ids = [example.id for example in _examples(online)]
    hub.down = True
    offline = WebDataset(hub="org/wds_pets")
    assert [example.id for example in _examples(offline)] == ids
    assert offline.split("test").locator() == online.split("test").locator()


def test_a_shard_that_was_not_downloaded_is_named_when_the_hub_is_gone(layout, hub):
    (hub.root / "org").mkdir()
    layout.rename(hub.root / "org/wds_pets")
    next(iter(WebDataset(hub="org/wds_pets").split("test").shards()[0]))
    hub.down = True
    with pytest.raises(
        Unavailable, match=r"test/1\.tar \(one of 2 shards\) is missing: not in .*hub cannot be reached"
    ):
        WebDataset(hub="org/wds_pets").split("test").shards()


def test_a_download_that_fails_names_the_file(layout, hub):
    (hub.root / "org").mkdir()
    layout.rename(hub.root / "org/wds_pets")
    shards = WebDataset(hub="org/wds_pets").split("test").shards()
    hub.gated = True
    with pytest.raises(
        Unavailable, match=r"is gated: .* accept its terms at https://huggingface\.co/datasets/org/wds_pets"
    ):
        list(shards[0])


def test_a_gated_set_says_how_to_get_access(hub):
    hub.gated = True
    with pytest.raises(Unavailable) as caught:
        WebDataset(hub="org/secret")
    assert str(caught.value) == (
        "data set org/secret: is gated: the hub gives it only to those who accepted its terms; "
        "accept its terms at https://huggingface.co/datasets/org/secret, then run `hf auth login` (or set HF_TOKEN)"
    )


def test_a_set_that_the_hub_does_not_know_is_named(hub):
    with pytest.raises(Unavailable, match="data set org/wds_pest: is not on the hub, or is private; check the name"):
        WebDataset(hub="org/wds_pest")
    with pytest.raises(UserError, match="is not a name that a hub data set can have"):
        WebDataset(hub="org/a/b")
