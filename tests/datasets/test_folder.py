"""A folder with one sub-folder a class."""

import os

import pytest

from clipbench.datasets.adapters.folder import ImageFolder
from clipbench.errors import UserError


@pytest.fixture
def animals(tmp_path, png):
    for name in ("polar_bear/b.png", "polar_bear/A.JPG", "ant/deep/er/x.webp", "ant/a.png"):
        file = tmp_path / "animals" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png())
    return tmp_path / "animals"


def _keys(folder, **arguments):
    return list(ImageFolder(path=folder, **arguments).split("test").keys())


def test_classes_are_the_sorted_folders_and_ids_the_paths(animals):
    dataset = ImageFolder(path=animals)
    assert dataset.classes == ("ant", "polar bear")
    assert list(dataset.splits) == ["test"]
    assert dataset.split("test").count == 4
    assert [(e.id, e.label, e.problem) for shard in dataset.split("test").shards() for e in shard] == [
        ("ant/a.png", 0, None),
        ("ant/deep/er/x.webp", 0, None),
        ("polar_bear/A.JPG", 1, None),
        ("polar_bear/b.png", 1, None),
    ]
    assert _keys(animals)[2] == ("polar_bear/A.JPG", 1)
    assert dataset.split("test").image("ant/a.png").size == (4, 4)
    with pytest.raises(KeyError):
        dataset.split("test").image("ant/b.png")


def test_hidden_files_and_files_that_are_no_images_are_passed_over(animals, png):
    for name in ("ant/.hidden.png", "ant/notes.txt", ".git/x.png", "ant/.cache/x.png", "README.md"):
        (animals / name).parent.mkdir(exist_ok=True)
        (animals / name).write_bytes(png())
    assert len(_keys(animals)) == 4
    assert ImageFolder(path=animals).classes == ("ant", "polar bear")


def test_a_class_folder_without_images_stays_a_class(animals):
    (animals / "bee").mkdir()
    assert ImageFolder(path=animals).classes == ("ant", "bee", "polar bear")
    assert [label for _, label in _keys(animals)] == [0, 0, 2, 2]


