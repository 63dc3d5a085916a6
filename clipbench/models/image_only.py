"""Image-only models, named but not loaded: networks of a library, without their classifier."""

from __future__ import annotations

from abc import abstractmethod
from importlib.metadata import version
from typing import TYPE_CHECKING

from clipbench.fingerprint import digest, digest_file
from clipbench.models.base import ModelInfo, ModelPedigree, Precision
from clipbench.models.located import LocatedSource, Location
from clipbench.models.weights.weights_file import check_weights

if TYPE_CHECKING:
    from clipbench.models.image_only_model import ImageOnlyModel, Network


class ImageOnlyLocation(Location):
    """Where an image-only model comes from."""

    @abstractmethod
    def trained_on(self) -> tuple[str, ...] | None:
        """Return the declared pre-training data; None is undeclared."""

    @abstractmethod
    def build(self, where: str) -> Network:
        """Build the network with its weights, which `check_weights` has passed, on the CPU.

        Args:
            where: for messages, e.g. 'model resnet-50'.

        Raises:
            UserError: the weights do not fit, or the architecture has no pooled features.
        """


class ImageOnlySource(LocatedSource[ImageOnlyLocation]):
    """An image-only model that was named but not loaded; undeclared data are what its location declares."""

    image_only = True

    def load(self, device: str, precision: Precision) -> ImageOnlyModel:
        """Build the network, load its weights, and move it to the device.

        Raises:
            UserError: the weights are not safe to load, or do not fit the architecture.
        """
        from clipbench.models.image_only_model import ImageOnlyModel

        location = self.location
        weights = location.files()[0]
        check_weights(weights)
        network = location.build(f"model {self.name}")
        info = ModelInfo(
            name=self.name,
            pedigree=ModelPedigree(
                weights=digest_file(weights),
                transform=digest(network.preprocessing),
                precision=precision,
                architecture=digest(network.architecture),
            ),
            has_text=False,
            features=("backbone",),
            trained_on=location.trained_on() if self.trained_on is None else self.trained_on,
            library=" ".join(f"{package} {version(package)}" for package in location.packages),
        )
        return ImageOnlyModel(info, network.module, network.transform, network.normalise, device, precision)
