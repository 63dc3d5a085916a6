"""The locations of a torchvision model: its published weights, or a local checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbench.errors import UnknownName, UserError, did_you_mean
from clipbench.models.image_only import ImageOnlyLocation
from clipbench.models.located import RemoteFile
from clipbench.models.weights.url_file import UrlFile
from clipbench.models.weights.weights_file import require_file

if TYPE_CHECKING:
    from clipbench.models.image_only import Network

_TRAINED_ON = {
    "IMAGENET1K_SWAG_LINEAR": ("Instagram-3.6B",),
    "IMAGENET1K_SWAG": ("Instagram-3.6B", "ImageNet-1k"),
    "IMAGENET1K": ("ImageNet-1k",),
}
"""By the beginning of the weights' name, longest first. SWAG_LINEAR trained only its classifier on ImageNet."""


def parse_torchvision(arguments: str) -> TorchvisionLocation | None:
    """Return the location that stands behind `torchvision:`, also NAME/WEIGHTS@FILE; None if it is of no known form."""
    model, at_sign, file = arguments.partition("@")
    name, slash, weights = model.partition("/")
    if not name or bool(slash) != bool(weights) or bool(at_sign) != bool(file) or ":" in model:
        return None
    return TorchvisionLocation(name, weights or "DEFAULT", Path(file).expanduser() if file else None)


@dataclass(frozen=True)
class TorchvisionLocation(ImageOnlyLocation):
    """A classification architecture of torchvision, with one of its published weights or a local checkpoint."""

    name: str
    weights: str = "DEFAULT"
    """torchvision's name of published weights, whose preprocessing and input size it is."""
    file: Path | None = None
    """A local checkpoint in their stead."""

    packages = ("torchvision",)
    protocol = 1

    def __str__(self) -> str:
        return f"torchvision {self.name}/{self.weights}" + (f", file {self.file.name}" if self.file else "")

    def trained_on(self) -> tuple[str, ...] | None:
        """Return what the weights declare; a local checkpoint declares nothing."""
        if self.file is not None:
            return None
        name = str(self._published().name)
        return next((data for beginning, data in _TRAINED_ON.items() if name.startswith(beginning)), None)

    def needed(self) -> Sequence[RemoteFile]:
        """Return the published weights; check that a local checkpoint and its architecture exist."""
        remote = self._remote()
        if self.file is None:
            return [remote]
        require_file(self.file)
        return []

    def files(self) -> Sequence[Path]:
        """Return the weights."""
        return [self.file or self._remote().path(self.name)]

    def build(self, where: str) -> Network:
        """Build the network with its weights, strictly, but for the classifier, which is not built."""
        from clipbench.models.torchvision.build import build_network

        return build_network(self.name, self._published(), self.files()[0], where)

    def _remote(self) -> RemoteFile:
        return UrlFile(str(self._published().url), own_copy=f"torchvision:{self.name}@FILE")

    def _published(self) -> Any:
        """Return the member of torchvision's enumeration of weights."""
        from torchvision import models

        known = models.list_models(module=models)
        where = f"model torchvision:{self.name}"
        if self.name not in known:
            problem = f"torchvision has no classification architecture {self.name!r}"
            raise UnknownName(problem, where=where, fix=did_you_mean(self.name, known))
        weights = models.get_model_weights(self.name)
        if self.weights not in weights.__members__:
            problem = f"torchvision has no weights {self.weights!r} for {self.name}"
            raise UnknownName(problem, where=where, fix=did_you_mean(self.weights, weights.__members__))
        if weights[self.weights].meta.get("categories") is None:
            whole = [name for name, other in weights.__members__.items() if other.meta.get("categories")]
            problem = f"{self.weights} are weights of the first layers only"
            raise UserError(problem, where=where, fix=f"choose one of: {', '.join(whole)}")
        return weights[self.weights]
