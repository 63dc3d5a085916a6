"""Models that open_clip builds: pretrained tags, hub repositories, local folders and checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clipbench.errors import UserError
from clipbench.fingerprint import digest
from clipbench.models.base import Precision
from clipbench.models.located import LocatedSource
from clipbench.models.open_clip.locations import (
    FileLocation,
    FolderLocation,
    HubLocation,
    OpenClipLocation,
    TagLocation,
)

if TYPE_CHECKING:
    from clipbench.models.open_clip.model import OpenClipModel

_FORMS = "ARCH/TAG, hf-hub:ORG/NAME, local-dir:PATH or ARCH@FILE"


def parse_open_clip(arguments: str) -> OpenClipLocation:
    """Return the location that stands behind `open_clip:`; nothing is looked for.

    Args:
        arguments: `ARCH/TAG`, `hf-hub:ORG/NAME`, `local-dir:PATH` or `ARCH@FILE`.

    Raises:
        UserError: it has none of these forms.
    """
    kind, _, rest = arguments.partition(":")
    if kind == "hf-hub" and rest.count("/") == 1 and all(rest.split("/")):
        return HubLocation(rest)
    if kind == "local-dir" and rest:
        return FolderLocation(Path(rest).expanduser())
    architecture, at_sign, file = arguments.partition("@")
    if at_sign and architecture and file:
        return FileLocation(architecture, Path(file).expanduser())
    architecture, _, tag = arguments.rpartition("/")
    if architecture and tag and kind == arguments:
        return TagLocation(architecture.replace("/", "-"), tag)
    fix = f"after open_clip: comes {_FORMS}, e.g. open_clip:ViT-B-32/laion2b_s34b_b79k"
    raise UserError(f"{arguments!r} names no weights", where=f"model 'open_clip:{arguments}'", fix=fix)


class OpenClipSource(LocatedSource[OpenClipLocation]):
    """An open_clip model that was named but not loaded."""

    def locator(self) -> str:
        """Return a key that covers what open_clip and the tag declare, too."""
        return digest([super().locator(), repr(self.location.recipe())])

    def load(self, device: str, precision: Precision) -> OpenClipModel:
        """Build the model, load its weights, and move it to the device.

        Raises:
            UserError: the weights are not safe to load, or do not fit the architecture.
        """
        from clipbench.models.open_clip.build import load_model

        return load_model(self.name, self.location.recipe(), device, precision, self.trained_on)
