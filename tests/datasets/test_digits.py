"""scikit-learn's digits: real pictures in two halves that share none."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from clipbench.datasets.adapters.digits import COUNTS, Digits, halves
from clipbench.datasets.decoding import decode

from .conftest import examples


def test_the_halves_hold_all_digits_no_picture_twice_and_are_balanced_within_each_class():
    train, test = (examples(Digits(), split) for split in ("train", "test"))
    assert (len(train), len(test)) == (901, 896)
    assert {half: len(rows) for half, rows in halves().items()} == COUNTS
    assert {e.id for e in train + test} == {f"{index:04d}" for index in range(1797)}
    assert len({e.image for e in train + test}) == 1797
    assert np.abs(np.subtract(*(np.bincount([e.label for e in half]) for half in (train, test)))).max() <= 1


def test_pictures_and_labels_are_those_of_scikit_learn():
    pixels, labels = load_digits(return_X_y=True)
    for example in examples(Digits())[:50]:
        index = int(example.id)
        picture = np.array(decode(example.image))
        assert picture.shape == (32, 32, 3)
        assert np.array_equal(picture[2::4, 2::4, 0], np.floor(pixels[index].reshape(8, 8) * 255 / 16))
        assert example.label == labels[index]
    assert Digits.classes[7] == "seven"


def test_the_rule_of_the_halves_stays():
    ids = [e.id for e in examples(Digits())[:8]]
    assert ids == ["0003", "0006", "0009", "0012", "0014", "0015", "0016", "0017"]


def test_a_picture_is_found_by_its_id_and_each_half_has_a_locator():
    train, test = (Digits().split(name) for name in ("train", "test"))
    first = examples(Digits())[0]
    assert test.image(first.id).tobytes() == decode(first.image).tobytes()
    with pytest.raises(KeyError):
        train.image(first.id)
    assert train.locator() != test.locator()
