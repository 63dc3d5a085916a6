"""The places a timm model comes from: timm's pretrained weights, a local checkpoint, a folder that timm saved."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbench.errors import Unavailable, UserError, did_you_mean
from clipbench.models.timm.tags import trained_on_of_tag
from clipbench.models.weights.hub_file import HubFile, cache_folder
from clipbench.models.weights.url_file import UrlFile

if TYPE_CHECKING:
    from clipbench.models.image_only import Missing, Place
    from clipbench.models.image_only_model import Network

CONFIG_NAME = "config.json"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin", "pytorch_model.pth", "model.pth")
_OWN_COPY = "timm:NAME@FILE or timm:local-dir:DIR"


def parse_timm(arguments: str) -> Place:
    """Return the place that stands behind `timm:`; nothing is looked for.

    Args:
        arguments: `NAME`, `NAME@FILE` or `local-dir:DIR`.

    Raises:
        UserError: it has none of these forms.
    """
    kind, colon, rest = arguments.partition(":")
    if kind == "local-dir" and rest:
        return FolderPlace(Path(rest).expanduser())
    name, at, file = arguments.partition("@")
    if at and name and file and ":" not in name:
        return FilePlace(name, Path(file).expanduser())
    if arguments and not colon and not at and "/" not in arguments:
        return NamedPlace(arguments)
    fix = "after timm: comes NAME, NAME@FILE or local-dir:DIR, e.g. timm:resnet50.a1_in1k"
    raise UserError(f"{arguments!r} names no model", where=f"model 'timm:{arguments}'", fix=fix)


@dataclass(frozen=True)
class TimmHubFile(HubFile):
    """A file on the hub, of which timm takes a local copy."""

    def unavailable(self, model: str, reason: str) -> Unavailable:
        """Return the error that says what is missing, where it was looked for and how to provide it."""
        problem = f"{' or '.join(self.names)} of {self.repository} is not in {cache_folder()}, and {reason}"
        fix = (
            f"run `hf download {self.repository} {self.names[0]}` where there is network (and copy that cache folder "
            f"here, if it is another machine), or name a checkpoint that you have as {_OWN_COPY}; "
            "--model clip-tiny runs offline"
        )
        return Unavailable(problem, where=f"model {model}", fix=fix)


@dataclass(frozen=True)
class NamedPlace:
    """Weights that timm knows by architecture and tag."""

    name: str
    """`ARCH.TAG`, or `ARCH` for timm's default tag."""

    folder = None
    packages = ("timm", "torchvision")

    @property
    def about(self) -> str:
        """For the record."""
        return f"timm {self.name}"

    def trained_on(self) -> tuple[str, ...] | None:
        """Return what the tag declares."""
        return trained_on_of_tag(str(declared(self.name).tag or ""))

    def missing(self) -> Sequence[Missing]:
        """Return the weights if they are not in a cache."""
        file = self._file()
        return () if file.cached() else (file,)

    def files(self) -> Sequence[Path]:
        """Return the weights."""
        file = self._file()
        path = file.cached()
        if path is None:
            raise file.unavailable(self.name, "it was not fetched")
        return (path,)

    def build(self, where: str) -> Network:
        """Build the network with its weights, strictly."""
        from clipbench.models.timm.build import Recipe, build_network

        return build_network(Recipe(self.name, self.files()[0], str(declared(self.name).architecture)), where)

    def _file(self) -> HubFile | UrlFile:
        config = declared(self.name)
        if config.hf_hub_id:
            return TimmHubFile(str(config.hf_hub_id), _names_on_hub(config.hf_hub_filename))
        if isinstance(config.url, str) and config.url:
            return UrlFile(config.url, own_copy=f"timm:{self.name}@FILE")
        fix = did_you_mean(self.name, _pretrained_names(str(config.architecture)) or _pretrained_names("*"))
        problem = "timm has no weights for it"
        raise UserError(problem, where=f"model timm:{self.name}", fix=f"{fix} Or name some as timm:{self.name}@FILE")


@dataclass(frozen=True)
class FilePlace:
    """A local checkpoint for an architecture of timm, with the preprocessing of one of timm's own weights."""

    name: str
    """`ARCH.TAG`, or `ARCH` for timm's default tag: whose preprocessing it is."""
    file: Path

    folder = None
    packages = ("timm", "torchvision")

    @property
    def about(self) -> str:
        """For the record; names no folder."""
        return f"timm {self.name}, file {self.file.name}"

    def trained_on(self) -> None:
        """Return None: undeclared."""

    def missing(self) -> Sequence[Missing]:
        """Check that there is such an architecture and such a file."""
        declared(self.name)
        if not self.file.is_file():
            raise UserError("no such file", where=str(self.file), fix="check the path after @")
        return ()

    def files(self) -> Sequence[Path]:
        """Return the checkpoint."""
        return (self.file,)

    def build(self, where: str) -> Network:
        """Build the network with its weights, strictly; its classifier may have any number of classes, or be absent."""
        from clipbench.models.timm.build import Recipe, build_from_checkpoint

        config = declared(self.name)
        return build_from_checkpoint(Recipe(self.name, self.file, str(config.architecture)), config.classifier, where)


