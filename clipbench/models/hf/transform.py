"""The transform of a transformers checkpoint, from its image processor's settings; the processor is not called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import PIL.Image
import transformers
from torchvision.transforms import Normalize

from clipbench.errors import UserError
from clipbench.models.transforms import Normalisation, Pixels, canonical

_library: Any = transformers
_PROCESSORS = ("CLIP", "Siglip", "Bit", "ViT", "DeiT", "DINOv3ViT")
"""Image processors that resize, cut out the centre, scale and normalise, and do nothing else."""


@dataclass(frozen=True)
class Geometry:
    """Resize an image, then cut out its centre."""

    resize: int | tuple[int, int] | None
    """The shorter side, with the other in proportion; or (height, width)."""
    resample: int
    """PIL's number of the filter."""
    crop: tuple[int, int] | None
    """(height, width); a smaller image gets a black border."""

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) of what comes out; None if images keep their shape."""
        return self.crop or (self.resize if isinstance(self.resize, tuple) else None)

    def __call__(self, image: PIL.Image.Image) -> PIL.Image.Image:
        """Transform an RGB image."""
        if self.resize is not None:
            height, width = self.resize if isinstance(self.resize, tuple) else _in_proportion(image, self.resize)
            image = image.resize((width, height), PIL.Image.Resampling(self.resample))
        if self.crop is not None:
            height, width = self.crop
            # Rounded down, as transformers does; torchvision's CenterCrop rounds to even numbers.
            left, top = (image.width - width) // 2, (image.height - height) // 2
            image = image.crop((left, top, left + width, top + height))
        return image


@dataclass(frozen=True)
class Preprocessing:
    """From an image to what the model takes."""

    geometry: Geometry
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Of pixels between 0 and 1."""

    def split(self) -> tuple[Pixels, Normalisation]:
        """Return RGB image -> (3, H, W) uint8, and (B, 3, H, W) uint8 -> float32."""
        return Pixels((self.geometry,)), Normalisation(Normalize(self.mean, self.std))

    def describe(self) -> Mapping[str, Any]:
        """Return everything that changes the pixels, JSON-like; mean and deviation as the float32 computed with."""
        statistics = {"mean": canonical(self.mean), "std": canonical(self.std)}
        return {"library": "transformers", **asdict(self.geometry), **statistics}


def read_preprocessing(path: Path, side: int | Sequence[int] | None = None) -> Preprocessing:
    """Read an image processor's settings, with the defaults of its class for what they leave out.

    `side` is that of the images that the model takes, or height and width; None for any.

    Raises:
        UserError: the file is damaged, the processor is of no supported type, or images get another or no fixed size.
    """
    settings = _settings(path)
    resize = _size(settings.get("size"), path) if settings.get("do_resize") else None
    crop = _size(settings.get("crop_size"), path) if settings.get("do_center_crop") else None
    geometry = Geometry(resize, int(settings.get("resample", 2)), (crop, crop) if isinstance(crop, int) else crop)
    if geometry.size is None:
        fix = "give size as height and width, or set do_center_crop"
        raise UserError("images would keep different shapes, so no batch can be made", where=str(path), fix=fix)
    size = (side, side) if isinstance(side, int) else tuple(side or geometry.size)
    if geometry.size != size:
        problem = f"makes images of (height, width) {geometry.size}, and config.json says that the model takes {size}"
        raise UserError(problem, where=str(path), fix="take both from one checkpoint")
    # (x * factor - mean) / std, written for the x / 255 of `Normalisation`.
    scale = 255 * float(settings["rescale_factor"]) if settings.get("do_rescale") else 255.0
    mean = settings["image_mean"] if settings.get("do_normalize") else (0.0, 0.0, 0.0)
    std = settings["image_std"] if settings.get("do_normalize") else (1.0, 1.0, 1.0)
    return Preprocessing(geometry, tuple(value / scale for value in mean), tuple(value / scale for value in std))


def _settings(path: Path) -> dict[str, Any]:
    try:
        processor = _library.AutoImageProcessor.from_pretrained(
            str(path.parent), trust_remote_code=False, local_files_only=True
        )
    except Exception as error:
        # A wrong configuration surfaces as whatever its constructor stumbles on.
        reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}"
        problem = f"no image processor can be made from it ({reason})"
        raise UserError(problem, where=str(path), fix="code beside it is not run; check or replace it") from error
    settings: dict[str, Any] = processor.to_dict()
    name = type(processor).__name__
    kind = name.removesuffix("Fast").removesuffix("Pil").removesuffix("ImageProcessor")
    if kind not in _PROCESSORS or settings.get("do_pad"):
        supported = f"supported without padding are those of {', '.join(_PROCESSORS)}"
        raise UserError(f"the image processor {name} is not supported", where=str(path), fix=supported)
    return settings


def _size(given: Any, path: Path) -> int | tuple[int, int]:
    """Return the shorter side, or (height, width)."""
    sides = {key: int(value) for key, value in dict(given or {}).items() if value}
    if set(sides) == {"shortest_edge"}:
        return sides["shortest_edge"]
    if set(sides) == {"height", "width"}:
        return sides["height"], sides["width"]
    fix = "supported are {'shortest_edge': N} and {'height': N, 'width': N}"
    raise UserError(f"a size of {given!r} is not supported", where=str(path), fix=fix)


def _in_proportion(image: PIL.Image.Image, shorter: int) -> tuple[int, int]:
    longer = int(shorter * max(image.size) / min(image.size))
    return (longer, shorter) if image.width <= image.height else (shorter, longer)
