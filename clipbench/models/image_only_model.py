"""An image-only model, loaded: images to pooled features."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from clipbench.errors import UserError
from clipbench.models.base import ImageFeatures, ModelInfo, Precision, inference

if TYPE_CHECKING:
    import PIL.Image

Transform = Callable[["PIL.Image.Image"], Tensor]


@dataclass(frozen=True)
class Network:
    """A network without its classifier, and what identifies it."""

    module: nn.Module
    """(B, 3, H, W) float32 -> (B, F)."""
    transform: Transform
    """Picklable; gives what `normalise` takes."""
    normalise: Callable[[Tensor], Tensor] | None
    """What a batch shares of the preprocessing, on the device; None: the transform is whole."""
    preprocessing: Mapping[str, Any]
    """JSON-like: everything that changes the pixels."""
    architecture: Mapping[str, Any]
    """JSON-like: everything that changes what is computed with the weights."""


class ImageOnlyModel:
    """An `ImageModel` around a network that gives pooled features.

    Weights are float32; for lower precisions the forward pass runs under autocast. Features are float32.
    """

    def __init__(
        self,
        info: ModelInfo,
        module: nn.Module,
        transform: Transform,
        normalise: Callable[[Tensor], Tensor] | None,
        device: str,
        precision: Precision,
    ) -> None:
        self.info = info
        self.transform = transform
        self.device = device
        self._module = module.float().eval().to(self.device)
        self._normalise = normalise
        self._precision = precision

    def encode_images(self, pixels: Tensor) -> ImageFeatures:
        """Encode (B, 3, H, W) pixels, as `transform` gives them, into backbone features (B, F).

        Raises:
            UserError: the network gives something else than one vector an image.
        """
        pixels = pixels.to(self.device, non_blocking=True)
        with inference(self.device, self._precision):
            pooled = self._module(self._normalise(pixels) if self._normalise else pixels)
        self._check(pooled, len(pixels))
        return ImageFeatures(projected=None, backbone=pooled.float())

    def _check(self, pooled: Any, images: int) -> None:
        if isinstance(pooled, Tensor) and pooled.ndim == 2 and len(pooled) == images and pooled.is_floating_point():
            return
        given = f"a tensor of shape {tuple(pooled.shape)}" if isinstance(pooled, Tensor) else type(pooled).__name__
        problem = f"for {images} images the network gives {given}, not one vector an image"
        fix = "choose a model that pools, or name a torch module of your own that maps (B, 3, H, W) to (B, F)"
        raise UserError(problem, where=f"model {self.info.name}", fix=fix)
