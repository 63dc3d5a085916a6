"""How a generated scene is rendered: colours, backgrounds and styles, in integer arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import IntArray
from clipbench.datasets.adapters.scenes.attributes import ATTRIBUTES, Dice, Scenery
from clipbench.datasets.adapters.scenes.layout import SIDE, Mask, Masks, lay_out

Pixels = NDArray[np.uint8]
Colours = NDArray[np.int32]

_RGB = np.array(
    [
        (215, 40, 40),  # red
        (240, 140, 30),  # orange
        (240, 220, 50),  # yellow
        (50, 165, 70),  # green
        (45, 85, 215),  # blue
        (135, 60, 175),  # purple
        (245, 140, 190),  # pink
        (125, 80, 45),  # brown
    ]
)
_GREY = np.array([235, 150, 35, 225, 225])
"""Of the backgrounds; striped and checkered ones have darker parts."""
_DARKER = 55
_INK = 25
_PAPER = 243


@dataclass(frozen=True)
class _Layers:
    """B scenes before they are put together."""

    masks: Masks
    colour: Colours
    """(B, 1, 1, 3) of the objects."""
    ground: Colours
    """(B, SIDE, SIDE, 3)."""
    dice: Dice


def render(scenery: Scenery, dice: Dice) -> Pixels:
    """Draw B scenes: (B, SIDE, SIDE, 3) uint8, equal on every machine."""
    masks = lay_out(scenery, dice)
    pixels = np.zeros((len(scenery), SIDE, SIDE, 3), np.uint8)
    styles = np.array(scenery.styles)
    for style, draw in _STYLES.items():
        rows = np.flatnonzero(styles == style)
        if len(rows):
            chosen = Masks(masks.objects[rows], masks.house[rows], masks.window[rows])
            image = draw(_layers(scenery.take(rows), chosen, dice.take(rows)))
            pixels[rows] = np.clip(image, 0, 255)
    return pixels


def _layers(scenery: Scenery, masks: Masks, dice: Dice) -> _Layers:
    rgb = _RGB[scenery.codes["colour"]] + dice.between("colour", -16, 16, (3,))
    colour = np.clip(rgb, 0, 255).astype(np.int32)[:, None, None, :]
    return _Layers(masks, colour, _background(scenery, dice), dice)


def _background(scenery: Scenery, dice: Dice) -> Colours:
    kind = scenery.codes["background"]
    y, x = np.arange(SIDE)[None, :, None], np.arange(SIDE)[None, None, :]
    period = dice.between("period", 4, 6)[:, None, None]
    shift = dice.roll("shift", 12, (2,))[:, :, None, None]
    rows, columns = (y + shift[:, 0]) // period % 2, (x + shift[:, 1]) // period % 2
    upright = dice.roll("upright", 2)[:, None, None]
    # Plain grounds keep neither, striped ones one of the two patterns, checkered ones both.
    patterned, checkered = (kind >= 3)[:, None, None], (kind == 4)[:, None, None]
    dark = (rows & patterned & (checkered | upright)) ^ (columns & patterned & (checkered | (1 - upright)))
    grey = (_GREY[kind][:, None, None] - _DARKER * dark).astype(np.int32)
    tint = dice.between("brightness", -12, 12)[:, None] + dice.between("tint", -5, 5, (3,))
    ground: Colours = np.clip(grey[..., None] + tint.astype(np.int32)[:, None, None, :], 0, 255)
    return ground


def _over(below: Colours, above: Colours | int, mask: Mask) -> Colours:
    """Lay a colour over (B, SIDE, SIDE, 3) where the mask covers it."""
    image: Colours = below.copy()
    covered = mask.nonzero()
    cover = mask[covered][:, None].astype(np.int32)
    old, new = image[covered], np.broadcast_to(above, image.shape)[covered]
    image[covered] = old + ((new - old) * cover + 127) // 255
    return image


def _with_house(image: Colours, masks: Masks) -> Colours:
    return _over(_over(image, _INK, masks.house), _PAPER, masks.window)


def _plain(layers: _Layers) -> Colours:
    return _with_house(_over(layers.ground, layers.colour, layers.masks.objects), layers.masks)


def _outlined(layers: _Layers) -> Colours:
    image = _over(layers.ground, _INK, _spread(layers.masks.objects))
    return _with_house(_over(image, layers.colour, layers.masks.objects), layers.masks)


def _shaded(layers: _Layers) -> Colours:
    return _plain(layers) * _light(layers.dice, low=60, high=110) // 100


def _light(dice: Dice, low: int, high: int) -> Colours:
    """Return (B, SIDE, SIDE, 1) per cent of brightness, falling off along a random direction."""
    y, x = np.arange(SIDE)[None, :, None], np.arange(SIDE)[None, None, :]
    weights = dice.between("light", -8, 8, (2,))
    slope = weights[:, 0, None, None] * (2 * y - SIDE) + weights[:, 1, None, None] * (2 * x - SIDE)
    return ((low + high) // 2 + slope * (high - low) // (2 * 16 * SIDE)).astype(np.int32)[..., None]


def _sketch(layers: _Layers) -> Colours:
    """Coloured pencil on paper: contours and hatching instead of surfaces."""
    masks, dice = layers.masks, layers.dice
    y, x = np.arange(SIDE)[None, :, None], np.arange(SIDE)[None, None, :]
    hatched = (x + y + dice.roll("hatching", 4)[:, None, None]) % 4 == 0
    lines = np.maximum(_contour(masks.objects), np.where(hatched, masks.objects // 3 * 2, 0).astype(np.uint8))
    grain = dice.between("paper", -6, 6, (SIDE, SIDE, 1)).astype(np.int32)
    paper = np.broadcast_to(_PAPER + grain, layers.ground.shape)
    return _over(_over(paper, layers.colour, lines), _INK, _contour(masks.house))


def _noise(layers: _Layers) -> Colours:
    size = (SIDE, SIDE, 3)
    noise = layers.dice.between("noise one", -60, 60, size) + layers.dice.between("noise two", -60, 60, size)
    return _plain(layers) + noise.astype(np.int32)


def _negative(layers: _Layers) -> Colours:
    return 255 - _plain(layers)


def _texture(layers: _Layers) -> Colours:
    """Like a photograph: rough surfaces with a tint, uneven light, not quite in focus."""
    dice = layers.dice
    grey = layers.ground.sum(axis=(1, 2, 3), keepdims=True) // (3 * SIDE * SIDE)
    hue = dice.between("hue", -30, 30, (3,)).astype(np.int32)[:, None, None, :]
    ground = np.clip(grey.astype(np.int32), 70, 190) + hue + _rough(dice, "ground", 60)
    surface = layers.colour + _rough(dice, "surface", 40)
    image = _with_house(_over(ground, surface, layers.masks.objects), layers.masks)
    return _blur(np.clip(image * _light(dice, low=55, high=120) // 100, 0, 255))


def _rough(dice: Dice, name: str, depth: int) -> Colours:
    """Return (B, SIDE, SIDE, 1) noise in [-depth, depth], coarse and fine, interpolated between lattice points."""
    total = np.zeros((1, SIDE, SIDE), np.int64)
    for cell, share in ((12, 2), (4, 1)):
        points = SIDE // cell + 1
        lattice = dice.between(f"{name} {cell}", -depth * share, depth * share, (points, points))
        # In float64 the matrix product is fast, and exact for integers of this size.
        weights = _interpolation(cell).astype(np.float64)
        total = total + (weights @ lattice @ weights.T).astype(np.int64) // (3 * cell * cell)
    return total.astype(np.int32)[..., None]


def _interpolation(cell: int) -> IntArray:
    """Return (SIDE, points) weights that add up to `cell` in each row."""
    point, part = np.divmod(np.arange(SIDE), cell)
    weights = np.zeros((SIDE, SIDE // cell + 1), np.int64)
    weights[np.arange(SIDE), point] = cell - part
    weights[np.arange(SIDE), point + 1] = part
    return weights


def _neighbours(mask: Mask) -> list[Mask]:
    """Return the nine shifts of (B, SIDE, SIDE) by at most one pixel, edges repeated."""
    padded = np.pad(mask, ((0, 0), (1, 1), (1, 1)), mode="edge")
    return [padded[:, y : y + SIDE, x : x + SIDE] for y in range(3) for x in range(3)]


def _spread(mask: Mask) -> Mask:
    spread: Mask = np.maximum.reduce(_neighbours(mask))
    return spread


def _contour(mask: Mask) -> Mask:
    shrunk: Mask = np.minimum.reduce(_neighbours(mask))
    return mask - shrunk


def _blur(image: Colours) -> Colours:
    rows = np.pad(image, ((0, 0), (1, 1), (0, 0), (0, 0)), mode="edge")
    rows = rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]
    columns = np.pad(rows, ((0, 0), (0, 0), (1, 1), (0, 0)), mode="edge")
    return (columns[:, :, :-2] + 2 * columns[:, :, 1:-1] + columns[:, :, 2:]) // 16


_STYLES: dict[str, Callable[[_Layers], Colours]] = {
    "plain": _plain,
    "outlined": _outlined,
    "shaded": _shaded,
    "sketch": _sketch,
    "noise": _noise,
    "negative": _negative,
    "texture": _texture,
}

assert len(_RGB) == len(ATTRIBUTES["colour"])
