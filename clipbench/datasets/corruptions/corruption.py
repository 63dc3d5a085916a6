"""The corruptions of ImageNet-C and CIFAR-C as views of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np

from clipbench.datasets.corruptions import blur, digital, noise, weather
from clipbench.datasets.corruptions.constants import CIFAR_C, EXTRA, IMAGENET_C, KINDS, SEVERITIES, STANDARD, Constants
from clipbench.datasets.corruptions.random import Draws, to_pixels
from clipbench.datasets.corruptions.weather import find_frost, frost_paths
from clipbench.errors import UserError, did_you_mean
from clipbench.fingerprint import digest, digest_file

if TYPE_CHECKING:
    import PIL.Image

Protocol = Literal["imagenet-c", "cifar-c", "adapted"]
PROTOCOLS: Final[tuple[Protocol, ...]] = get_args(Protocol)

GENERATOR: Final = 1
"""Changes whenever the same settings would give other pixels."""

_RESIZED, _CROPPED, _CIFAR = 256, 224, 32

_MODULES: Final = {"noise": noise, "blur": blur, "weather": weather, "digital": digital}
"""By kind; each holds a function for every corruption of its kind, by name."""


def available() -> tuple[str, ...]:
    """Return the corruptions that can be made on this machine: all, or all but 'frost', which needs photographs."""
    return tuple(name for name in STANDARD + EXTRA if name != "frost" or find_frost())


@dataclass(frozen=True)
class Corruption:
    """A view through one corruption at one severity.

    Source: Hendrycks and Dietterich 2019, arXiv 1903.12261. Random numbers are seeded from the corruption, the
    severity and the image's id.

    Raises:
        UserError: an unknown name, severity or protocol, a quality that JPEG does not have, or frost without its
            photographs.
    """

    corruption: str
    """One of `STANDARD` or `EXTRA`."""
    severity: int
    """1 to 5."""
    protocol: Protocol = "imagenet-c"
    """'imagenet-c': the shorter side resized to 256, the middle 224 x 224 corrupted. 'cifar-c': images of 32 x 32,
    with CIFAR-C's constants. 'adapted': any size, with ImageNet-C's constants; it compares with no published figure."""
    jpeg: int | None = None
    """Save the result as JPEG of this quality; the released ImageNet-C has 85."""

    def __post_init__(self) -> None:
        if self.corruption not in KINDS:
            fix = did_you_mean(str(self.corruption), KINDS, limit=len(KINDS))
            raise UserError(f"unknown corruption {self.corruption!r}", fix=fix)
        if type(self.severity) is not int or self.severity not in SEVERITIES:
            raise UserError(f"severity {self.severity!r} does not exist", where=self.corruption, fix="give 1 to 5")
        if self.protocol not in PROTOCOLS:
            fix = did_you_mean(str(self.protocol), PROTOCOLS)
            raise UserError(f"unknown protocol {self.protocol!r}", where=self.corruption, fix=fix)
        if self.jpeg is not None and (type(self.jpeg) is not int or not 1 <= self.jpeg <= 100):
            fix = "give 1 to 100; the released ImageNet-C has 85"
            raise UserError(f"JPEG quality {self.jpeg!r} does not exist", where=self.corruption, fix=fix)
        if self.corruption == "frost":
            frost_paths()

    @property
    def name(self) -> str:
        """'gaussian_noise/3', and what is not the default: 'gaussian_noise/3/cifar-c', 'gaussian_noise/3/jpeg85'."""
        protocol = "" if self.protocol == "imagenet-c" else f"/{self.protocol}"
        return f"{self.corruption}/{self.severity}{protocol}" + (f"/jpeg{self.jpeg}" if self.jpeg is not None else "")

    @property
    def about(self) -> Mapping[str, Any]:
        """The corruption, its kind and severity, the protocol and, if there is one, the JPEG quality."""
        settings = {"corruption": self.corruption, "kind": KINDS[self.corruption], "severity": self.severity}
        jpeg = {} if self.jpeg is None else {"jpeg": self.jpeg}
        return {**settings, "protocol": self.protocol, **jpeg}

    def fingerprint(self) -> str:
        """Return a digest of the settings, the constants, the generator's version and, for frost, its photographs."""
        photographs = digest([digest_file(path) for path in frost_paths()]) if self.corruption == "frost" else ""
        return digest(["corruption", GENERATOR, dict(self.about), list(self._constants), photographs])

    def __call__(self, image: PIL.Image.Image, example_id: str) -> PIL.Image.Image:
        """Return the corrupted image: 224 x 224 for 'imagenet-c', else as large as it was.

        Raises:
            ValueError: the protocol is 'cifar-c' and the image is not 32 x 32.
        """
        import PIL.Image

        pixels = np.asarray(self._prepared(image.convert("RGB")))
        draws = Draws(int(digest([self.corruption, self.severity, example_id])[:32], 16))
        corrupt = getattr(_MODULES[KINDS[self.corruption]], self.corruption)
        corrupted = PIL.Image.fromarray(to_pixels(corrupt(pixels, self._constants, draws)))
        return corrupted if self.jpeg is None else digital.through_jpeg(corrupted, self.jpeg)

    @cached_property
    def _constants(self) -> Constants:
        table = CIFAR_C if self.protocol == "cifar-c" else IMAGENET_C
        return table[self.corruption][self.severity - 1]

    def _prepared(self, image: PIL.Image.Image) -> PIL.Image.Image:
        if self.protocol == "imagenet-c":
            return _middle(image)
        if self.protocol == "cifar-c" and image.size != (_CIFAR, _CIFAR):
            width, height = image.size
            advice = "use protocol 'imagenet-c' or 'adapted'"
            raise ValueError(f"CIFAR-C is for images of {_CIFAR} x {_CIFAR}, not {width} x {height}; {advice}")
        return image


def _middle(image: PIL.Image.Image) -> PIL.Image.Image:
    """Resize the shorter side to 256 and cut out the middle, as torchvision's Resize and CenterCrop do."""
    import PIL.Image

    scale = _RESIZED / min(image.size)
    width, height = (_RESIZED if side == min(image.size) else int(scale * side) for side in image.size)
    left, top = round((width - _CROPPED) / 2), round((height - _CROPPED) / 2)
    resized = image.resize((width, height), PIL.Image.Resampling.BILINEAR)
    return resized.crop((left, top, left + _CROPPED, top + _CROPPED))