def test_split_folders_are_splits_and_share_their_classes(tmp_path, png):
    for name in ("train/ant/1.png", "train/bee/2.png", "val/bee/3.png", "test/cat/4.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(png())
    dataset = ImageFolder(path=tmp_path)
    assert dataset.classes == ("ant", "bee", "cat")
    assert {name: list(split.keys()) for name, split in dataset.splits.items()} == {
        "train": [("train/ant/1.png", 0), ("train/bee/2.png", 1)],
        "val": [("val/bee/3.png", 1)],
        "test": [("test/cat/4.png", 2)],
    }


def test_a_class_called_train_is_no_split(tmp_path, png):
    for name in ("train/1.png", "test/2.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(png())
    assert ImageFolder(path=tmp_path).classes == ("test", "train")


def test_the_one_split_can_be_named(animals):
    assert list(ImageFolder(path=animals, split="field").splits) == ["field"]


def test_class_names_as_a_list_or_a_mapping(animals):
    assert ImageFolder(path=animals, classes=["an ant", "a bear"]).classes == ("an ant", "a bear")
    names = {"polar_bear": "a bear", "ant": "an ant"}
    assert ImageFolder(path=animals, classes=names).classes == ("an ant", "a bear")


@pytest.mark.parametrize(
    ("classes", "says"),
    [
        (["ant"], "`classes` has 1 names for 2 class folders; give one name for each folder"),
        ({"ant": "an ant"}, "`classes` has no name for folder 'polar_bear'; add `polar_bear: ...` to `classes`"),
        (
            {"ant": "an ant", "polar bear": "a bear"},
            "`classes` names 'polar bear', and there is no such folder; did you mean 'polar_bear'?",
        ),
        ("open_clip:imagenet", "open_clip:imagenet has 1000 names for 2 class folders"),
        ("open_clip:imagnet", "there is no list of class names called 'open_clip:imagnet'"),
    ],
)
def test_class_names_that_do_not_fit_are_refused(animals, classes, says):
    with pytest.raises(UserError) as caught:
        ImageFolder(path=animals, classes=classes)
    assert says in str(caught.value)
    assert str(caught.value).startswith(str(animals))


def test_a_thousand_folders_by_wordnet_id_take_the_imagenet_names(tmp_path, png):
    for number in range(1000):
        (tmp_path / f"n{number:08d}").mkdir()
    (tmp_path / "n00000001" / "x.png").write_bytes(png())
    dataset = ImageFolder(path=tmp_path, classes="open_clip:imagenet")
    assert len(dataset.classes) == 1000
    assert dataset.classes[:2] == ("tench", "goldfish")
    assert list(dataset.split("test").keys()) == [("n00000001/x.png", 1)]


def test_an_image_that_cannot_be_read_is_broken_and_the_others_are_read(animals):
    (animals / "ant/a.png").write_bytes(b"")
    (animals / "ant/gone.png").symlink_to("nowhere.png")
    shard = ImageFolder(path=animals).split("test").shards()[0]
    assert {example.id: example.problem for example in shard} == {
        "ant/a.png": f"{animals}/ant/a.png is empty",
        "ant/deep/er/x.webp": None,
        "ant/gone.png": f"{animals}/ant/gone.png cannot be read (No such file or directory)",
        "polar_bear/A.JPG": None,
        "polar_bear/b.png": None,
    }


def test_file_names_of_an_older_encoding_are_read_and_class_names_are_not_guessed(animals, png):
    try:
        (animals / "ant" / os.fsdecode(b"f\xfcr.png")).write_bytes(png())
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    split = ImageFolder(path=animals).split("test")
    assert ("ant/f\\xfcr.png", 0) in list(split.keys())
    assert split.image("ant/f\\xfcr.png").size == (4, 4)
    assert len(split.locator()) == 64
    (animals / "ant").rename(animals / os.fsdecode(b"k\xe4fer"))
    with pytest.raises(UserError, match=r"animals: the folder's name k\\xe4fer is not UTF-8 text; rename the folder"):
        ImageFolder(path=animals)
    assert ImageFolder(path=animals, classes=["Käfer", "Eisbär"]).split("test").count == 5


def test_a_link_within_the_folder_is_read(animals):
    (animals / "polar_bear/link.png").symlink_to(animals / "ant/a.png")
    assert ("polar_bear/link.png", 1) in _keys(animals)


@pytest.mark.parametrize("place", ["ant/link.png", "ant/deep/link.png"])
def test_a_link_that_leaves_the_folder_is_refused(animals, tmp_path, png, place):
    (tmp_path / "secret.png").write_bytes(png())
    (animals / place).symlink_to(tmp_path / "secret.png")
    with pytest.raises(UserError, match=rf"{place}: is a link that leaves .*animals; copy the image"):
        ImageFolder(path=animals)


@pytest.mark.parametrize("place", ["cat", "ant/more"])
def test_a_link_to_a_folder_is_refused(animals, tmp_path, place):
    (tmp_path / "elsewhere").mkdir()
    (animals / place).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=rf"{place}: is a link to a folder, which is not followed"):
        ImageFolder(path=animals)


def test_a_folder_without_classes_or_images_says_what_was_expected(tmp_path, png):
    with pytest.raises(UserError, match="nowhere: is not a folder; check `path`"):
        ImageFolder(path=tmp_path / "nowhere")
    (tmp_path / "a.png").write_bytes(png())
    with pytest.raises(UserError, match="holds no class folders; put the images of each class into a folder"):
        ImageFolder(path=tmp_path)
    (tmp_path / "ant").mkdir()
    with pytest.raises(UserError, match=r"no image in the class folders \(ant, ...\)"):
        ImageFolder(path=tmp_path)


def test_the_locator_changes_with_any_file(animals):
    before = ImageFolder(path=animals).split("test").locator()
    assert ImageFolder(path=animals).split("test").locator() == before
    later = (animals / "ant/a.png").stat().st_mtime_ns + 1_000_000_000
    os.utime(animals / "ant/a.png", ns=(later, later))
    changed = ImageFolder(path=animals).split("test").locator()
    assert changed != before
    (animals / "ant/a.png").rename(animals / "ant/b.png")
    assert ImageFolder(path=animals).split("test").locator() not in (before, changed)


@pytest.mark.shared_data
def test_real_folders_open(shared_data):
    photo = ImageFolder(path=shared_data / "pacs" / "photo")
    assert photo.classes == ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")
    assert photo.split("test").count == 175
    shift = ImageFolder(path=shared_data / "cifar10_shift")
    assert len(shift.classes) == 7
    assert shift.split("test").count == 2100
    example = next(iter(shift.split("test").shards()[0]))
    assert shift.split("test").image(example.id).size == (32, 32)
