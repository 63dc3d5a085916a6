"""Weather: snow, frost, fog, brightness, and spatter of water or mud on the lens.

The photographs that frost lays over an image come with an optional package.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import BoolArray
from clipbench.datasets.corruptions.blur import smear, smooth, zoomed
from clipbench.datasets.corruptions.constants import Constants
from clipbench.datasets.corruptions.random import Draws, Field, Pixels
from clipbench.errors import UserError

GREY = np.array([0.299, 0.587, 0.114], np.float32)
WATER = np.array([175, 238, 238], np.float32)
MUD = np.array([63, 42, 20], np.float32)

PACKAGE: Final = "imagecorruptions"
"""Its wheel holds the photographs of the original, Apache-2.0; the fork imagecorruptions-imaug has the same."""
PHOTOGRAPHS: Final = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")
"""In the original's order; it has a sixth that it never uses."""


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
    ice = _photograph(paths[draws.integer(0, len(paths))], int(step), height, width)
    top, left = draws.integer(0, ice.shape[0] - height), draws.integer(0, ice.shape[1] - width)
    part = ice[top : top + height, left : left + width]
    return np.float32(kept) * pixels + np.float32(added) * part


def find_frost() -> tuple[Path, ...] | None:
    """Return where the five photographs are; None if they are not on this machine."""
    # Found, not imported: only the package's pictures are of use, and its imports are heavy.
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations))) / "frost"
    paths = tuple(folder / name for name in PHOTOGRAPHS)
    return paths if all(path.is_file() for path in paths) else None


def frost_paths() -> tuple[Path, ...]:
    """Return where the five photographs are.

    Raises:
        UserError: the package that brings them is not installed.
    """
    paths = find_frost()
    if paths is None:
        problem = "the corruption 'frost' needs photographs of frost, which are not installed"
        raise UserError(problem, fix="pip install 'clipbench[corruptions]'")
    return paths


@lru_cache(maxsize=len(PHOTOGRAPHS))
def _photograph(path: Path, step: int, height: int, width: int) -> Pixels:
    """Return every `step`-th pixel of a photograph, enlarged where it is not larger than (height, width)."""
    import PIL.Image

    with PIL.Image.open(path) as opened:
        ice = np.asarray(opened.convert("RGB"))[step // 2 :: step, step // 2 :: step]
    # The photographs exceed 224 pixels, and 32 at a step of 5; only images at another size of their own ask for more.
    scale = max((height + 1) / ice.shape[0], (width + 1) / ice.shape[1])
    if scale <= 1:
        return ice
    size = (int(np.ceil(ice.shape[1] * scale)), int(np.ceil(ice.shape[0] * scale)))
    return np.asarray(PIL.Image.fromarray(ice).resize(size, PIL.Image.Resampling.BICUBIC))


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
    from scipy.ndimage import correlate, distance_transform_edt

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
