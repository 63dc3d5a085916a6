"""The photographs that the corruption "frost" lays over an image; they come with an optional package."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from clipbench.datasets.corruptions.random import Pixels
from clipbench.errors import UserError
from clipbench.fingerprint import digest, digest_file

PACKAGE: Final = "imagecorruptions"
"""Its wheel holds the photographs of the original, Apache-2.0; the fork imagecorruptions-imaug has the same."""
NAMES: Final = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")
"""In the original's order; it has a sixth that it never uses."""


def have_frost() -> bool:
    """Return whether the photographs are on this machine."""
    folder = _folder()
    return folder is not None and all((folder / name).is_file() for name in NAMES)


def frost_paths() -> tuple[Path, ...]:
    """Return where the five photographs are.

    Raises:
        UserError: the package that brings them is not installed.
    """
    folder = _folder()
    if folder is None or not have_frost():
        problem = "the corruption 'frost' needs photographs of frost, which are not installed"
        raise UserError(problem, fix="pip install 'clipbench[corruptions]'")
    return tuple(folder / name for name in NAMES)


@lru_cache(maxsize=1)
def digest_frost(paths: tuple[Path, ...]) -> str:
    """Return a digest of the photographs' files."""
    return digest([digest_file(path) for path in paths])


@lru_cache(maxsize=len(NAMES))
def photograph(path: Path, step: int, height: int, width: int) -> Pixels:
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


def _folder() -> Path | None:
    # Found, not imported: only the package's pictures are of use, and its imports are heavy.
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / "frost"
