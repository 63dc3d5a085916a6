"""Blur: defocus, glass, motion, zoom and gaussian."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from clipbench.arrays import BoolArray, IntArray
from clipbench.datasets.corruptions.constants import Constants
from clipbench.datasets.corruptions.random import Draws, Field, Pixels, to_pixels


def gaussian_blur(pixels: Pixels, constants: Constants, draws: Draws) -> Field:
    """Blur with a gaussian; constants: its standard deviation in pixels."""
    (sigma,) = constants
    return smooth(pixels.astype(np.float32), sigma)


def smooth(field: Field, sigma: float) -> Field:
    """Return the image blurred by a gaussian of four standard deviations' reach, its edges repeated outwards."""
    from scipy.ndimage import gaussian_filter

    # Channels first: the filter runs along rows that lie together in memory.
    planes = np.ascontiguousarray(np.moveaxis(np.atleast_3d(field), 2, 0))
    blurred: Field = gaussian_filter(planes, (0, sigma, sigma), mode="nearest", truncate=4)
    return np.ascontiguousarray(np.moveaxis(blurred, 0, 2)).reshape(field.shape)


def defocus_blur(pixels: Pixels, constants: Constants, draws: Draws) -> Field:
    """Blur with a disc; constants: its radius in pixels, and the blur of its rim."""
    from scipy.fft import irfft2, next_fast_len, rfft2

    radius, rim = constants
    kernel = _disc(radius, rim)
    reach = kernel.shape[0] // 2
    planes = np.pad(np.moveaxis(pixels.astype(np.float32), 2, 0), ((0, 0), (reach, reach), (reach, reach)), "reflect")
    shape = [next_fast_len(side, real=True) for side in planes.shape[1:]]
    # The disc is symmetric, so that convolution and correlation agree; wrapped values fall into the margin.
    product = rfft2(planes, shape) * rfft2(kernel, shape)
    blurred = irfft2(product, shape)[:, 2 * reach : planes.shape[1], 2 * reach : planes.shape[2]]
    return np.moveaxis(blurred, 0, 2)


@lru_cache(maxsize=8)
def _disc(radius: float, rim: float) -> Field:
    from scipy.ndimage import correlate1d

    side, width = (8, 1) if radius <= 8 else (int(radius), 2)
    rows, columns = np.mgrid[-side : side + 1, -side : side + 1]
    disc = (rows**2 + columns**2 <= radius**2).astype(np.float64)
    disc /= disc.sum()
    weights = np.exp(-(np.arange(-width, width + 1) ** 2) / (2 * rim**2))
    weights /= weights.sum()
    for axis in (0, 1):
        disc = correlate1d(disc, weights, axis, mode="mirror")
    # Not normalised again: where the disc fills its array, the mirrored rim brightens the released images by 1 %.
    return np.asarray(disc, np.float32)


def glass_blur(pixels: Pixels, constants: Constants, draws: Draws) -> Field:
    """Blur, move pixels about, blur again; constants: the gaussian's deviation, the farthest move, the passes."""
    sigma, reach, passes = constants[0], int(constants[1]), int(constants[2])
    blurred = to_pixels(smooth(pixels.astype(np.float32), sigma))
    for _ in range(passes):
        blurred = _shuffled(blurred, reach, draws)
    return smooth(blurred.astype(np.float32), sigma)


