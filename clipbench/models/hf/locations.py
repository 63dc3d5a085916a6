"""Where a transformers model lies, in a folder or on the hub, and which architectures there are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from clipbench.errors import UnknownName, UserError
from clipbench.models.base import Precision
from clipbench.models.encoders import ImageEncoder
from clipbench.models.located import Location, RemoteFile, TrainedOn
from clipbench.models.weights.hub_file import HubFile, HubTokenizer
from clipbench.models.weights.weights_file import read_config

CONFIG = "config.json"
PROCESSOR = ("preprocessor_config.json", "processor_config.json")
_INDEX = ".index.json"
_WEIGHTS = ("model.safetensors", f"model.safetensors{_INDEX}", "pytorch_model.bin", f"pytorch_model.bin{_INDEX}")
_REPOSITORY = re.compile(r"[\w-][\w.-]*/\w[\w.-]*")


@dataclass(frozen=True)
class Architecture:
    """A class of transformers, and how it is used."""

    model: str
    """The class."""
    features: tuple[str, ...] = ("backbone",)
    """Of 'projected' and 'backbone'."""
    causal_text: bool = False
    """True where nothing behind a text's end token can change its embedding."""
    class_token: bool = False
    """True: the features are the class token after the last norm; False: what the class itself pools."""
    fixed_size: bool = True
    """True: images must have the size that the configuration gives."""

    @property
    def has_text(self) -> bool:
        """Whether it has a text tower."""
        return "projected" in self.features


ARCHITECTURES = {
    "clip": Architecture("CLIPModel", ("projected", "backbone"), causal_text=True),
    "siglip": Architecture("SiglipModel", ("projected",)),
    "clip_vision_model": Architecture("CLIPVisionModel"),
    "siglip_vision_model": Architecture("SiglipVisionModel"),
    "dinov2": Architecture("Dinov2Model", fixed_size=False),
    "dinov2_with_registers": Architecture("Dinov2WithRegistersModel", fixed_size=False),
    "dinov3_vit": Architecture("DINOv3ViTModel", fixed_size=False),
    "vit": Architecture("ViTModel", class_token=True),
    "deit": Architecture("DeiTModel", class_token=True),
    "swin": Architecture("SwinModel", fixed_size=False),
}
"""By `model_type` in config.json. Fixed-resolution SigLIP 2 is of the type siglip there too."""


def parse_hf(arguments: str) -> HfLocation | None:
    """Return the location that stands behind `hf:`: a folder, if there is one of this name, else a hub repository."""
    folder = Path(arguments).expanduser()
    if _REPOSITORY.fullmatch(arguments) and not folder.is_dir():
        return HfLocation(repository=arguments)
    return HfLocation(folder=folder) if arguments else None


@dataclass(frozen=True)
class HfLocation(Location):
    """A checkpoint of transformers: configuration, weights, image processor and tokenizer."""

    repository: str = ""
    """ORG/NAME on the hub; empty for a local folder."""
    folder: Path | None = None

    packages = ("transformers", "tokenizers", "torchvision")
    protocol = 1

    def __str__(self) -> str:
        name = f"hf-hub:{self.repository}" if self.folder is None else f"local folder {self.folder.resolve().name}"
        return f"transformers {name}"

    def needed(self) -> Sequence[RemoteFile]:
        """Return the files of a repository, as far as those that are here name them; check a folder."""
        if find_spec("transformers") is None:
            where = f"model hf:{self.folder or self.repository}"
            raise UserError("needs the transformers library", where=where, fix="pip install 'clipbench[hf]'")
        if self.folder is None:
            files: list[RemoteFile] = [self._on_hub(*names) for names in self._needed()]
            if self.find(CONFIG) and self.architecture().has_text:
                files.append(HubTokenizer(self.repository, own_copy=self._own_copy))
            return files
        if not self.folder.is_dir():
            fix = "after hf: comes ORG/NAME on the hub, or a folder that save_pretrained wrote"
            raise UnknownName("no such folder", where=str(self.folder), fix=fix)
        for names in self._needed():
            self.path(*names)
        return []

    def _needed(self) -> Iterator[tuple[str, ...]]:
        """Yield the names that each file may have."""
        yield (CONFIG,)
        if self.find(CONFIG):
            self.architecture()
        yield PROCESSOR
        yield _WEIGHTS
        if self.find(*_WEIGHTS):
            yield from ((name,) for name in self._weight_names())

    def find(self, *names: str) -> Path | None:
        """Return where the first of these files is on this machine; None if none is."""
        if self.folder is None:
            return self._on_hub(*names).cached()
        return next((self.folder / name for name in names if (self.folder / name).is_file()), None)

    def path(self, *names: str) -> Path:
        """Return where the first of these files is; a UserError where none is on this machine."""
        if self.folder is None:
            return self._on_hub(*names).path(self.repository)
        found = self.find(*names)
        if found is None:
            fix = "name a folder into which save_pretrained wrote a model and its processor"
            raise UserError(f"holds no {' or '.join(names)}", where=str(self.folder), fix=fix)
        return found

    def _on_hub(self, *names: str) -> HubFile:
        return HubFile(self.repository, names, self._own_copy)

    @property
    def _own_copy(self) -> str:
        return f"hf:DIR (there is no folder {self.repository} here)"

    def architecture(self) -> Architecture:
        """Return what the configuration says that the model is; a UserError for what is not supported."""
        path = self.path(CONFIG)
        config = read_config(path)
        kind = config.get("model_type")
        if config.get("auto_map"):
            problem = "asks for code of the repository to be run (auto_map), which is refused"
            fix = "write an adapter class and name it by dotted path, or take one of a type that transformers has"
        elif kind is None:
            problem = "is no configuration of transformers (it lacks model_type)"
            fix = "open_clip's are named as open_clip:hf-hub:ORG/NAME or open_clip:local-dir:DIR, timm's as timm:..."
        elif kind == "siglip2":
            problem = "is SigLIP 2 of variable patches (NaFlex), whose images have no common size; it is not supported"
            fix = "use one of fixed resolution, e.g. hf:google/siglip2-base-patch16-224"
        elif kind not in ARCHITECTURES:
            problem, fix = f"models of type {kind!r} are not supported", f"supported are {', '.join(ARCHITECTURES)}"
        else:
            return ARCHITECTURES[kind]
        raise UserError(problem, where=str(path), fix=fix)

    def files(self) -> list[Path]:
        """Return the weights, then everything beside the configuration."""
        beside = sorted(self.path(CONFIG).parent.iterdir())
        return [*self.weight_files(), *(path for path in beside if path.is_file())]

    def weight_files(self) -> list[Path]:
        """Return the files with the weights, in order: one, or the parts that an index names."""
        return [self.path(name) for name in self._weight_names()]

    def _weight_names(self) -> list[str]:
        path = self.path(*_WEIGHTS)
        if not path.name.endswith(_INDEX):
            return [path.name]
        parts = read_config(path).get("weight_map")
        if not isinstance(parts, dict) or not parts:
            raise UserError("names no files (weight_map)", where=str(path), fix="download or copy it again")
        return sorted({str(name) for name in parts.values()})

    def load(self, name: str, device: str, precision: Precision, trained_on: TrainedOn) -> ImageEncoder:
        """Build the model; whether it has a text tower its configuration says."""
        # Raises where transformers is not installed, or a folder is not as it should be.
        self.needed()
        from clipbench.models.hf.build import load_model

        return load_model(name, self, device, precision, trained_on)