@dataclass(frozen=True)
class FolderPlace:
    """A local folder as timm saves and publishes models: config.json and weights."""

    folder: Path

    packages = ("timm", "torchvision")

    @property
    def about(self) -> str:
        """For the record; names no folder above the model's own."""
        return f"timm local folder {self.folder.resolve().name}"

    def trained_on(self) -> None:
        """Return None: the configuration may be that of the weights that training started from."""

    def missing(self) -> Sequence[Missing]:
        """Check the folder."""
        self._read()
        self._weights()
        return ()

    def files(self) -> Sequence[Path]:
        """Return the weights and the configuration."""
        return (self._weights(), self.folder / CONFIG_NAME)

    def build(self, where: str) -> Network:
        """Build the network with its weights, strictly."""
        from clipbench.models.timm.build import Recipe, build_network

        config = self._read()
        recipe = Recipe(
            f"local-dir:{self.folder}", self._weights(), config["architecture"], config.get("model_args") or {}
        )
        return build_network(recipe, where)

    def _read(self) -> Mapping[str, Any]:
        import timm

        if not self.folder.is_dir():
            raise UserError("no such folder", where=str(self.folder), fix="check the path after local-dir:")
        path = self.folder / CONFIG_NAME
        try:
            config = json.loads(path.read_bytes())
        except FileNotFoundError:
            fix = "is it a folder that timm saved? A bare checkpoint is named as timm:NAME@FILE"
            raise UserError("no such file", where=str(path), fix=fix) from None
        except (OSError, ValueError) as error:
            raise UserError(f"cannot be read as JSON ({error})", where=str(path), fix="check or replace it") from error
        if not isinstance(config, dict) or not isinstance(config.get("architecture"), str):
            raise UserError("lacks architecture", where=str(path), fix="expected a configuration as timm writes it")
        if not timm.is_model(config["architecture"]):
            fix = did_you_mean(config["architecture"], timm.list_models())
            raise UserError(f"timm has no architecture {config['architecture']!r}", where=str(path), fix=fix)
        return config

    def _weights(self) -> Path:
        """Return the weights: timm's own names first, then any one checkpoint, safetensors first."""
        for name in _WEIGHTS:
            if (self.folder / name).is_file():
                return self.folder / name
        endings = ("*.safetensors", "*.pth", "*.bin")
        found = [path for ending in endings for path in sorted(self.folder.glob(ending))]
        if not found:
            problem = "holds no weights (*.safetensors, *.bin, *.pth)"
            raise UserError(problem, where=str(self.folder), fix=f"put {_WEIGHTS[0]} beside {CONFIG_NAME}")
        return found[0]


def declared(name: str) -> Any:
    """Return timm's declaration (its `PretrainedCfg`) of `ARCH.TAG` or of an architecture's default tag.

    Raises:
        UserError: timm has no such architecture or tag.
    """
    import timm
    from timm.models import get_pretrained_cfg

    architecture, _, tag = name.partition(".")
    where = f"model timm:{name}"
    if not timm.is_model(architecture):
        fix = did_you_mean(architecture, timm.list_models())
        raise UserError(f"timm has no architecture {architecture!r}", where=where, fix=fix)
    try:
        config = get_pretrained_cfg(name)
    except RuntimeError:
        config = None
    if config is None:
        tags = [other.partition(".")[2] for other in _pretrained_names(architecture)]
        wrong = f"timm has no weights {tag!r} for {architecture}" if tag else "timm describes no weights for it"
        raise UserError(wrong, where=where, fix=did_you_mean(tag or architecture, tags or _pretrained_names("*")))
    return config


def _pretrained_names(architecture: str) -> list[str]:
    import timm

    return [str(name) for name in timm.list_models(f"{architecture}.*", pretrained=True)]


def _names_on_hub(file_name: str | None) -> tuple[str, ...]:
    """Return the names under which the hub may have the weights, safetensors first."""
    if not file_name:
        return _WEIGHTS[:2]
    stem, dot, suffix = file_name.rpartition(".")
    safe = (f"{stem}.safetensors",) if dot and suffix in ("bin", "pth") else ()
    return (*safe, file_name)
