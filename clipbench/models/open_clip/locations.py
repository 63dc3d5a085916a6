"""The locations of an open_clip model: a pretrained tag, the hub, a local folder, a local checkpoint."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clipbench.errors import UnknownName, UserError, did_you_mean
from clipbench.models.base import Precision
from clipbench.models.encoders import DualEncoder
from clipbench.models.located import Location, RemoteFile, TrainedOn
from clipbench.models.weights.hub_file import HubFile, HubTokenizer, names_on_hub
from clipbench.models.weights.weights_file import find_weights, read_config, require_file

CONFIG_NAME = "open_clip_config.json"
TRAINING_NAME = "clipbench_training.json"
"""What `clipbench train` writes beside a model that it has trained; `trained_on` in it names the data."""
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

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Recipe:
    """What open_clip is told to build, once every file is on this machine."""

    architecture: str
    """open_clip's name of it, or `local-dir:FOLDER` with a configuration in it."""
    weights: Path
    config: Config
    """The architecture's configuration: `embed_dim`, `vision_cfg`, `text_cfg`, ..."""
    preprocess: Mapping[str, Any] = field(default_factory=dict)
    """mean, std, interpolation, resize_mode of the pretrained tag, where there is one."""
    quick_gelu: bool = False
    """True: the weights need quick GELU, whatever the architecture's name says."""
    tokenizer_folder: Path | None = None
    """Where the files of a Hugging Face tokenizer are; None: open_clip's own tokenizer."""


def parse_open_clip(arguments: str) -> OpenClipLocation | None:
    """Return the location that stands behind `open_clip:`; None if it is of no known form."""
    kind, _, rest = arguments.partition(":")
    if kind == "hf-hub" and rest.count("/") == 1 and all(rest.split("/")):
        return HubLocation(rest)
    if kind == "local-dir" and rest:
        return FolderLocation(Path(rest).expanduser())
    architecture, at_sign, file = arguments.partition("@")
    if at_sign and architecture and file:
        return NamedLocation(architecture, file=Path(file).expanduser())
    architecture, _, tag = arguments.rpartition("/")
    if architecture and tag and kind == arguments:
        return NamedLocation(architecture.replace("/", "-"), tag)
    return None


class OpenClipLocation(Location):
    """Where an open_clip model comes from."""

    packages = ("open_clip_torch",)
    protocol = 1

    @abstractmethod
    def recipe(self) -> Recipe:
        """Return what to build; call when nothing is missing."""

    def files(self) -> Sequence[Path]:
        """Return the weights, then the files of the folders that hold the configuration and the tokenizer."""
        recipe = self.recipe()
        folders = [Path(recipe.architecture.removeprefix("local-dir:")), recipe.tokenizer_folder]
        beside = [path for folder in folders if folder and folder.is_dir() for path in sorted(folder.iterdir())]
        return [recipe.weights, *(path for path in beside if path.is_file())]

    def declared(self) -> str:
        """Return what open_clip and the tag declare."""
        return repr(self.recipe())

    def trained_on(self) -> TrainedOn:
        """Return what the files say of the pre-training data; None where they say nothing."""
        return None

    def load(self, name: str, device: str, precision: Precision, trained_on: TrainedOn) -> DualEncoder:
        """Build the model from its recipe."""
        from clipbench.models.open_clip.build import load_model

        declared = self.trained_on() if trained_on is None else trained_on
        return load_model(name, self.recipe(), device, precision, declared)


@dataclass(frozen=True)
class NamedLocation(OpenClipLocation):
    """An architecture that open_clip knows, with the weights of a tag, or with a local checkpoint in their stead."""

    architecture: str
    tag: str = ""
    file: Path | None = None

    def __str__(self) -> str:
        return f"open_clip {self.architecture}" + (f", file {self.file.name}" if self.file else f"/{self.tag}")

    def needed(self) -> Sequence[RemoteFile]:
        """Return the weights and what the text tower needs; check that a local checkpoint exists."""
        beside = companions(builtin_config(self.architecture))
        if self.file is None:
            return [self._weights(), *beside]
        require_file(self.file)
        return beside

    def recipe(self) -> Recipe:
        """Return what to build, with the preprocessing and activation that the tag declares."""
        declared = {} if self.file else self._declared()
        config = builtin_config(self.architecture)
        names = ("mean", "std", "interpolation", "resize_mode")
        return Recipe(
            architecture=self.architecture,
            weights=self.file or self._weights().path(f"{self.architecture}/{self.tag}"),
            config=config,
            preprocess={name: declared[name] for name in names if declared.get(name) is not None},
            quick_gelu=bool(declared.get("quick_gelu", False)),
            tokenizer_folder=tokenizer_folder(config),
        )

    def _declared(self) -> Config:
        import open_clip

        builtin_config(self.architecture)
        tags = open_clip.list_pretrained_tags_by_model(self.architecture)
        declared: Config = open_clip.get_pretrained_cfg(self.architecture, self.tag)
        if not declared:
            where = f"model open_clip:{self.architecture}/{self.tag}"
            fix = did_you_mean(self.tag, tags, limit=40) if tags else "name a checkpoint as open_clip:ARCH@FILE"
            raise UnknownName(f"open_clip has no weights {self.tag!r} for {self.architecture}", where=where, fix=fix)
        return declared

    def _weights(self) -> HubFile:
        """Return the hub's file: `org/name/` means the usual names, `org/name/file` that file."""
        location = str(self._declared().get("hf_hub", ""))
        if not location:
            where = f"model open_clip:{self.architecture}/{self.tag}"
            fix = f"download the weights and name them as open_clip:{self.architecture}@FILE"
            problem = "open_clip knows these weights by a plain address only, not on the hub"
            raise UserError(problem, where=where, fix=fix)
        repository, _, name = location.rpartition("/")
        return HubFile(repository, names_on_hub(name) if name else _HUB_WEIGHTS)


