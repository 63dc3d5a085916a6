"""scikit-learn's digits: real pictures in two halves that share none."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from clipbench.datasets.adapters.digits import COUNTS, Digits, halves
from clipbench.datasets.base import decode


def read(split: str):
    return [example for shard in Digits().split(split).shards() for example in shard]


def test_the_halves_hold_all_digits_and_no_picture_twice():
    train, test = read("train"), read("test")
    assert (len(train), len(test)) == (901, 896)
    assert {e.id for e in train + test} == {f"{index:04d}" for index in range(1797)}
    assert len({e.image for e in train + test}) == 1797


def test_the_halves_are_balanced_within_each_class():
    for label in range(10):
        counts = [sum(e.label == label for e in read(split)) for split in ("train", "test")]
        assert abs(counts[0] - counts[1]) <= 1


def test_pictures_and_labels_are_those_of_scikit_learn():
    pixels, labels = load_digits(return_X_y=True)
    for example in read("test")[:50]:
        index = int(example.id)
        picture = np.array(decode(example.image))
        assert picture.shape == (32, 32, 3)
        assert np.array_equal(picture[2::4, 2::4, 0], np.floor(pixels[index].reshape(8, 8) * 255 / 16))
        assert example.label == labels[index]
    assert Digits.classes[7] == "seven"


def test_the_rule_of_the_halves_stays():
    assert [e.id for e in read("test")[:8]] == ["0003", "0006", "0009", "0012", "0014", "0015", "0016", "0017"]


def test_a_picture_is_found_by_its_id():
    split = Digits().split("test")
    first = read("test")[0]
    assert split.image(first.id).tobytes() == decode(first.image).tobytes()
    with pytest.raises(KeyError):
        split.image(read("train")[0].id)
    assert split.locator() is not None


def test_the_stated_counts_are_those_of_the_rule_and_the_halves_have_locators_of_their_own():
    assert {half: len(rows) for half, rows in halves().items()} == COUNTS
    splits = Digits().splits
    assert splits["train"].locator() != splits["test"].locator()
