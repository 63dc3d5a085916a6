"""What a generated scene shows: its attributes, from a seed and an index, and the words for them."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import IntArray

SplitName = Literal["train", "val", "test"]

TRAINED_STYLES: Final = ("plain", "outlined", "shaded")
"""What the reference model sees in training."""
UNSEEN_STYLES: Final = ("sketch", "noise", "negative", "texture")
"""Kept out of training: the natural shift of the scenes."""
STYLES: Final = TRAINED_STYLES + UNSEEN_STYLES

ATTRIBUTES: Final[dict[str, tuple[str, ...]]] = {
    "shape": ("circle", "square", "triangle", "diamond", "star", "heart", "ring", "crescent"),
    "colour": ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown"),
    "count": ("one", "two", "three", "four", "five", "six"),
    "relation": ("left of", "right of", "above", "below"),
    "distance": ("touching", "close to", "far from"),
    "size": ("small", "large"),
    "background": ("white", "grey", "black", "striped", "checkered"),
}
COMBINATIONS: Final = int(np.prod([len(values) for values in ATTRIBUTES.values()]))
_STEP: Final = 28477
"""Coprime to COMBINATIONS and near its golden section: consecutive scenes differ in every attribute."""

SPLIT_CODES: Final[dict[SplitName, int]] = {"train": 1, "val": 2, "test": 3}
_PICTURE_OF: Final = {
    "plain": "a picture of",
    "outlined": "an outlined picture of",
    "shaded": "a shaded picture of",
    "sketch": "a sketch of",
    "noise": "a noisy picture of",
    "negative": "a negative of",
    "texture": "a textured picture of",
}


class Dice:
    """Random integers that are a pure function of coordinates such as (seed, split, index, attempt).

    A hash (the splitmix64 finaliser) rather than a stream, so that any scene can be drawn alone, in any
    order, and equally with every version of numpy.
    """

    def __init__(self, *coordinates: int | IntArray) -> None:
        state: NDArray[np.uint64] = np.zeros(1, np.uint64)
        for coordinate in coordinates:
            state = _mix(state + np.atleast_1d(np.asarray(coordinate)).astype(np.uint64))
        self._state = state

    def roll(self, name: str, sides: int, many: tuple[int, ...] = ()) -> IntArray:
        """Return (B, *many) integers in [0, sides), independent for each name."""
        base = _mix(self._state + np.uint64(zlib.crc32(name.encode())))
        offsets = np.arange(int(np.prod(many)), dtype=np.uint64) if many else np.zeros(1, np.uint64)
        values = _mix(base[:, None] + offsets[None, :]) % np.uint64(sides)
        return values.astype(np.int64).reshape(len(base), *many)

    def between(self, name: str, low: int, high: int, many: tuple[int, ...] = ()) -> IntArray:
        """Return (B, *many) integers in [low, high], both ends included."""
        return low + self.roll(name, high - low + 1, many)

    def take(self, rows: IntArray) -> Dice:
        """Return the dice of some of the B scenes."""
        chosen = Dice()
        chosen._state = self._state[rows]
        return chosen


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


@dataclass(frozen=True)
class Scenery:
    """The attributes of B scenes."""

    codes: dict[str, IntArray]
    """For each key of ATTRIBUTES, (B,) indices into its values."""
    styles: tuple[str, ...]
    """B names."""

    def __len__(self) -> int:
        return len(self.styles)

    def take(self, rows: IntArray) -> Scenery:
        """Return some of the B scenes."""
        codes = {name: values[rows] for name, values in self.codes.items()}
        return Scenery(codes, tuple(self.styles[row] for row in rows))

    def describe(self, row: int) -> dict[str, str]:
        """Return one scene's attributes and style in words."""
        words = {name: ATTRIBUTES[name][int(values[row])] for name, values in self.codes.items()}
        return words | {"style": self.styles[row]}


def scenery_at(split: SplitName, seed: int, indices: IntArray, styles: Sequence[str]) -> Scenery:
    """Return the attributes of the scenes at some indices.

    Consecutive indices go through the styles and, for each round of styles, one step through all
    combinations of attributes: balanced, without a repetition before all combinations were shown, and
    the same attributes in each style.
    """
    rounds, style = np.divmod(indices, len(styles))
    start = int(Dice(seed, SPLIT_CODES[split]).roll("start", COMBINATIONS)[0])
    rest = (start + _STEP * rounds) % COMBINATIONS
    codes: dict[str, IntArray] = {}
    for name, values in ATTRIBUTES.items():
        rest, codes[name] = np.divmod(rest, len(values))
    return Scenery(codes, tuple(styles[number] for number in style))


def captions_of(words: dict[str, str]) -> tuple[str, str]:
    """Return two full captions of a scene that is described as by `Scenery.describe`."""
    noun = words["shape"] if words["count"] == "one" else words["shape"] + "s"
    things = f"{words['count']} {words['size']} {words['colour']} {noun}"
    relation, distance, ground = words["relation"], words["distance"], words["background"]
    picture_of = _PICTURE_OF[words["style"]]
    return (
        f"{picture_of} {things} {relation} the house and {distance} it on a {ground} background.",
        f"{things} {distance} a house, {relation} it, {ground} background",
    )
