"""Digital changes: contrast, elastic transform, pixelation, JPEG compression and saturation."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Literal

import numpy as np
import PIL.Image

from clipbench.datasets.corruptions.constants import Constants
from clipbench.datasets.corruptions.random import Draws, Field, Pixels


def contrast(pixels: Pixels, constants: Constants, draws: Draws) -> Field:
    """Draw values towards the mean of their channel; constants: the share of the distance that is left."""
    (kept,) = constants
    means = pixels.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
    flattened: Field = (pixels - means) * np.float32(kept) + means
    return flattened


def saturate(pixels: Pixels, constants: Constants, draws: Draws) -> Field:
    """Change the saturation of HSV; constants: a factor and a summand.

    At equal hue and value, the distance of a channel from the largest is in proportion to the saturation. Grey has
    no hue: as in the original, what is added turns it red.
    """
    factor, added = (np.float32(number) for number in constants)
    value = pixels.max(axis=2, keepdims=True).astype(np.float32)
    chroma = value - pixels.min(axis=2, keepdims=True)
    saturation = chroma / np.maximum(value, 1)
    target = np.clip(saturation * factor + added, 0, 1)
    coloured = value - (value - pixels) * (target / np.where(chroma > 0, saturation, 1))
    reddish = value * (1 - target * np.array([0, 1, 1], np.float32))
    return np.asarray(np.where(chroma > 0, coloured, reddish), np.float32)


def jpeg_compression(pixels: Pixels, constants: Constants, draws: Draws) -> Pixels:
    """Save as JPEG and read back; constants: the quality."""
    (quality,) = constants
    return np.asarray(through_jpeg(PIL.Image.fromarray(pixels), int(quality)))


def through_jpeg(image: PIL.Image.Image, quality: int) -> PIL.Image.Image:
    """Return the image saved as JPEG, in memory, and read back."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    with PIL.Image.open(stream) as opened:
        return opened.convert("RGB")


def pixelate(pixels: Pixels, constants: Constants, draws: Draws) -> Pixels:
    """Shrink the image and enlarge it again, by the means of boxes; constants: the side that is left, as a share."""
    (kept,) = constants
    image = PIL.Image.fromarray(pixels)
    small = image.resize([max(1, int(side * kept)) for side in image.size], PIL.Image.Resampling.BOX)
    return np.asarray(small.resize(image.size, PIL.Image.Resampling.BOX))


def elastic_transform(pixels: Pixels, constants: Constants, draws: Draws) -> Field:
    """Stretch the image by a random affine map, then move each pixel by smooth noise.

    Constants, in shares of the shorter side: the scale of the moves, the deviation of the gaussian that smooths them,
    and how far the three points that fix the affine map may move along each axis.
    """
    scale, sigma, bend = (share * min(pixels.shape[:2]) for share in constants)
    height, width = pixels.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    stretched = _sampled(pixels.astype(np.float32), *_affine(rows, columns, bend, draws), "mirror")
    across, down = (_smooth_noise(height, width, sigma, draws) * np.float32(scale) for _ in range(2))
    return _sampled(stretched, rows + down, columns + across, "reflect")


def _affine(rows: Field, columns: Field, bend: float, draws: Draws) -> tuple[Field, Field]:
    """Return where each pixel comes from when three points about the middle move at random."""
    height, width = rows.shape
    arm = max(1, min(height, width) // 3)
    middle = np.array([height // 2, width // 2])
    before = middle + np.array([[arm, arm], [-arm, arm], [-arm, -arm]])
    after = before + draws.uniform(-bend, bend, 3, 2)
    back = np.linalg.solve(np.column_stack([after, np.ones(3)]), before).astype(np.float32)
    return (
        rows * back[0, 0] + columns * back[1, 0] + back[2, 0],
        rows * back[0, 1] + columns * back[1, 1] + back[2, 1],
    )


def _smooth_noise(height: int, width: int, sigma: float, draws: Draws) -> Field:
    """Return uniform noise between -1 and 1, blurred by a gaussian of three deviations' reach, reflected at edges.

    The deviation may be most of the image's side. A filter with reflected edges is a product of cosine transforms,
    so this costs the same at any deviation.
    """
    from scipy.fft import dctn, idctn

    gains = np.outer(_gains(height, sigma), _gains(width, sigma))
    noise: Field = idctn(dctn(draws.uniform(-1, 1, height, width)) * gains)
    return noise


@lru_cache(maxsize=4)
def _gains(side: int, sigma: float) -> Field:
    """Return what the gaussian leaves of each cosine that fits an image's side."""
    steps = np.arange(1, int(3 * sigma + 0.5) + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2)) if len(steps) else np.zeros(0)
    waves = np.cos(np.pi * np.outer(np.arange(side), steps) / side)
    return np.asarray((1 + 2 * waves @ weights) / (1 + 2 * weights.sum()), np.float32)


def _sampled(image: Field, rows: Field, columns: Field, edges: Literal["mirror", "reflect"]) -> Field:
    """Return the image at places between pixels, linearly; (H, W, 3) at (H, W) rows and columns.

    Beyond its edges the image goes on as its mirror image; 'reflect' repeats the edge itself, 'mirror' does not.
    """
    import torch

    # grid_sample counts from -1 to 1: between the outer pixels' centres for 'mirror', their outer sides for 'reflect'.
    shift, lost = (0.0, 1) if edges == "mirror" else (0.5, 0)
    spans = [max(1, side - lost) for side in image.shape[:2]]
    positions = [
        2 * (coordinate + shift) / span - 1 for coordinate, span in zip((columns, rows), reversed(spans), strict=True)
    ]
    grid = torch.from_numpy(np.stack(positions, axis=-1, dtype=np.float32))
    planes = torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, 2, 0)))
    sampled = torch.nn.functional.grid_sample(
        planes[None], grid[None], padding_mode="reflection", align_corners=edges == "mirror"
    )
    return np.moveaxis(sampled[0].numpy(), 0, 2)
