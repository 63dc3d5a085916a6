"""Noise: gaussian, shot, impulse and speckle."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from clipbench.datasets.corruptions.constants import Constants
from clipbench.datasets.corruptions.random import WORDS, Draws, Field, Pixels


def gaussian_noise(pixels: Pixels, constants: Constants, draws: Draws) -> Field:
    """Add normal noise; constants: its standard deviation, as a fraction of the range."""
    (deviation,) = constants
    return pixels + draws.normal(*pixels.shape) * np.float32(255 * deviation)


def speckle_noise(pixels: Pixels, constants: Constants, draws: Draws) -> Field:
    """Add normal noise in proportion to the value; constants: its standard deviation relative to the value."""
    (deviation,) = constants
    return pixels * (1 + draws.normal(*pixels.shape) * np.float32(deviation))


def impulse_noise(pixels: Pixels, constants: Constants, draws: Draws) -> Pixels:
    """Set values to 0 or 255, channel by channel; constants: the share of the values, half of them to each."""
    (share,) = constants
    words = draws.words(*pixels.shape)
    changed = np.where(words < round(share * WORDS), np.uint8(255), pixels)
    changed[words < round(share * WORDS / 2)] = 0
    return changed


def shot_noise(pixels: Pixels, constants: Constants, draws: Draws) -> Pixels:
    """Replace each value by a count of photons; constants: the mean count at full intensity."""
    (photons,) = constants
    return _shot_table(int(photons))[pixels, draws.words(*pixels.shape)]


@lru_cache(maxsize=2)
def _shot_table(photons: int) -> Pixels:
    """Return the value that each old value (256 rows) gets at each of 65,536 equally likely random words."""
    from scipy.special import pdtr

    counts = np.arange(photons)
    values = (np.arange(photons + 1) * 255 / photons + 1e-9).astype(np.uint8)
    table = np.empty((256, WORDS), np.uint8)
    for level in range(256):
        # Word w stands for the probability (w + 1/2) / 65,536; what exceeds full intensity is clipped to it.
        upto = np.ceil(pdtr(counts, level / 255 * photons) * WORDS - 0.5).astype(int)
        table[level] = np.repeat(values, np.diff(upto, prepend=0, append=WORDS))
    return table
