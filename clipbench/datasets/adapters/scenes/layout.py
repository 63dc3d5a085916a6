"""Where the things of a generated scene stand, and the masks of their shapes, in integer arithmetic.

Lengths are quarters of a pixel. A scene is laid out along two axes, `along` (from the objects to the house)
and `across`, and then turned so that the objects stand left of, right of, above or below the house.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import BoolArray, IntArray
from clipbench.datasets.adapters.scenes.attributes import ATTRIBUTES, Dice, Scenery

SIDE = 48
"""Pixels of a scene's side."""
_SIDE = 4 * SIDE
_CELL = 48
"""Objects stand in a random choice of the cells of a grid: two along, three across."""
_HOUSE = 14
"""Half the width of the house."""
_RADII = ((13, 14, 15), (19, 20, 21))
"""Of small and of large objects."""
_GAPS = ((-4, -2), (12, 20), (36, 48))
"""Shortest and longest way from the nearest object to the house: touching, close, far."""
_TURNS = ((256, 0), (254, 27), (254, -27), (250, 53), (250, -53))
"""Cosine and sine of 0, 6 and 12 degrees, times 256."""
_STAMP = 14
_MARGIN = 8
_GRAIN = 4
"""Samples a pixel and axis."""

Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class Masks:
    """Coverage, 0 to 255, of each pixel by the parts of B scenes; (B, SIDE, SIDE) each."""

    objects: Mask
    house: Mask
    window: Mask
    """The light part of the house."""


def lay_out(scenery: Scenery, dice: Dice) -> Masks:
    """Place the objects and the house of B scenes and return their masks."""
    size = dice.roll("radius", 3)
    radius = np.array(_RADII)[scenery.codes["size"], size]
    cells = _choose_cells(dice)
    present = np.arange(6)[None, :] <= scenery.codes["count"][:, None]
    objects, house = _positions(scenery, dice, radius, cells, present)
    stamps = _object_stamps()
    turn = dice.roll("turn", len(_TURNS), (6,))
    canvas = np.zeros((len(scenery), SIDE + 2 * _MARGIN, SIDE + 2 * _MARGIN), np.uint8)
    for slot in range(6):
        rows = np.flatnonzero(present[:, slot])
        kinds = (scenery.codes["shape"][rows], scenery.codes["size"][rows] * 3 + size[rows], turn[rows, slot])
        _press(canvas, rows, objects[rows, slot], stamps, kinds)
    walls, window = np.zeros_like(canvas), np.zeros_like(canvas)
    for part, house_stamps in zip((walls, window), _house_stamps(), strict=True):
        _press(part, np.arange(len(scenery)), house, house_stamps, ())
    return Masks(_inner(canvas), _inner(walls), _inner(window))


def _choose_cells(dice: Dice) -> IntArray:
    """Return (B, 6): a random order of the cells; the first one, which the house faces, is a near one (0, 1, 2)."""
    keys = dice.roll("cells", 1 << 30, (6,))
    np.put_along_axis(keys, dice.roll("first cell", 3)[:, None], -1, axis=1)
    return np.argsort(keys, axis=1, kind="stable")


