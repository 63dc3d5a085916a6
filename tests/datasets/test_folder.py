"""A folder with one sub-folder a class."""

import os
import re
import shutil

import pytest

from clipbench.datasets.adapters.folder import ImageFolder
from clipbench.errors import UserError

from .conftest import examples


@pytest.fixture
def write(png):
    """Writes a small image under each of some names."""

    def write(folder, *names):
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(png())
        return folder

    return write


@pytest.fixture
def animals(tmp_path, write):
    return write(tmp_path / "animals", "polar_bear/b.png", "polar_bear/A.JPG", "ant/deep/er/x.webp", "ant/a.png")


def _keys(folder, **arguments):
    return list(ImageFolder(path=folder, **arguments).split("test").keys())


def test_classes_are_the_sorted_folders_and_ids_the_paths(animals):
    dataset = ImageFolder(path=animals)
    assert (dataset.classes, list(dataset.splits)) == (("ant", "polar bear"), ["test"])
    keys = [("ant/a.png", 0), ("ant/deep/er/x.webp", 0), ("polar_bear/A.JPG", 1), ("polar_bear/b.png", 1)]
    assert [(e.id, e.label) for e in examples(dataset)] == _keys(animals) == keys
    assert {e.problem for e in examples(dataset)} == {None}
    assert dataset.split("test").count == 4
    assert dataset.split("test").image("ant/a.png").size == (4, 4)
    with pytest.raises(KeyError):
        dataset.split("test").image("ant/b.png")


def test_hidden_files_and_files_that_are_no_images_are_passed_over(animals, write):
    write(animals, "ant/.hidden.png", "ant/notes.txt", ".git/x.png", "ant/.cache/x.png", "README.md")
    assert len(_keys(animals)) == 4
    assert ImageFolder(path=animals).classes == ("ant", "polar bear")


def test_a_class_folder_without_images_stays_a_class(animals):
    (animals / "bee").mkdir()
    assert ImageFolder(path=animals).classes == ("ant", "bee", "polar bear")
    assert [label for _, label in _keys(animals)] == [0, 0, 2, 2]


def test_split_folders_are_splits_and_share_their_classes(tmp_path, write):
    dataset = ImageFolder(path=write(tmp_path, "train/ant/1.png", "train/bee/2.png", "val/bee/3.png", "test/cat/4.png"))
    assert dataset.classes == ("ant", "bee", "cat")
    assert {name: list(split.keys()) for name, split in dataset.splits.items()} == {
        "train": [("train/ant/1.png", 0), ("train/bee/2.png", 1)],
        "val": [("val/bee/3.png", 1)],
        "test": [("test/cat/4.png", 2)],
    }


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (("Train", "TEST"), ["test", "train"]),
        (("training", "testing"), ["test", "train"]),
        (("Training", "Validation", "eval"), ["train", "val", "validation"]),
        (("valid", "dev"), ["dev", "valid"]),
    ],
)
def test_split_folders_are_told_in_any_case(tmp_path, write, folders, names):
    dataset = ImageFolder(path=write(tmp_path, *(f"{folder}/{name}/1.png" for folder in folders for name in "ab")))
    assert (sorted(dataset.splits), dataset.classes) == (names, ("a", "b"))


def test_a_class_called_train_is_no_split_and_the_one_split_can_be_named(tmp_path, write):
    folder = write(tmp_path, "train/1.png", "test/2.png")
    assert ImageFolder(path=folder).classes == ("test", "train")
    assert list(ImageFolder(path=folder, split="field").splits) == ["field"]


