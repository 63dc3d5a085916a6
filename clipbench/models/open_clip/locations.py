"""The places an open_clip model comes from: a pretrained tag, the hub, a local folder, a local checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from clipbench.errors import UserError, did_you_mean
from clipbench.models.open_clip.config import CONFIG_NAME, builtin_config, read_config
from clipbench.models.weights.hub_file import HubFile, HubTokenizer

_HUB_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_FOLDER_WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)

Missing = HubFile | HubTokenizer


@dataclass(frozen=True)
class Recipe:
    """What open_clip is told to build, once every file is on this machine."""

    architecture: str
    """open_clip's name of it, or `local-dir:FOLDER` with a configuration in it."""
    weights: Path
    config: Mapping[str, Any]
    """The architecture's configuration: `embed_dim`, `vision_cfg`, `text_cfg`, ..."""
    preprocess: Mapping[str, Any] = field(default_factory=dict)
    """mean, std, interpolation, resize_mode of the pretrained tag, where there is one."""
    quick_gelu: bool = False
    """True: the weights need quick GELU, whatever the architecture's name says."""
    tokenizer_folder: Path | None = None
    """Where the files of a Hugging Face tokenizer are; None: open_clip's own tokenizer."""

    @property
    def text_config(self) -> Mapping[str, Any]:
        """The text tower's and tokenizer's part of the configuration."""
        part: Mapping[str, Any] = self.config["text_cfg"]
        return part


class Place(Protocol):
    """Where a model comes from."""

    @property
    def about(self) -> str:
        """For the record of a run; names no folder above the model's own."""
        ...

    def missing(self) -> Sequence[Missing]:
        """Return the files that have to be downloaded before `recipe` works.

        Raises:
            UserError: what is local is not as it should be, or open_clip has no such model.
        """
        ...

    def recipe(self) -> Recipe:
        """Return what to build; call when nothing is missing."""
        ...


@dataclass(frozen=True)
class TagPlace:
    """Weights that open_clip knows by architecture and tag."""

    architecture: str
    tag: str

    @property
    def about(self) -> str:
        """For the record."""
        return f"open_clip {self.architecture}/{self.tag}"

    def missing(self) -> Sequence[Missing]:
        """Return the weights and the tokenizer if they are not in the hub's cache."""
        config = builtin_config(self.architecture)
        return _not_cached([self._weights(), *_companions(config["text_cfg"], folder=None)])

    def recipe(self) -> Recipe:
        """Return what to build, with the preprocessing and activation that the tag declares."""
        declared = self._declared()
        config = builtin_config(self.architecture)
        names = ("mean", "std", "interpolation", "resize_mode")
        return Recipe(
            architecture=self.architecture,
            weights=_cached(self._weights()),
            config=config,
            preprocess={name: declared[name] for name in names if declared.get(name) is not None},
            quick_gelu=bool(declared.get("quick_gelu", False)),
            tokenizer_folder=_tokenizer_folder(config["text_cfg"]),
        )

    def _declared(self) -> Mapping[str, Any]:
        import open_clip

        builtin_config(self.architecture)
        tags = open_clip.list_pretrained_tags_by_model(self.architecture)
        declared: Mapping[str, Any] = open_clip.get_pretrained_cfg(self.architecture, self.tag)
        if not declared:
            where = f"model open_clip:{self.architecture}/{self.tag}"
            fix = did_you_mean(self.tag, tags) if tags else "name a checkpoint as open_clip:ARCH@FILE"
            raise UserError(f"open_clip has no weights {self.tag!r} for {self.architecture}", where=where, fix=fix)
        return declared

    def _weights(self) -> HubFile:
        """Return the hub's file: `org/name/` means the usual names, `org/name/file` that file."""
        location = str(self._declared().get("hf_hub", ""))
        if not location:
            where = f"model open_clip:{self.architecture}/{self.tag}"
            fix = f"download the weights and name them as open_clip:{self.architecture}@FILE"
            raise UserError(
                "open_clip knows these weights by a plain address only, not on the hub", where=where, fix=fix
            )
        repository, _, name = location.rpartition("/")
        stem, dot, suffix = name.rpartition(".")
        safe = (f"{stem}.safetensors",) if dot and suffix in ("bin", "pth") else ()
        return HubFile(repository, (*safe, name) if name else _HUB_WEIGHTS)