@dataclass(frozen=True)
class HubLocation(OpenClipLocation):
    """A hub repository in open_clip's layout."""

    repository: str

    def __str__(self) -> str:
        return f"open_clip hf-hub:{self.repository}"

    def needed(self) -> Sequence[RemoteFile]:
        """Return the configuration and the weights and, where the configuration is here, what it names."""
        config = self._file(CONFIG_NAME)
        found = config.cached()
        return [config, self._file(*_HUB_WEIGHTS), *(companions(read_model_config(found)) if found else [])]

    def recipe(self) -> Recipe:
        """Return what to build."""
        path = self._file(CONFIG_NAME).path(self.repository)
        config = read_model_config(path)
        weights = self._file(*_HUB_WEIGHTS).path(self.repository)
        return Recipe(f"local-dir:{path.parent}", weights, config, tokenizer_folder=tokenizer_folder(config))

    def _file(self, *names: str) -> HubFile:
        return HubFile(self.repository, names)


@dataclass(frozen=True)
class FolderLocation(OpenClipLocation):
    """A local folder in open_clip's layout: a configuration, weights, and a tokenizer where it needs one."""

    folder: Path = field()

    def __str__(self) -> str:
        return f"open_clip local folder {self.folder.resolve().name}"

    def needed(self) -> Sequence[RemoteFile]:
        """Check the folder; only the configuration of a Hugging Face text tower may have to be downloaded."""
        return companions(self.recipe().config, own_tokenizer=True)

    def recipe(self) -> Recipe:
        """Return what to build."""
        config = read_model_config(self.folder / CONFIG_NAME)
        weights = find_weights(self.folder, _FOLDER_WEIGHTS, CONFIG_NAME)
        tokenizer_folder = self.folder if config["text_cfg"].get("hf_tokenizer_name") else None
        return Recipe(f"local-dir:{self.folder}", weights, config, tokenizer_folder=tokenizer_folder)

    def trained_on(self) -> TrainedOn:
        """Return what `clipbench train` has noted; a UserError where that is no list of names."""
        path = self.folder / TRAINING_NAME
        names = read_config(path).get("trained_on") if path.exists() else None
        if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            fix = "write a list of the data sets' names, or remove the key where they are not known"
            raise UserError(f"trained_on is {str(names)[:60]!r}, not a list of names", where=str(path), fix=fix)
        return None if names is None else tuple(names)


def builtin_config(architecture: str) -> Config:
    """Return open_clip's configuration of an architecture; a UserError with the nearest where there is none."""
    import open_clip

    config: Config | None = open_clip.get_model_config(architecture)
    if config is None:
        fix = did_you_mean(architecture, open_clip.list_models())
        raise UnknownName("open_clip has no such architecture", where=f"architecture {architecture!r}", fix=fix)
    return config


def read_model_config(path: Path) -> Config:
    """Read the model part of an `open_clip_config.json`; a UserError where it is none, or asks for code to be run."""
    hint = "is it a folder in open_clip's layout? A bare checkpoint is named as open_clip:ARCH@FILE"
    config = read_config(path, hint).get("model_cfg")
    wanted = ("embed_dim", "vision_cfg", "text_cfg")
    lacking = [key for key in wanted if key not in config] if isinstance(config, dict) else ["model_cfg"]
    if lacking or not isinstance(config, dict):
        fix = f"expected 'model_cfg' with {', '.join(wanted)}, as open_clip writes it"
        raise UserError(f"lacks {', '.join(lacking)}", where=str(path), fix=fix)
    if _asks_for_code(config):
        fix = "remove the key if the model works without; else write an adapter class and name it by dotted path"
        raise UserError("asks for code to be run (trust_remote_code), which is refused", where=str(path), fix=fix)
    return config


def _asks_for_code(config: Any) -> bool:
    if isinstance(config, dict):
        return bool(config.get("trust_remote_code")) or any(map(_asks_for_code, config.values()))
    return isinstance(config, list) and any(map(_asks_for_code, config))


def companions(config: Config, *, own_tokenizer: bool = False) -> list[RemoteFile]:
    """Return what the text tower needs from the hub."""
    tokenizer, tower = (config["text_cfg"].get(f"hf_{part}_name") for part in ("tokenizer", "model"))
    needed: list[RemoteFile] = []
    if tokenizer and not own_tokenizer and not Path(tokenizer).is_dir():
        needed.append(HubTokenizer(tokenizer))
    if tower and not Path(tower).is_dir():
        needed.append(HubFile(tower, ("config.json",)))
    return needed


def tokenizer_folder(config: Config) -> Path | None:
    """Return the local folder of the tokenizer that a configuration names: a path, or a hub repository."""
    name = config["text_cfg"].get("hf_tokenizer_name")
    if not name or Path(name).is_dir():
        return Path(name) if name else None
    return HubTokenizer(name).path(name).parent