def test_a_divided_folder_is_not_called_one_split(tmp_path, write):
    folder = write(tmp_path, "train/a/1.png", "test/a/2.png")
    with pytest.raises(UserError, match=r"test/, train/ look like splits, and `split` names .*; leave out `split`"):
        ImageFolder(path=folder, split="test")
    classes = {"train": "a train", "test": "a test"}
    assert ImageFolder(path=folder, classes=classes).classes == ("a test", "a train")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (["train/a/1.png", "test/a/2.png", "docs/3.png"], r"test/, train/ look like splits, and docs/ do not"),
        (["train/a/1.png", "test/2.png"], r"train/ look like splits, and test/ do not"),
        (["Train/a/1.png", "train_old/a/2.png"], r"Train/ look like splits, and train_old/ do not"),
        (["cat/1.png", "test/a/2.png"], r"test/ look like splits, and cat/ do not"),
        (["train/a/1.png", "Training/a/2.png"], r"Training/, train/ look like splits, and two of them are one split"),
    ],
)
def test_folders_of_which_some_look_like_splits_are_refused_until_they_are_said_to_be_classes(
    tmp_path, write, files, says
):
    folder = write(tmp_path / "set", *files)
    with pytest.raises(UserError, match=rf"set: {says}; move what is no split elsewhere.*add `split: test`"):
        ImageFolder(path=folder)
    dataset = ImageFolder(path=folder, split="test")
    assert len(dataset.classes) == len({file.partition("/")[0] for file in files})
    assert list(dataset.splits) == ["test"]


@pytest.mark.parametrize("classes", [["an ant", "a bear"], {"polar_bear": "a bear", "ant": "an ant"}])
def test_class_names_as_a_list_or_a_mapping(animals, classes):
    assert ImageFolder(path=animals, classes=classes).classes == ("an ant", "a bear")


@pytest.mark.parametrize(
    ("classes", "says"),
    [
        (["ant"], "`classes` has 1 names for 2 class folders"),
        ({"ant": "an ant"}, "`classes` has no name for folder 'polar_bear'; add `polar_bear: ...`"),
        ({"ant": "an ant", "polar bear": "a bear"}, "`classes` names 'polar bear',.* did you mean 'polar_bear'"),
        ("open_clip:imagenet", "open_clip:imagenet has 1000 names for 2 class folders"),
        ("open_clip:imagnet", "there is no list of class names called 'open_clip:imagnet'"),
    ],
)
def test_class_names_that_do_not_fit_are_refused(animals, classes, says):
    with pytest.raises(UserError, match=f"^{animals}.*{says}"):
        ImageFolder(path=animals, classes=classes)


def test_a_thousand_folders_by_wordnet_id_take_the_imagenet_names(tmp_path, write):
    for number in range(1000):
        (tmp_path / f"n{number:08d}").mkdir()
    write(tmp_path, "n00000001/x.png")
    dataset = ImageFolder(path=tmp_path, classes="open_clip:imagenet")
    assert len(dataset.classes) == 1000
    assert dataset.classes[:2] == ("tench", "goldfish")
    assert list(dataset.split("test").keys()) == [("n00000001/x.png", 1)]


