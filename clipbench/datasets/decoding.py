"""From an encoded image to the RGB image that a model sees, and what a data set declares of that."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    import PIL.Image

Exif = Literal["apply", "ignore"]
Alpha = Literal["drop", "white", "black"]

FORMATS: Final = ("JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF", "PPM")
"""What is decoded. Pillow knows many more formats, some of which start other programs."""
MAX_ASPECT: Final = 1000
"""Longer side over shorter: above it, resizing the shorter side to a model's size would fill the memory."""
_ORIENTATION: Final = 0x0112
_HEADERS: Final = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")
"""Where Pillow finds an orientation that stands before the pixels."""
_ADDRESS: Final = re.compile(r" at 0x[0-9a-f]+")


class BrokenImage(ValueError):
    """An image that its own bytes keep from being decoded, wherever and whenever that is tried."""


@dataclass(frozen=True)
class Traits:
    """How many images have what may be decoded in more than one way."""

    oriented: int = 0
    """Carry an EXIF orientation that turns or mirrors them."""
    transparent: int = 0
    """Have an alpha channel or a transparent colour."""
    deep: int = 0
    """Have more than 8 bits a channel in a form that Pillow does not bring down to 8."""


@dataclass(frozen=True)
class Decoding:
    """How a data set's images are decoded, where there is a choice."""

    exif: Exif = "ignore"
    """'apply': turn images as their EXIF orientation says. A TIFF's own orientation is part of its format, and applied
    by Pillow."""
    alpha: Alpha = "drop"
    """'drop': the colours behind an alpha channel, as convert("RGB") gives them; else what is transparent shows
    white or black."""

    def difference(self, traits: Traits) -> str:
        """Return how images with these traits are decoded otherwise than by convert("RGB"); '' if none is.

        Deep images always are: convert("RGB") would clip them to white.
        """
        turned = "exif applied" if self.exif == "apply" and traits.oriented else ""
        composed = f"alpha {self.alpha}" if self.alpha != "drop" and traits.transparent else ""
        return ", ".join(part for part in (turned, composed, "depth scaled" if traits.deep else "") if part)

    def notes(self, traits: Traits, images: int) -> tuple[str, ...]:
        """Return what a reader should know of the decoding of so many images, of which some have these traits."""
        applied, composed = self.exif == "apply", self.alpha != "drop"
        oriented = "applied (`exif: ignore` leaves them)" if applied else "ignored (`exif: apply` turns them)"
        transparent = f"shown on {self.alpha}" if composed else "dropped (`alpha: white` shows them on white)"
        told = (
            (traits.oriented, f"carry an EXIF orientation, which was {oriented}."),
            (traits.transparent, f"have an alpha channel, which was {transparent}."),
            (traits.deep, "have more than 8 bits a channel, which were scaled to 8."),
        )
        return tuple(f"{count:,} of {images:,} images {what}" for count, what in told if count)


USUAL: Final = Decoding()
"""What the field's harnesses do."""
NO_TRAITS: Final = Traits()


def traits_of(image: bytes) -> Traits:
    """Look at an encoded image's header; nothing is decoded, and what cannot be opened has no traits."""
    import PIL.Image

    try:
        with PIL.Image.open(io.BytesIO(image), formats=FORMATS) as opened:
            return Traits(int(_orientation(opened) != 1), int(opened.has_transparency_data), int(_is_deep(opened)))
    except Exception:  # noqa: BLE001 - a broken header raises anything, and decoding will say what
        return NO_TRAITS


def decode(image: bytes, decoding: Decoding = USUAL) -> PIL.Image.Image:
    """Decode an encoded image to RGB, the way every image reaches a model.

    Of an animation the first frame is taken. 16 bits become 8 by their high byte, as Pillow reads 16-bit colour;
    floating-point values from 0 to 1 are scaled to 255.

    Raises:
        BrokenImage: it is none of `FORMATS`, damaged, too large (twice `PIL.Image.MAX_IMAGE_PIXELS`) or narrow
            (`MAX_ASPECT`), or has values of no known scale.
        MemoryError: this machine's memory does not hold it.
    """
    import PIL.Image

    if not image:
        raise BrokenImage("there is no image, or it is empty")
    try:
        with PIL.Image.open(io.BytesIO(image), formats=FORMATS) as opened:
            if max(opened.size) > MAX_ASPECT * min(opened.size):
                raise BrokenImage(f"is {opened.width} x {opened.height} pixels, too long to be resized")
            orientation = _orientation(opened) if decoding.exif == "apply" else 1
            rgb = _to_8_bits(opened) if _is_deep(opened) else _to_rgb(opened, decoding.alpha)
    except (MemoryError, BrokenImage):
        raise
    except PIL.UnidentifiedImageError:
        raise BrokenImage(f"is not decoded: the bytes are none of {', '.join(FORMATS)}") from None
    except Exception as error:  # decoders raise anything on a broken file
        raise BrokenImage(_ADDRESS.sub("", f"{type(error).__name__}: {error}")[:300]) from error
    return rgb if orientation == 1 else rgb.transpose(_turn(orientation))


def _orientation(opened: PIL.Image.Image) -> int:
    """Return what stands before the pixels: 1 (upright) to 8. What is nonsense leaves an image as it is."""
    if not any(name in opened.info for name in _HEADERS):
        return 1
    try:
        orientation = opened.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - broken EXIF raises anything, and breaks no image
        return 1
    return orientation if orientation in range(1, 9) and opened.format != "TIFF" else 1


def _turn(orientation: int) -> PIL.Image.Transpose:
    from PIL.Image import Transpose

    return {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }[orientation]


def _is_deep(opened: PIL.Image.Image) -> bool:
    return opened.mode.startswith("I") or opened.mode == "F"


def _to_8_bits(opened: PIL.Image.Image) -> PIL.Image.Image:
    import numpy as np
    import PIL.Image

    values = np.asarray(opened)
    if opened.mode == "F":
        if not ((values >= 0) & (values <= 1)).all():
            raise BrokenImage("its floating-point values are not all from 0 to 1, so their scale is not known")
        grey = np.round(values * 255)
    else:
        # Pillow has mode I for 16-bit PNG and PGM too, which hold nothing wider.
        if opened.mode == "I" and opened.format not in ("PNG", "PPM"):
            raise BrokenImage("has 32 bits a channel, whose scale is not known")
        grey = values >> 8
    return PIL.Image.fromarray(grey.astype(np.uint8)).convert("RGB")


def _to_rgb(opened: PIL.Image.Image, alpha: Alpha) -> PIL.Image.Image:
    import PIL.Image

    if alpha == "drop" or not opened.has_transparency_data:
        return opened.convert("RGB")
    shown = opened.convert("RGBA")
    return PIL.Image.alpha_composite(PIL.Image.new("RGBA", shown.size, alpha), shown).convert("RGB")
