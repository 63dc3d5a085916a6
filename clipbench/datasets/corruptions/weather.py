"""Weather: snow, frost, fog and brightness."""

from __future__ import annotations

import numpy as np

from clipbench.datasets.corruptions.blur import smear, zoomed
from clipbench.datasets.corruptions.constants import Constants
from clipbench.datasets.corruptions.frost_photographs import frost_paths, photograph
from clipbench.datasets.corruptions.random import Draws, Field, Pixels

GREY = np.array([0.299, 0.587, 0.114], np.float32)


def snow(pixels: Pixels, constants: Constants, draws: Draws) -> Field:
    """Whiten the image and let flakes fall, and their mirror image rise.

    Constants: mean and deviation of the noise that flakes are cut from, its zoom, the threshold, radius and deviation
    of their motion in pixels, and the share of the image's own colour that is kept.
    """
    mean, deviation, zoom, threshold, radius, sigma, kept = constants
    noise = zoomed(mean + np.float32(deviation) * draws.normal(*pixels.shape[:2]), zoom)
    flakes = np.floor(255 * np.clip(np.where(noise < threshold, 0, noise), 0, 1))
    flakes = np.floor(smear(flakes, radius, sigma, draws.number(-135, -45)) + np.float32(1e-3))
    white = np.maximum(pixels, (pixels @ GREY)[..., None] * 1.5 + 127.5)
    falling = (flakes + np.rot90(flakes, 2))[..., None]
    snowy: Field = np.float32(kept) * pixels + np.float32(1 - kept) * white + falling
    return snowy


def frost(pixels: Pixels, constants: Constants, draws: Draws) -> Field:
    """Lay a part of a photograph of frost over the image.

    Constants: the weights of image and frost, and the step in pixels at which the photograph is read.
    """
    kept, added, step = constants
    height, width = pixels.shape[:2]
    paths = frost_paths()
    ice = photograph(paths[draws.integer(0, len(paths))], int(step), height, width)
    top, left = draws.integer(0, ice.shape[0] - height), draws.integer(0, ice.shape[1] - width)
    part = ice[top : top + height, left : left + width]
    return np.float32(kept) * pixels + np.float32(added) * part


def fog(pixels: Pixels, constants: Constants, draws: Draws) -> Field:
    """Add clouds and scale back to the image's brightest value; constants: their height, and how smooth they are."""
    thickness, decay = constants
    height, width = pixels.shape[:2]
    brightest = float(pixels.max()) / 255
    clouds = _plasma(1 << (max(height, width) - 1).bit_length(), decay, draws)[:height, :width, None]
    return (pixels + np.float32(255 * thickness) * clouds) * np.float32(brightest / (brightest + thickness))


def _plasma(side: int, decay: float, draws: Draws) -> Field:
    """Return a height map between 0 and 1 by the diamond-square algorithm, its borders joined; `side` is a power of 2.

    Starting at one point, each step doubles the grid: a new point is the mean of its four neighbours plus uniform
    noise, at first in the middle of squares, then on their edges. The noise's range falls by `decay` squared a step,
    because the original multiplies a shrinking range by a factor that shrinks alike.
    """
    corners = np.zeros((1, 1), np.float32)
    spread = 1.0
    while len(corners) < side:
        size = len(corners)

        def wobble(total: Field, size: int = size, spread: float = spread) -> Field:
            return total / np.float32(4) + draws.uniform(-spread, spread, size, size)

        below, right = np.roll(corners, -1, 0), np.roll(corners, -1, 1)
        centres = wobble(corners + below + right + np.roll(below, -1, 1))
        finer = np.empty((2 * size, 2 * size), np.float32)
        finer[::2, ::2] = corners
        finer[1::2, 1::2] = centres
        finer[::2, 1::2] = wobble(corners + right + centres + np.roll(centres, 1, 0))
        finer[1::2, ::2] = wobble(corners + below + centres + np.roll(centres, 1, 1))
        corners = finer
        spread /= decay**2
    corners -= corners.min()
    highest = corners.max()
    return corners / highest if highest > 0 else corners


def brightness(pixels: Pixels, constants: Constants, draws: Draws) -> Field:
    """Raise the value of HSV; constants: by how much, as a fraction of the range.

    At equal hue and saturation red, green and blue grow in proportion to the value, the largest of them.
    """
    (added,) = constants
    value = pixels.max(axis=2, keepdims=True).astype(np.float32)
    raised = np.minimum(value + np.float32(255 * added), 255)
    return np.asarray(np.where(value > 0, pixels * (raised / np.maximum(value, 1)), raised), np.float32)
