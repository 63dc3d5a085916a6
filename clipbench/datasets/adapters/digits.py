"""scikit-learn's 1,797 real handwritten digits, half for training and half held out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import version
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import IntArray
from clipbench.datasets.base import Dataset, Example, IndexedSplit, Split
from clipbench.fingerprint import digest

Half = Literal["train", "test"]

CLASSES: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SCALE: Final = 4
"""Each of the 8 x 8 pixels becomes a square of this side."""
_SIDE = 8 * SCALE
_RULE = 1
"""Version of the rule of `halves`."""
COUNTS: Final[Mapping[Half, int]] = {"train": 901, "test": 896}
"""Of each half: stated, so that scikit-learn is imported only where a digit is read."""


class Digits(Dataset):
    """Handwritten digits of the UCI set that scikit-learn carries, as 32 x 32 grey pictures, white on black.

    The picture, and nothing else, decides its half: within each class the pictures are put in the order of
    a digest of their pixels, and every other one is held out. No picture occurs twice in the set. The model
    clip-tiny saw the 'train' half.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository, 1998 (its test part); CC BY 4.0.
    """

    captioned = False
    classes = CLASSES
    templates = (
        "the digit {}.",
        "a handwritten digit {}.",
        "a photo of the number {}.",
        "a picture of the digit {}.",
        "the handwritten number {}.",
    )

    @property
    def splits(self) -> Mapping[str, Split]:
        """'train' and 'test', about half of the digits each."""
        return {"train": _split("train"), "test": _split("test")}


def _split(half: Half) -> IndexedSplit:
    locator = digest(["digits", half, _RULE, SCALE, version("scikit-learn")])
    return IndexedSplit(COUNTS[half], lambda position: _example(int(halves()[half][position])), lambda: locator)


def _example(index: int) -> Example:
    pixels, labels = _load()
    header = f"P5\n{_SIDE} {_SIDE}\n255\n".encode()
    return Example(f"{index:04d}", header + pixels[index].tobytes(), label=int(labels[index]))


@lru_cache(maxsize=1)
def _load() -> tuple[NDArray[np.uint8], IntArray]:
    """Return (1797, 32, 32) pictures and (1797,) labels."""
    from sklearn.datasets import load_digits

    small, labels = load_digits(return_X_y=True)
    grey = (small.reshape(-1, 8, 8).astype(np.int64) * 255 // 16).astype(np.uint8)
    return grey.repeat(SCALE, axis=1).repeat(SCALE, axis=2), labels.astype(np.int64)


@lru_cache(maxsize=1)
def halves() -> Mapping[Half, IntArray]:
    """Return scikit-learn's indices of the digits in each half, ascending."""
    pixels, labels = _load()
    keys = [hashlib.sha256(image.tobytes()).hexdigest() for image in pixels]
    train, test = [], []
    for label in range(len(CLASSES)):
        ordered = sorted(np.flatnonzero(labels == label).tolist(), key=keys.__getitem__)
        train += ordered[0::2]
        test += ordered[1::2]
    return {"train": np.array(sorted(train)), "test": np.array(sorted(test))}