@dataclass(frozen=True)
class HubPlace:
    """A hub repository in open_clip's layout."""

    repository: str

    @property
    def about(self) -> str:
        """For the record."""
        return f"open_clip hf-hub:{self.repository}"

    def missing(self) -> Sequence[Missing]:
        """Return the configuration, weights and tokenizer that are not in the hub's cache."""
        first = _not_cached([self._config(), self._weights()])
        if self._config() in first:
            return first
        return [*first, *_not_cached(_companions(self._read()["text_cfg"], folder=None))]

    def recipe(self) -> Recipe:
        """Return what to build."""
        folder = _cached(self._config()).parent
        config = self._read()
        return Recipe(
            architecture=f"local-dir:{folder}",
            weights=_cached(self._weights()),
            config=config,
            tokenizer_folder=_tokenizer_folder(config["text_cfg"]),
        )

    def _config(self) -> HubFile:
        return HubFile(self.repository, (CONFIG_NAME,))

    def _weights(self) -> HubFile:
        return HubFile(self.repository, _HUB_WEIGHTS)

    def _read(self) -> Mapping[str, Any]:
        return read_config(_cached(self._config()))


@dataclass(frozen=True)
class FolderPlace:
    """A local folder in open_clip's layout: a configuration, weights, and a tokenizer where it needs one."""

    folder: Path

    @property
    def about(self) -> str:
        """For the record; names no folder above the model's own."""
        return f"open_clip local folder {self.folder.resolve().name}"

    def missing(self) -> Sequence[Missing]:
        """Check the folder; only the configuration of a Hugging Face text tower may have to be downloaded."""
        text_config = self._read()["text_cfg"]
        self._weights()
        return _not_cached(_companions(text_config, folder=self.folder))

    def recipe(self) -> Recipe:
        """Return what to build."""
        config = self._read()
        tokenizer_folder = self.folder if config["text_cfg"].get("hf_tokenizer_name") else None
        return Recipe(f"local-dir:{self.folder}", self._weights(), config, tokenizer_folder=tokenizer_folder)

    def _read(self) -> Mapping[str, Any]:
        if not self.folder.is_dir():
            raise UserError("no such folder", where=str(self.folder), fix="check the path after local-dir:")
        return read_config(self.folder / CONFIG_NAME)

    def _weights(self) -> Path:
        """Return the weights: open_clip's own names first, then any one checkpoint, safetensors first."""
        for name in _FOLDER_WEIGHTS:
            if (self.folder / name).is_file():
                return self.folder / name
        others = sorted(path for ending in ("*.safetensors", "*.bin", "*.pth") for path in self.folder.glob(ending))
        if not others:
            fix = f"put {_FOLDER_WEIGHTS[0]} beside {CONFIG_NAME}"
            raise UserError("holds no weights (*.safetensors, *.bin, *.pth)", where=str(self.folder), fix=fix)
        safe = [path for path in others if path.suffix == ".safetensors"]
        return (safe or others)[0]


@dataclass(frozen=True)
class FilePlace:
    """A local checkpoint for an architecture that open_clip knows."""

    architecture: str
    file: Path

    @property
    def about(self) -> str:
        """For the record; names no folder."""
        return f"open_clip {self.architecture}, file {self.file.name}"

    def missing(self) -> Sequence[Missing]:
        """Check that the file exists; only the architecture's tokenizer may have to be downloaded."""
        config = builtin_config(self.architecture)
        if not self.file.is_file():
            raise UserError("no such file", where=str(self.file), fix="check the path after @")
        return _not_cached(_companions(config["text_cfg"], folder=None))

    def recipe(self) -> Recipe:
        """Return what to build."""
        config = builtin_config(self.architecture)
        return Recipe(self.architecture, self.file, config, tokenizer_folder=_tokenizer_folder(config["text_cfg"]))


def _companions(text_config: Mapping[str, Any], folder: Path | None) -> list[Missing]:
    """Return what the text tower needs from the hub; a folder brings its own tokenizer."""
    needed: list[Missing] = []
    tokenizer, tower = text_config.get("hf_tokenizer_name"), text_config.get("hf_model_name")
    if tokenizer and folder is None and not Path(tokenizer).is_dir():
        needed.append(HubTokenizer(tokenizer))
    if tower and not Path(tower).is_dir():
        needed.append(HubFile(tower, ("config.json",)))
    return needed


def _tokenizer_folder(text_config: Mapping[str, Any]) -> Path | None:
    """Return the local folder of the tokenizer that a configuration names: a path, or a hub repository."""
    name = text_config.get("hf_tokenizer_name")
    if not name or Path(name).is_dir():
        return Path(name) if name else None
    configuration = HubTokenizer(name).cached()
    if configuration is None:
        raise HubFile(name, ("tokenizer_config.json",)).unavailable(name, "it was not fetched")
    return configuration.parent


def _not_cached(files: Sequence[Missing]) -> list[Missing]:
    return [file for file in files if file.cached() is None]


def _cached(file: HubFile) -> Path:
    path = file.cached()
    if path is None:
        raise file.unavailable(file.repository, "it was not fetched")
    return path
