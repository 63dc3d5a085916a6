"""Spatter: drops of water or mud on the lens."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import BoolArray
from clipbench.datasets.corruptions.blur import smooth
from clipbench.datasets.corruptions.constants import Constants
from clipbench.datasets.corruptions.random import Draws, Field, Pixels

WATER = np.array([175, 238, 238], np.float32)
MUD = np.array([63, 42, 20], np.float32)


def spatter(pixels: Pixels, constants: Constants, draws: Draws) -> Field:
    """Throw drops at the image.

    Constants: mean and deviation of the noise that drops are cut from, the deviation of the gaussian that smooths
    it, the threshold, the strength of water (or the deviation of the gaussian that rounds mud), and 1 for mud.
    """
    mean, deviation, sigma, threshold, strength, mud = constants
    liquid = smooth(mean + np.float32(deviation) * draws.normal(*pixels.shape[:2]), sigma)
    if mud:
        cover = smooth((liquid > threshold).astype(np.float32), strength)[..., None]
        cover[cover < 0.8] = 0
        return pixels * (1 - cover) + MUD * cover
    return pixels + WATER * _water(np.where(liquid < threshold, 0, liquid), strength)[..., None]


def _water(liquid: Field, strength: float) -> Field:
    """Return how much of water's colour is added: shaded by the distance to a drop's rim, as if lit from one side."""
    from scipy.ndimage import correlate, distance_transform_edt  # type: ignore[import-untyped]

    drops = (liquid * 255).astype(np.uint8)
    rims = _edges(drops, 50, 150)
    if not rims.any():
        return np.zeros_like(liquid)
    # Exact distances; the original's are within 2 % of them, so that drops are shaded slightly differently.
    depth = np.minimum(distance_transform_edt(~rims), 20).astype(np.float32)
    steps = _equalized(_box(depth).astype(np.uint8))
    relief = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], np.float32)
    lit = np.clip(correlate(steps.astype(np.float32), relief, mode="mirror"), 0, 255)
    shade = drops * np.rint(_box(lit)).astype(np.float32)
    water: Field = shade * np.float32(strength / max(float(shade.max()), 1))
    return water


def _box(field: Field) -> Field:
    from scipy.ndimage import uniform_filter

    blurred: Field = uniform_filter(field, 3, mode="mirror")
    return blurred


def _equalized(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the values spread so that each of 256 steps is about equally frequent; the lowest becomes 0."""
    counts = np.bincount(values.ravel(), minlength=256)
    lowest = int(np.flatnonzero(counts)[0])
    rest = values.size - int(counts[lowest])
    if rest == 0:
        return values
    upto = np.cumsum(counts) - counts[lowest]
    spread = np.clip(np.rint(upto * (255 / rest)), 0, 255).astype(np.uint8)
    return np.asarray(spread[values])


def _edges(values: NDArray[np.uint8], low: int, high: int) -> BoolArray:
    """Return Canny's edges: ridges of the gradient above `low` that hold together with one above `high`."""
    from scipy.ndimage import label, sobel

    padded = np.pad(values.astype(np.int32), 1, "edge")
    across, down = (sobel(padded, axis)[1:-1, 1:-1] for axis in (1, 0))
    slope = abs(across) + abs(down)
    ridge = _is_ridge(slope, across, down) & (slope > low)
    parts, _ = label(ridge, np.ones((3, 3)))
    strong = np.zeros(parts.max() + 1, bool)
    strong[parts[slope > high]] = True
    strong[0] = False
    return np.asarray(strong[parts])


def _is_ridge(slope: NDArray[np.int32], across: NDArray[np.int32], down: NDArray[np.int32]) -> BoolArray:
    """Return where the gradient is largest along its own direction, of which four are told apart."""
    height, width = slope.shape
    around = np.pad(slope, 1)

    def beside(row: int, column: int) -> NDArray[np.int32]:
        return around[1 + row : 1 + row + height, 1 + column : 1 + column + width]

    # Ties go to the first of two neighbours, so that a plateau of two gives one line.
    flat = abs(down) < abs(across) * np.tan(np.pi / 8)
    steep = abs(down) > abs(across) * np.tan(3 * np.pi / 8)
    rising = (across ^ down) < 0
    horizontal = (slope > beside(0, -1)) & (slope >= beside(0, 1))
    vertical = (slope > beside(-1, 0)) & (slope >= beside(1, 0))
    diagonal = np.where(
        rising,
        (slope > beside(-1, 1)) & (slope > beside(1, -1)),
        (slope > beside(-1, -1)) & (slope > beside(1, 1)),
    )
    return np.where(flat, horizontal, np.where(steep, vertical, diagonal))