def _shuffled(pixels: Pixels, reach: int, draws: Draws) -> Pixels:
    """Return what a pass over the image, last pixel first, makes of it when each pixel takes a neighbour's value.

    The original sets out to swap a pixel with one up to `reach` away, but exchanges two views of the same array, so
    that only the first of the two assignments has an effect: the pixel takes the neighbour's value. A neighbour
    farther on in the image was visited before and holds what it took itself; so each pixel's source is found by
    following neighbours for as long as they lie ahead. This gives exactly what the loop over pixels gives.
    """
    height, width = pixels.shape[:2]
    rows, columns = np.arange(reach + 1, height - reach + 1), np.arange(reach + 1, width - reach + 1)
    if not len(rows) or not len(columns):
        return pixels
    moves = draws.integers(-reach, reach, 2, len(rows), len(columns))
    source = np.arange(height * width).reshape(height, width)
    visited = np.zeros((height, width), bool)
    visited[rows[0] :, columns[0] :] = True
    visited[rows[-1] + 1 :] = visited[:, columns[-1] + 1 :] = False
    source[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += moves[0] * width + moves[1]
    taken = _ends_of_chains(source.ravel(), visited.ravel())
    shuffled: Pixels = pixels.reshape(height * width, -1)[taken].reshape(pixels.shape)
    return shuffled


def _ends_of_chains(source: IntArray, visited: BoolArray) -> IntArray:
    # `ahead` leads from a pixel to the neighbour whose own source counts, and from the last of a chain to itself.
    here = np.arange(len(source))
    ahead = np.where(visited & visited[source] & (source > here), source, here)
    while True:
        further = ahead[ahead]
        if np.array_equal(further, ahead):
            return source[ahead]
        ahead = further


def motion_blur(pixels: Pixels, constants: Constants, draws: Draws) -> Field:
    """Smear along a line within 45 degrees of the horizontal; constants: radius and deviation in pixels."""
    radius, sigma = constants
    return smear(pixels.astype(np.float32), radius, sigma, draws.number(-45, 45))


def smear(field: Field, radius: float, sigma: float, angle: float) -> Field:
    """Return the image blurred along a line to one side of each pixel, its edges repeated outwards.

    ImageMagick's motion blur: weights fall as a gaussian from the pixel itself over 2 `radius` + 1 steps, each
    rounded to whole pixels. The angle is in degrees; 0 looks to the right, 90 down.
    """
    steps = np.arange(2 * int(np.ceil(radius)) + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    weights = (weights / weights.sum()).astype(np.float32)
    down = np.ceil(steps * np.sin(np.deg2rad(angle)) - 0.5).astype(int)
    right = np.ceil(steps * np.cos(np.deg2rad(angle)) - 0.5).astype(int)
    top, left = -min(down.min(), 0), -min(right.min(), 0)
    margins = [(top, max(down.max(), 0)), (left, max(right.max(), 0)), (0, 0)]
    padded = np.pad(field, margins[: field.ndim], "edge")
    height, width = field.shape[:2]
    total, part = np.zeros_like(field), np.empty_like(field)
    for weight, row, column in zip(weights, down + top, right + left, strict=True):
        np.multiply(padded[row : row + height, column : column + width], weight, out=part)
        total += part
    return total


def zoom_blur(pixels: Pixels, constants: Constants, draws: Draws) -> Field:
    """Average the image with itself zoomed in; constants: where the zooms end, and their step."""
    end, step = constants
    field = pixels.astype(np.float32)
    zooms = np.arange(1, end, step)
    total = field.copy()
    for zoom in zooms:
        total += zoomed(field, float(zoom))
    return total / np.float32(len(zooms) + 1)


def zoomed(field: Field, zoom: float) -> Field:
    """Return the middle of an (H, W) or (H, W, C) image enlarged to the image's size, linearly between pixels."""
    import torch

    height, width = field.shape[:2]
    kept = [int(np.ceil(side / zoom)) for side in (height, width)]
    top, left = (height - kept[0]) // 2, (width - kept[1]) // 2
    middle = np.atleast_3d(field)[top : top + kept[0], left : left + kept[1]]
    enlarged = [round(side * zoom) for side in kept]
    planes = torch.from_numpy(np.ascontiguousarray(np.moveaxis(middle, 2, 0)))[None]
    larger = torch.nn.functional.interpolate(planes, enlarged, mode="bilinear", align_corners=True)[0].numpy()
    top, left = (enlarged[0] - height) // 2, (enlarged[1] - width) // 2
    return np.moveaxis(larger[:, top : top + height, left : left + width], 0, 2).reshape(field.shape)
