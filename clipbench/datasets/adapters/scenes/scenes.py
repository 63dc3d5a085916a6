"""Generated scenes: small pictures of coloured shapes near a house, with captions, from a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

import numpy as np

from clipbench.arrays import IntArray
from clipbench.datasets.adapters.scenes.attributes import (
    ATTRIBUTES,
    SPLIT_CODES,
    STYLES,
    Dice,
    Scenery,
    SplitName,
    captions_of,
    scenery_at,
)
from clipbench.datasets.adapters.scenes.layout import SIDE
from clipbench.datasets.adapters.scenes.styles import Pixels, render
from clipbench.datasets.base import Dataset, Example, NumberedSplit, Split
from clipbench.errors import UserError, did_you_mean
from clipbench.fingerprint import digest

By = Literal["shape", "colour", "count", "distance", "size", "relation", "background", "style", "caption"]

GENERATOR: Final = 1
"""Changes whenever the same settings would draw other pictures."""
_BATCH = 128
_HEADER = f"P6\n{SIDE} {SIDE}\n255\n".encode()

_LOST: Final[dict[str, tuple[str, ...]]] = {
    "sketch": ("background",),
    "negative": ("colour", "background"),
    "texture": ("background",),
}
"""Attributes that a picture in this style does not show."""

TEMPLATES: Final[dict[By, tuple[str, ...]]] = {
    "shape": (
        "a photo of a {}.",
        "a picture of a {}.",
        "a drawing of a {}.",
        "{}s.",
        "a picture of {}s.",
        "a {} and a house.",
    ),
    "colour": (
        "a photo of a {} shape.",
        "a picture of {} shapes.",
        "a {} thing.",
        "{} objects.",
        "{} shapes and a house.",
    ),
    "count": ("a photo of {} objects.", "a picture of {} shapes.", "{} things.", "{} shapes and a house."),
    "distance": ("shapes {} the house.", "a photo of objects {} the house.", "a picture of a shape {} a house."),
    "size": ("a photo of a {} shape.", "a picture of {} shapes.", "{} objects.", "{} shapes and a house."),
    "relation": ("shapes {} the house.", "a photo of objects {} the house.", "a picture of a shape {} a house."),
    "background": ("shapes on a {} background.", "a photo of a shape on a {} background.", "{} background"),
    "style": ("a {} picture of shapes.", "a {} picture of a shape.", "a {} picture."),
    "caption": (),
}


def draw_scenes(split: SplitName, seed: int, indices: IntArray, styles: Sequence[str]) -> tuple[Scenery, Pixels]:
    """Draw the scenes at some indices of a split.

    A picture belongs to the split that a digest of its own pixels names (half of all pictures to train, an
    eighth to val, three eighths to test), and the drawing of an index is varied until it falls in the right split.
    So no picture of one split can occur in another, whatever the seeds and styles.

    Returns the attributes of B scenes and (B, SIDE, SIDE, 3) pixels.
    """
    scenery = scenery_at(split, seed, indices, styles)
    pixels = np.zeros((len(indices), SIDE, SIDE, 3), np.uint8)
    attempts = np.zeros(len(indices), np.int64)
    open_rows = np.arange(len(indices))
    while len(open_rows):
        dice = Dice(seed, SPLIT_CODES[split], indices[open_rows], attempts[open_rows])
        drawn = render(scenery.take(open_rows), dice)
        right = np.array([split_of(image) == split for image in drawn])
        pixels[open_rows[right]] = drawn[right]
        open_rows = open_rows[~right]
        attempts[open_rows] += 1
    return scenery, pixels


def split_of(pixels: Pixels) -> SplitName:
    """Return the only split in which a picture may occur."""
    number = hashlib.blake2b(pixels.tobytes(), digest_size=1).digest()[0]
    return "test" if number < 96 else "val" if number < 128 else "train"


class Scenes(Dataset):
    """Small pictures of one to six equal shapes and a house, labelled by one attribute or with captions.

    The pictures and their ids depend on `styles`, `n` and `seed` only, so data sets that differ in `by` share
    their embeddings. All attributes are among the groups.

    Args:
        by: the attribute that is the label; 'caption' gives two captions an image instead.
        styles: how the scenes are rendered; several take turns, each with the same attributes.
            'plain', 'outlined' and 'shaded' are what the model clip-tiny was trained on; 'sketch', 'noise',
            'negative' and 'texture' are the natural shift.
        n: images in each split ('train', 'val', 'test').
        seed: of the scenes; no picture occurs in two splits, whatever the seeds.

    Raises:
        UserError: an unknown attribute or style, an impossible number, or an attribute that a style does not show.
    """

    def __init__(
        self, *, by: By = "shape", styles: str | Sequence[str] = "plain", n: int = 1000, seed: int = 1
    ) -> None:
        self._styles = (styles,) if isinstance(styles, str) else tuple(styles)
        if found := _problem(by, self._styles, n, seed):
            problem, fix = found
            raise UserError(problem, where="scenes", fix=fix)
        self._by: By = by
        self._n = n
        self._seed = seed
        self.captioned = by == "caption"
        self.classes = () if by == "caption" else self._styles if by == "style" else ATTRIBUTES[by]
        self.templates = TEMPLATES[by]

    @property
    def splits(self) -> Mapping[str, Split]:
        """'train', 'val' and 'test'; nothing is drawn before it is read."""
        names: tuple[SplitName, ...] = ("train", "val", "test")
        return {name: SceneSplit(name, self._by, self._styles, self._n, self._seed) for name in names}


class SceneSplit(NumberedSplit):
    """One split of generated scenes."""

    def __init__(self, name: SplitName, by: By, styles: tuple[str, ...], n: int, seed: int) -> None:
        self.count: int = n
        self._name: SplitName = name
        self._by: By = by
        self._styles = styles
        self._seed = seed

    def locator(self) -> str:
        """Return a digest of the settings, the label's attribute included, and of the generator's version."""
        return digest([GENERATOR, self._name, self._by, list(self._styles), self.count, self._seed])

    def keys(self) -> Iterator[tuple[str, int | None]]:
        """Iterate over (id, label) without drawing."""
        scenery = scenery_at(self._name, self._seed, np.arange(self.count), self._styles)
        for row in range(self.count):
            yield f"{row:06d}", self._label(scenery.describe(row))

    def position(self, example_id: str) -> int:
        """Return a scene's number, which its id is."""
        if not (example_id.isdecimal() and int(example_id) < self.count and example_id == f"{int(example_id):06d}"):
            raise KeyError(example_id)
        return int(example_id)

    def read(self, rows: range) -> Iterator[Example]:
        """Draw consecutive scenes, some at a time."""
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            scenery, pixels = draw_scenes(self._name, self._seed, np.array(batch, np.int64), self._styles)
            for number, (row, image) in enumerate(zip(batch, pixels, strict=True)):
                words = scenery.describe(number)
                captions = captions_of(words) if self._by == "caption" else ()
                encoded = _HEADER + image.tobytes()
                yield Example(f"{row:06d}", encoded, label=self._label(words), captions=captions, groups=words)

    def _label(self, words: Mapping[str, str]) -> int | None:
        if self._by == "caption":
            return None
        values = self._styles if self._by == "style" else ATTRIBUTES[self._by]
        return values.index(words[self._by])


def _problem(by: str, styles: tuple[str, ...], n: int, seed: int) -> tuple[str, str] | None:
    """Return what is wrong with the settings, and the fix."""
    if not styles:
        return "styles: is empty", f"choose from: {', '.join(STYLES)}"
    for style in styles:
        if style not in STYLES:
            return f"styles: unknown style {style!r}", did_you_mean(style, STYLES)
        if by in _LOST.get(style, ()):
            problem = f"by: a picture in the style {style!r} does not show its {by}"
            return problem, "leave the style out or choose another attribute"
    if len(set(styles)) < len(styles):
        return f"styles: a style is named twice in {list(styles)}", "name each once"
    if by not in TEMPLATES:
        return f"by: unknown attribute {by!r}", did_you_mean(by, TEMPLATES)
    if by == "style" and len(styles) < 2:
        return f"by: style needs at least two styles, not {list(styles)}", "name more"
    if n < 1 or n > 1_000_000:
        return f"n: {n} images cannot be drawn", "choose 1 to 1000000"
    if seed < 0:
        return f"seed: {seed} is negative", "choose 0 or more"
    return None
