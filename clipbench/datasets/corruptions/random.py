"""Random numbers that are the same in every version of numpy, for a corruption of one image."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import IntArray

Pixels = NDArray[np.uint8]
"""(H, W, 3), RGB."""
Field = NDArray[np.float32]
"""(H, W) or (H, W, 3)."""

WORDS = 1 << 16


class Draws:
    """Numbers drawn one after the other from a seed.

    numpy promises the raw bits of a bit generator for good, but not what its Generator makes of them, and a
    corrupted image has to stay the same. So the distributions are made here, by tables and shifts; that is also
    several times faster.
    """

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def words(self, *shape: int) -> NDArray[np.uint16]:
        """Draw whole numbers from 0 to 65,535."""
        count = int(np.prod(shape))
        return self._raw(count, 4).view(np.uint16)[:count].reshape(shape)

    def normal(self, *shape: int) -> Field:
        """Draw from the standard normal distribution, cut into 65,536 quantiles: none lies beyond 4.4."""
        return _normal_quantiles()[self.words(*shape)]

    def uniform(self, low: float, high: float, *shape: int) -> Field:
        """Draw from a range."""
        count = int(np.prod(shape))
        parts = self._raw(count, 2).view(np.uint32)[:count].reshape(shape)
        return (low + (high - low) * ((parts + 0.5) / 2**32)).astype(np.float32)

    def number(self, low: float, high: float) -> float:
        """Draw one number from a range."""
        return float(self.uniform(low, high, 1)[0])

    def integers(self, low: int, high: int, *shape: int) -> IntArray:
        """Draw whole numbers, `high` left out."""
        count = int(np.prod(shape))
        parts = self._raw(count, 2).view(np.uint32)[:count].reshape(shape).astype(np.int64)
        return low + (parts * (high - low) >> 32)

    def integer(self, low: int, high: int) -> int:
        """Draw one whole number, `high` left out."""
        return int(self.integers(low, high, 1)[0])

    def _raw(self, count: int, parts: int) -> NDArray[np.uint64]:
        # Little-endian, so that the parts of a word come in the same order on every machine.
        return self._bits.random_raw(-(-count // parts)).astype("<u8", copy=False)


@lru_cache(maxsize=1)
def _normal_quantiles() -> Field:
    from scipy.special import ndtri

    quantiles = ndtri((np.arange(WORDS) + 0.5) / WORDS)
    scaled: Field = (quantiles / quantiles.std()).astype(np.float32)
    return scaled


def to_pixels(values: Field | Pixels) -> Pixels:
    """Return values as bytes; what lies outside 0 to 255 is clipped and fractions are cut off.

    The released sets were made so. A thousandth is added first: float32 must not turn 127 into 126.
    """
    if values.dtype == np.uint8:
        return np.asarray(values, np.uint8)
    return np.asarray(np.clip(values + np.float32(1e-3), 0, 255), np.uint8)