def test_an_image_that_cannot_be_read_is_broken_and_the_others_are_read(animals):
    (animals / "ant/a.png").write_bytes(b"")
    (animals / "ant/gone.png").symlink_to("nowhere.png")
    assert {e.id: e.problem for e in examples(ImageFolder(path=animals))} == {
        "ant/a.png": None,
        "ant/deep/er/x.webp": None,
        "ant/gone.png": "cannot be read (No such file or directory)",
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


def test_links_are_followed_within_the_folder_and_beyond_it_where_that_is_declared(animals, tmp_path, write):
    (animals / "polar_bear/link.png").symlink_to(animals / "ant/a.png")
    (animals / "polar_bear/more").symlink_to(animals / "ant/deep", target_is_directory=True)
    inside = [("polar_bear/link.png", 1), ("polar_bear/more/er/x.webp", 1)]
    assert set(inside) < set(_keys(animals))
    write(tmp_path, "secret.png", "elsewhere/x.png")
    for place in ("ant/link.png", "ant/deep/link.png", "cat", "ant/more"):
        (animals / place).symlink_to(tmp_path / ("secret.png" if "." in place else "elsewhere"))
        with pytest.raises(UserError, match=rf"{re.escape(place)}: is a link that leaves .*add `links: follow`"):
            ImageFolder(path=animals)
        assert len(_keys(animals, links="follow")) > 6
        (animals / place).unlink()


def test_imagenet_s_usual_layout_of_links_into_another_tree(tmp_path, write):
    """val/ is a folder of links, or a link itself."""
    write(tmp_path, "raw/ant/1.png", "raw/bee/2.png", "set/train/ant/3.png")
    (tmp_path / "set/val").mkdir()
    for name in ("ant", "bee"):
        (tmp_path / "set/val" / name).symlink_to(tmp_path / "raw" / name)
    for linked in (False, True):
        if linked:
            shutil.rmtree(tmp_path / "set/val")
            (tmp_path / "set/val").symlink_to(tmp_path / "raw")
        dataset = ImageFolder(path=tmp_path / "set", links="follow")
        assert list(dataset.split("val").keys()) == [("val/ant/1.png", 0), ("val/bee/2.png", 1)]
        with pytest.raises(UserError, match=r"val/ant: is a link that leaves .*add `links: follow`"):
            ImageFolder(path=tmp_path / "set")


def test_links_in_a_circle_end(animals):
    (animals / "ant/self.png").symlink_to(animals / "ant/self.png")
    problems = {e.id: e.problem for e in examples(ImageFolder(path=animals))}
    assert "Too many levels of symbolic links" in problems["ant/self.png"]
    (animals / "ant/self.png").unlink()
    for place, target in (("ant/up", "ant"), ("ant/deep/bear", "polar_bear"), ("polar_bear/ant", "ant")):
        (animals / place).symlink_to(animals / target)
    for links in ("inside", "follow"):
        with pytest.raises(UserError, match="is a link to a folder around it; remove the link"):
            ImageFolder(path=animals, links=links)
    for place in ("ant/up", "ant/deep/bear"):
        (animals / place).unlink()
    (animals / "cat").symlink_to("nowhere")
    with pytest.raises(UserError, match="cat: is a link to nothing; it would be a class or a split without images"):
        ImageFolder(path=animals)


def test_a_folder_without_classes_or_images_says_what_was_expected(tmp_path, write):
    with pytest.raises(UserError, match="nowhere: is not a folder; check `path`"):
        ImageFolder(path=tmp_path / "nowhere")
    write(tmp_path, "a.png")
    with pytest.raises(UserError, match="holds no class folders"):
        ImageFolder(path=tmp_path)
    (tmp_path / "ant").mkdir()
    with pytest.raises(UserError, match=r"no image in the class folders \(ant, ...\)"):
        ImageFolder(path=tmp_path)


def test_the_locator_changes_with_any_file(animals, later):
    before = ImageFolder(path=animals).split("test").locator()
    assert ImageFolder(path=animals).split("test").locator() == before
    later(animals / "ant/a.png")
    changed = ImageFolder(path=animals).split("test").locator()
    (animals / "ant/a.png").rename(animals / "ant/b.png")
    assert len({before, changed, ImageFolder(path=animals).split("test").locator()}) == 3


@pytest.mark.parametrize("replaced", [False, True])
def test_the_locator_changes_where_size_and_time_do_not(animals, replaced):
    file, other = animals / "ant/a.png", animals.parent / "other.png"
    before, written = ImageFolder(path=animals).split("test").locator(), file.stat().st_mtime_ns
    target = other if replaced else file
    target.write_bytes(file.read_bytes()[::-1])
    os.utime(target, ns=(written, written))
    if replaced:
        other.replace(file)
    assert ImageFolder(path=animals).split("test").locator() != before


@pytest.mark.shared_data
def test_real_folders_open(shared_data):
    photo = ImageFolder(path=shared_data / "pacs" / "photo")
    assert photo.classes == ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")
    assert photo.split("test").count == 175
    shift = ImageFolder(path=shared_data / "cifar10_shift")
    assert (len(shift.classes), shift.split("test").count) == (7, 2100)
    example = next(iter(shift.split("test").shards()[0]))
    assert shift.split("test").image(example.id).size == (32, 32)
