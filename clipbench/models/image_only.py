"""Image-only models: networks of a library without their classifier, from images to pooled features."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from clipbench.errors import UserError
from clipbench.fingerprint import digest, digest_file
from clipbench.models.base import ImageFeatures, ModelInfo, ModelPedigree, Precision, check_normalisation
from clipbench.models.encoders import ImageEncoder
from clipbench.models.located import Location, TrainedOn

if TYPE_CHECKING:
    from torch import Tensor, nn

    from clipbench.models.transforms import Transform


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


def pooling_encoder(
    info: ModelInfo,
    device: str,
    module: nn.Module,
    transform: Transform,
    normalise: Callable[[Tensor], Tensor] | None = None,
) -> ImageEncoder:
    """Put a module, (B, 3, H, W) -> (B, F), on a device, in evaluation mode; encoding raises where it does not pool."""
    module = module.float().eval().to(device)
    return ImageEncoder(info, device, transform, normalise, lambda pixels: _encode(module, pixels, info.name))


def _encode(module: nn.Module, pixels: Tensor, name: str) -> ImageFeatures:
    from torch import Tensor

    pooled: Any = module(pixels)
    is_tensor = isinstance(pooled, Tensor)
    if is_tensor and pooled.ndim == 2 and len(pooled) == len(pixels) and pooled.is_floating_point():
        return ImageFeatures(projected=None, backbone=pooled)
    given = f"a tensor of shape {tuple(pooled.shape)}" if is_tensor else type(pooled).__name__
    problem = f"for {len(pixels)} images the network gives {given}, not one vector an image"
    fix = "choose a model that pools, or name a torch module of your own that maps (B, 3, H, W) to (B, F)"
    raise UserError(problem, where=f"model {name}", fix=fix)


class ImageOnlyLocation(Location):
    """Where an image-only model comes from."""

    image_only = True

    @abstractmethod
    def trained_on(self) -> TrainedOn:
        """Return the declared pre-training data; None is undeclared."""

    @abstractmethod
    def build(self, where: str) -> Network:
        """Build the network with its weights on the CPU; `where` is for messages, e.g. 'model resnet-50'.

        Raises:
            UserError: the weights do not fit, or the architecture has no pooled features.
        """

    def load(self, name: str, device: str, precision: Precision, trained_on: TrainedOn) -> ImageEncoder:
        """Build the network and describe it."""
        network = self.build(f"model {name}")
        statistics = network.preprocessing
        check_normalisation(statistics.get("mean", ()), statistics.get("std", ()), name)
        info = ModelInfo(
            name=name,
            pedigree=ModelPedigree(
                weights=digest_file(self.files()[0]),
                transform=digest(network.preprocessing),
                precision=precision,
                architecture=digest(network.architecture),
                protocol=self.protocol,
            ),
            has_text=False,
            features=("backbone",),
            trained_on=self.trained_on() if trained_on is None else trained_on,
            library=" ".join(f"{package} {version(package)}" for package in self.packages),
        )
        return pooling_encoder(info, device, network.module, network.transform, network.normalise)
