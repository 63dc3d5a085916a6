"""One split divided into shares by what its images show."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from clipbench.datasets.catalog import define, open_dataset
from clipbench.datasets.subset import LimitedSplit
from clipbench.errors import UserError

from .conftest import examples

SHARES = {"train": 0.8, "test": 0.2}


@pytest.fixture
def photographs(tmp_path: Path, png) -> Path:
    """40 images of cats and 20 of dogs, in a folder and in a table of the same."""
    lines = ["file,label"]
    for number in range(60):
        name = f"{'cat' if number < 40 else 'dog'}/{number}.png"
        (tmp_path / "animals" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "animals" / name).write_bytes(png((number, 0, 0)))
        lines.append(f"{name},{name[:3]}")
    (tmp_path / "animals.csv").write_text("\n".join(lines))
    return tmp_path


def divided(folder: Path, shares=SHARES, adapter: str = "folder", **arguments):
    mapping = {"adapter": adapter, "path": "animals", "split": shares, **arguments}
    return open_dataset(define("animals", mapping, base=folder))


def ids(dataset, split: str) -> list[str]:
    keys = dataset.split(split).keys()
    return [key for key, _ in keys]


def test_shares_are_taken_of_each_class_and_leave_nothing_in_two(photographs):
    dataset = divided(photographs)
    assert sorted(dataset.splits) == ["test", "train"]
    labels = {name: Counter(dict(split.keys()).values()) for name, split in dataset.splits.items()}
    assert labels == {"train": {0: 32, 1: 16}, "test": {0: 8, 1: 4}}
    assert {name: split.count for name, split in dataset.splits.items()} == {"train": 48, "test": 12}
    train, test = ids(dataset, "train"), ids(dataset, "test")
    assert len({*train, *test}) == 60
    assert [example.id for example in examples(dataset, "test")] == test
    assert dataset.split("test").image(test[0]).size == (4, 4)
    with pytest.raises(KeyError):
        dataset.split("test").image(train[0])
    half = divided(photographs, {"train": 0.5, "test": 0.25})
    assert (len(ids(half, "train")), len(ids(half, "test"))) == (30, 15)


def test_what_an_image_shows_and_the_seed_decide_and_neither_names_nor_order(photographs):
    dataset = divided(photographs)
    table = divided(photographs, dict(reversed(SHARES.items())), "table", path="animals.csv", root="animals")
    assert set(ids(table, "test")) == set(ids(dataset, "test"))
    other = divided(photographs, {**SHARES, "seed": 1})
    assert set(ids(other, "test")) != set(ids(dataset, "test"))
    in_test = {int(Path(key).stem) for key in ids(dataset, "test")}
    for file in sorted((photographs / "animals").rglob("*.png")):
        file.rename(file.with_name(f"{100 - int(file.stem):03}.png"))
    assert {100 - int(Path(key).stem) for key in ids(divided(photographs), "test")} == in_test


def test_equal_images_fall_together(photographs):
    for file in sorted((photographs / "animals").rglob("*.png")):
        file.with_name(f"copy-{file.name}").write_bytes(file.read_bytes())
    test = set(ids(divided(photographs), "test"))
    assert len(test) == 24
    assert {key.replace("copy-", "") for key in test if "copy" in key} == {key for key in test if "copy" not in key}


def test_the_locator_changes_with_the_data_the_share_and_the_seed(photographs, later):
    read = divided(photographs)
    locators = [split.locator() for split in read.splits.values()]
    locators += [split.locator() for split in divided(photographs, {**SHARES, "seed": 1}).splits.values()]
    assert [split.locator() for split in divided(photographs).splits.values()] == locators[:2]
    later(photographs / "animals/cat/0.png")
    locators.append(divided(photographs).split("test").locator())
    assert len(set(locators)) == 5


def test_a_limit_takes_from_a_share(photographs):
    dataset = divided(photographs)
    limited = LimitedSplit(dataset.split("test"), 6)
    chosen = [example for shard in limited.shards() for example in shard]
    assert Counter(example.label for example in chosen) == {0: 3, 1: 3}
    assert {example.id for example in chosen} < set(ids(dataset, "test"))


@pytest.mark.parametrize(
    ("shares", "says"),
    [
        ({"train": 0.8, "test": 0.3}, "sum to 1 or less"),
        ({"train": 0.8, "test": 0}, "a share above 0"),
        ({"seed": 1}, "a share above 0"),
        ({"train": 0.8, "seed": 0.5}, "seed is a whole number"),
        ({"train": "much"}, "expected"),
        (0.8, "expected"),
    ],
)
def test_shares_that_cannot_be_are_refused(photographs, shares, says):
    with pytest.raises(UserError, match=rf"split.*{says}"):
        divided(photographs, shares)


def test_a_set_that_has_splits_is_not_divided(layout: Path):
    with pytest.raises(UserError, match="`split:` divides one split, and this data set has test, train"):
        open_dataset(define("pets", {"adapter": "webdataset", "path": str(layout), "split": SHARES}, base=None))


def test_a_missing_split_says_how_to_make_it(photographs):
    whole = open_dataset(define("animals", {"adapter": "folder", "path": "animals"}, base=photographs))
    with pytest.raises(UserError, match=r"there is no split 'train'; it has: test; `split: \{train: 0.8, test: 0.2\}`"):
        whole.split("train")
