"""The locations of a timm model: timm's pretrained weights, a local checkpoint, a folder that timm saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbench.errors import UnknownName, UserError, did_you_mean
from clipbench.models.image_only import ImageOnlyLocation
from clipbench.models.located import RemoteFile
from clipbench.models.weights.hub_file import HubFile, names_on_hub
from clipbench.models.weights.url_file import UrlFile
from clipbench.models.weights.weights_file import find_weights, read_config, require_file

if TYPE_CHECKING:
    from clipbench.models.image_only import Network

CONFIG_NAME = "config.json"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin", "pytorch_model.pth", "model.pth")

_DATA = {
    "in1k": "ImageNet-1k",
    "in12k": "ImageNet-12k",
    "in21k": "ImageNet-21k",
    "inw21k": "ImageNet-21k",
    "in22k": "ImageNet-21k",
    "jft": "JFT-300M",
    "ig1b": "Instagram-1B",
    "yfcc15m": "YFCC-15M",
    "yfcc100m": "YFCC-100M",
    "lvd142m": "LVD-142M",
    "lvd1689m": "LVD-1689M",
    "openai": "WIT-400M (undisclosed)",
    "laion400m": "LAION-400M",
    "laion2b": "LAION-2B-en",
    "datacomp1b": "DataComp-1B",
    "datacompxl": "DataComp-1B",
    "webli": "WebLI",
}
"""The words of timm's tags that stand for pre-training data."""
_MORE = {"indomain", "plus", "ssld", "swag"}
"""Words that stand for further data, which the tag does not name."""


def parse_timm(arguments: str) -> ImageOnlyLocation | None:
    """Return the location that stands behind `timm:`; None if it is of no known form."""
    kind, colon, rest = arguments.partition(":")
    if kind == "local-dir" and rest:
        return FolderLocation(Path(rest).expanduser())
    name, at_sign, file = arguments.partition("@")
    if at_sign and name and file and ":" not in name:
        return NamedLocation(name, Path(file).expanduser())
    if arguments and not colon and not at_sign and "/" not in arguments:
        return NamedLocation(arguments)
    return None


@dataclass(frozen=True)
class NamedLocation(ImageOnlyLocation):
    """Weights that timm knows by architecture and tag, or a local checkpoint in their stead."""

    name: str
    """`ARCH.TAG`, or `ARCH` for timm's default tag: whose weights, or for a checkpoint whose preprocessing, it is."""
    file: Path | None = None

    packages = ("timm", "torchvision")
    protocol = 1

    def __str__(self) -> str:
        return f"timm {self.name}" + (f", file {self.file.name}" if self.file else "")

    def trained_on(self) -> tuple[str, ...] | None:
        """Return what the tag declares; a local checkpoint declares nothing."""
        return None if self.file else trained_on_of_tag(str(declared(self.name).tag or ""))

    def needed(self) -> Sequence[RemoteFile]:
        """Return the published weights; check that a local checkpoint and its architecture exist."""
        if self.file is None:
            return [self._remote()]
        declared(self.name)
        require_file(self.file)
        return []

    def files(self) -> Sequence[Path]:
        """Return the weights."""
        return [self.file or self._remote().path(self.name)]

    def build(self, where: str) -> Network:
        """Build the network with its weights, strictly; a checkpoint's classifier may be of any size, or absent."""
        from clipbench.models.timm.build import Recipe, build_from_checkpoint, build_network

        config = declared(self.name)
        recipe = Recipe(self.name, self.files()[0], str(config.architecture))
        if self.file is None:
            return build_network(recipe, where)
        return build_from_checkpoint(recipe, config.classifier, where)

    def _remote(self) -> RemoteFile:
        config = declared(self.name)
        if config.hf_hub_id:
            names = names_on_hub(config.hf_hub_filename) if config.hf_hub_filename else _WEIGHTS[:2]
            return HubFile(str(config.hf_hub_id), names, own_copy="timm:NAME@FILE or timm:local-dir:DIR")
        if isinstance(config.url, str) and config.url:
            return UrlFile(config.url, own_copy=f"timm:{self.name}@FILE")
        fix = did_you_mean(self.name, _pretrained_names(str(config.architecture)) or _pretrained_names("*"))
        problem = "timm has no weights for it"
        raise UnknownName(problem, where=f"model timm:{self.name}", fix=f"{fix} Or name some as timm:{self.name}@FILE")


@dataclass(frozen=True)
class FolderLocation(ImageOnlyLocation):
    """A local folder as timm saves and publishes models: config.json and weights."""

    folder: Path = field()

    packages = ("timm", "torchvision")
    protocol = 1

    def __str__(self) -> str:
        return f"timm local folder {self.folder.resolve().name}"

    def trained_on(self) -> None:
        """Return None: the configuration may be that of the weights that training started from."""

    def needed(self) -> Sequence[RemoteFile]:
        """Check the folder."""
        self._read()
        self.files()
        return []

    def files(self) -> Sequence[Path]:
        """Return the weights and the configuration."""
        return [find_weights(self.folder, _WEIGHTS, CONFIG_NAME), self.folder / CONFIG_NAME]

    def build(self, where: str) -> Network:
        """Build the network with its weights, strictly."""
        from clipbench.models.timm.build import Recipe, build_network

        config = self._read()
        arguments = config.get("model_args") or {}
        recipe = Recipe(f"local-dir:{self.folder}", self.files()[0], config["architecture"], arguments)
        return build_network(recipe, where)

    def _read(self) -> Mapping[str, Any]:
        import timm

        path = self.folder / CONFIG_NAME
        config = read_config(path, "is it a folder that timm saved? A bare checkpoint is named as timm:NAME@FILE")
        if not isinstance(config.get("architecture"), str):
            raise UserError("lacks architecture", where=str(path), fix="expected a configuration as timm writes it")
        if not timm.is_model(config["architecture"]):
            fix = did_you_mean(config["architecture"], timm.list_models())
            raise UserError(f"timm has no architecture {config['architecture']!r}", where=str(path), fix=fix)
        return config


def declared(name: str) -> Any:
    """Return timm's declaration (its `PretrainedCfg`) of `ARCH.TAG` or an architecture; else a UserError."""
    import timm
    from timm.models import get_pretrained_cfg

    architecture, _, tag = name.partition(".")
    where = f"model timm:{name}"
    if not timm.is_model(architecture):
        fix = did_you_mean(architecture, timm.list_models())
        raise UnknownName(f"timm has no architecture {architecture!r}", where=where, fix=fix)
    try:
        config = get_pretrained_cfg(name)
    except RuntimeError:
        config = None
    if config is None:
        tags = [other.partition(".")[2] for other in _pretrained_names(architecture)]
        problem = f"timm has no weights {tag!r} for {architecture}" if tag else "timm describes no weights for it"
        raise UnknownName(problem, where=where, fix=did_you_mean(tag or architecture, tags or _pretrained_names("*")))
    return config


def trained_on_of_tag(tag: str) -> tuple[str, ...] | None:
    """Return the data sets that a tag names, in order, e.g. 'augreg_in21k_ft_in1k': ImageNet-21k, ImageNet-1k.

    None where a stage of training (they are joined by '_ft_') names none, so that part of the data is undeclared.
    """
    found: list[str] = []
    for stage in tag.split("_ft_"):
        words = stage.split("_")
        named = [_DATA[word] for word in words if word in _DATA]
        if not named or _MORE & set(words):
            return None
        found += named
    return tuple(dict.fromkeys(found))


def _pretrained_names(architecture: str) -> list[str]:
    import timm

    return [str(name) for name in timm.list_models(f"{architecture}.*", pretrained=True)]