def _positions(
    scenery: Scenery, dice: Dice, radius: IntArray, cells: IntArray, present: BoolArray
) -> tuple[IntArray, IntArray]:
    """Return centres (y, x): (B, 6, 2) of the objects and (B, 2) of the house."""
    column, row = np.divmod(cells, 3)
    slack = (_CELL // 2 - 2 - radius)[:, None]
    wobble_along, wobble_across = (dice.roll(name, 1 << 20, (6,)) % (2 * slack + 1) - slack for name in ("u", "v"))
    # The first object stays the nearest one to the house, so that the distance is the one that was drawn.
    wobble_along = np.minimum(wobble_along, wobble_along[:, :1])
    gap_low, gap_high = np.array(_GAPS)[scenery.codes["distance"]].T
    gap = gap_low + dice.roll("gap", 1 << 20) % (gap_high - gap_low + 1)
    reach = wobble_along[:, 0] + radius + gap + _HOUSE
    low = np.where((present & (column == 1)).any(axis=1), 3 * _CELL // 2, _CELL // 2) + 2
    high = _SIDE - 2 - _HOUSE - reach
    start = low + dice.roll("start along", 1 << 20) % (high - low + 1)
    middle = dice.between("start across", 3 * _CELL // 2 + 2, _SIDE - 3 * _CELL // 2 - 2)
    along = start[:, None] - _CELL * column + wobble_along
    across = middle[:, None] + _CELL * (row - 1) + wobble_across
    house_across = np.clip(across[:, 0] + dice.between("house", -4, 4), _HOUSE + 2, _SIDE - _HOUSE - 2)
    relation = scenery.codes["relation"]
    return _turn(along, across, relation[:, None]), _turn(start + reach, house_across, relation)


def _turn(along: IntArray, across: IntArray, relation: IntArray) -> IntArray:
    """Return (..., 2) centres (y, x) for relation 0 left of, 1 right of, 2 above, 3 below the house."""
    along = np.where(relation % 2 == 1, _SIDE - along, along)
    sideways = relation < 2
    return np.stack([np.where(sideways, across, along), np.where(sideways, along, across)], axis=-1)


def _press(canvas: Mask, rows: IntArray, centres: IntArray, stamps: Mask, kinds: tuple[IntArray, ...]) -> None:
    """Press one stamp a scene onto the canvas, at half-pixel positions; the greater coverage counts."""
    pixel, quarter = np.divmod(centres, 4)
    stamp = stamps[(*kinds, quarter[:, 0] // 2, quarter[:, 1] // 2)]
    offset = np.arange(_STAMP) - _STAMP // 2 + _MARGIN
    y, x = pixel[:, 0, None] + offset, pixel[:, 1, None] + offset
    place = (rows[:, None, None], y[:, :, None], x[:, None, :])
    canvas[place] = np.maximum(canvas[place], stamp)


def _inner(canvas: Mask) -> Mask:
    return canvas[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]


@lru_cache(maxsize=1)
def _object_stamps() -> Mask:
    """Return (shape, radius, turn, half y, half x, 14, 14) coverages."""
    radii = [radius for size in _RADII for radius in size]
    stamps = np.zeros((len(ATTRIBUTES["shape"]), len(radii), len(_TURNS), 2, 2, _STAMP, _STAMP), np.uint8)
    for half_y, half_x in np.ndindex(2, 2):
        y, x = _samples(half_y, half_x)
        for turn, (cosine, sine) in enumerate(_TURNS):
            turned_x, turned_y = cosine * x + sine * y, cosine * y - sine * x
            for size, radius in enumerate(radii):
                for number, shape in enumerate(ATTRIBUTES["shape"]):
                    inside = _inside(shape, turned_x, turned_y, radius * 2 * 256)
                    stamps[number, size, turn, half_y, half_x] = _coverage(inside)
    return stamps


@lru_cache(maxsize=1)
def _house_stamps() -> tuple[Mask, Mask]:
    """Return (half y, half x, 14, 14) coverages of the house and of its window."""
    house, window = (np.zeros((2, 2, _STAMP, _STAMP), np.uint8) for _ in range(2))
    for half_y, half_x in np.ndindex(2, 2):
        y, x = _samples(half_y, half_x)
        side = 2 * _HOUSE
        walls = (abs(x) <= side) & (y <= side) & (y >= -side // 3)
        roof = (y < -side // 3) & (3 * abs(x) <= 4 * (y + side) + side // 2)
        house[half_y, half_x] = _coverage(walls | roof)
        window[half_y, half_x] = _coverage((abs(x) <= side * 5 // 8) & (y <= side * 5 // 8) & (y >= -side // 3))
    return house, window


def _samples(half_y: int, half_x: int) -> tuple[IntArray, IntArray]:
    """Return the sample points of a stamp relative to the centre of the thing, in eighths of a pixel."""
    steps = (2 * np.arange(_STAMP * _GRAIN) + 1) - _STAMP * _GRAIN
    return (steps - 4 * half_y)[:, None], (steps - 4 * half_x)[None, :]


def _coverage(inside: BoolArray) -> Mask:
    counts = inside.reshape(_STAMP, _GRAIN, _STAMP, _GRAIN).sum(axis=(1, 3))
    coverage: Mask = (counts * 255 // (_GRAIN * _GRAIN)).astype(np.uint8)
    return coverage


def _inside(shape: str, x: IntArray, y: IntArray, r: int) -> BoolArray:
    """Say which points lie inside a shape of radius r around the origin; y grows downwards."""
    if shape == "circle":
        return x * x + y * y <= r * r
    if shape == "square":
        return 100 * np.maximum(abs(x), abs(y)) <= 84 * r
    if shape == "triangle":
        return (100 * y <= 66 * r) & (166 * abs(x) <= 92 * (y + r))
    if shape == "diamond":
        return 100 * abs(x) + 78 * abs(y) <= 78 * r
    if shape == "star":
        return _star(x, y, r)
    if shape == "heart":
        return _heart(x, y, r)
    if shape == "ring":
        return (x * x + y * y <= r * r) & (100 * (x * x + y * y) >= 34 * r * r)
    bite = (100 * x - 50 * r) ** 2 + (100 * y) ** 2 < (82 * r) ** 2
    return (x * x + y * y <= r * r) & ~bite


def _star(x: IntArray, y: IntArray, r: int) -> BoolArray:
    """A pentagram is what lies within at least four of its five lines."""
    normals = ((0, 1000), (951, 309), (588, -809), (-588, -809), (-951, 309))
    lines: IntArray = np.sum([a * x + b * y <= 309 * r for a, b in normals], axis=0)
    return lines >= 4


def _heart(x: IntArray, y: IntArray, r: int) -> BoolArray:
    lobes = (100 * abs(x) - 45 * r) ** 2 + (100 * y + 34 * r) ** 2 <= (50 * r) ** 2
    point = (100 * y >= -20 * r) & (110 * abs(x) <= 92 * (90 * r - 100 * y) // 100)
    return lobes | point
