"""Raw pixels as features: what a linear probe reads from the image itself, the CLIP paper's baseline on MNIST."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from clipbench.errors import UnknownName
from clipbench.fingerprint import digest
from clipbench.models.base import ImageFeatures, ModelInfo, ModelPedigree, Precision
from clipbench.models.encoders import ImageEncoder
from clipbench.models.located import Location, RemoteFile, TrainedOn

if TYPE_CHECKING:
    from torch import Tensor

_LARGEST = 512


def parse_pixels(arguments: str) -> PixelLocation:
    """Return what stands behind `pixels:`; a UserError where it is no side of an image."""
    if not (arguments.isascii() and arguments.isdigit() and 1 <= int(arguments) <= _LARGEST):
        fix = f"after pixels: comes a whole number from 1 to {_LARGEST}, e.g. pixels:32"
        raise UnknownName(f"{arguments!r} is no side of an image", where=f"model 'pixels:{arguments}'", fix=fix)
    return PixelLocation(int(arguments))


@dataclass(frozen=True)
class PixelLocation(Location):
    """An image-only model without weights: its features are the pixels of the image, resized to a square."""

    side: int

    image_only = True
    protocol = 1

    def __str__(self) -> str:
        return f"pixels, {self.side} x {self.side}"

    def needed(self) -> list[RemoteFile]:
        """Return nothing: there are no files."""
        return []

    def files(self) -> list[Path]:
        """Return nothing: there are no files."""
        return []

    def load(self, name: str, device: str, precision: Precision, trained_on: TrainedOn) -> ImageEncoder:
        """Make the model: features (B, side * side * 3) from 0 to 1, row by row, the colours of a pixel together."""
        import PIL.Image
        from torch import nn

        from clipbench.models.transforms import Normalisation, Pixels

        size = (self.side, self.side)
        resize = partial(PIL.Image.Image.resize, size=size, resample=PIL.Image.Resampling.BICUBIC)
        info = ModelInfo(
            name=name,
            pedigree=ModelPedigree(
                digest("no weights"),
                digest(["squash-bicubic/1", *size]),
                precision=precision,
                protocol=self.protocol,
            ),
            has_text=False,
            features=("backbone",),
            trained_on=(),
            library=f"Pillow {PIL.__version__}",
        )
        return ImageEncoder(info, device, Pixels((resize,)), Normalisation(nn.Identity()), _flatten)


def _flatten(pixels: Tensor) -> ImageFeatures:
    return ImageFeatures(projected=None, backbone=pixels.movedim(1, -1).flatten(1))
