"""Models by name: catalog aliases, `adapter:arguments`, names that installed packages add, dotted paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from clipbench.errors import UserError, did_you_mean
from clipbench.models.base import ModelSource
from clipbench.plugins import is_dotted_path, plugin_paths

FORMS = (
    "open_clip:ARCH/TAG",
    "open_clip:hf-hub:ORG/NAME",
    "open_clip:local-dir:PATH",
    "open_clip:ARCH@FILE",
    "timm:NAME",
    "timm:NAME@FILE",
    "timm:local-dir:DIR",
    "torchvision:NAME",
    "torchvision:NAME/WEIGHTS",
    "torchvision:NAME@FILE",
    "local:DIR",
    "package.module:Class",
)
"""How a model that is not in the catalog is named."""


@dataclass(frozen=True)
class CatalogModel:
    """What the catalog says of a model."""

    alias: str
    adapter: str
    """'open_clip', 'reference', 'timm', 'torchvision', or 'plugin' for a name that an installed package adds."""
    architecture: str = ""
    """The adapter's name of the architecture, timm's with its tag; for a plug-in its dotted path."""
    tag: str = ""
    description: str = ""
    trained_on: tuple[str, ...] | None = None
    """Declared pre-training data; None is undeclared, which is not the empty set."""
    params: float | None = None
    """Millions of parameters in the weights: of both towers, or of an image-only model with its classifier."""

    @property
    def download_bytes(self) -> int | None:
        """About how large a download is: 4 bytes a parameter; None if the number is unknown."""
        return None if self.params is None else round(self.params * 1e6) * 4


def model_names() -> Mapping[str, CatalogModel]:
    """Return the models that have a name of their own: the catalog's, then those of installed packages."""
    plugins = {name: CatalogModel(name, "plugin", path) for name, path in plugin_paths("clipbench.models").items()}
    return {**_catalog(), **{name: model for name, model in plugins.items() if name not in _catalog()}}


def find_model(spec: str) -> ModelSource:
    """Return the model that a name stands for; nothing is imported, looked for or loaded yet.

    Args:
        spec: an alias (`vit-b-32`), one of `FORMS`, or a name that an installed package adds.

    Raises:
        UserError: the name has no such form.
    """
    known = model_names()
    if spec in known:
        return _from_catalog(known[spec])
    adapter, _, arguments = spec.partition(":")
    if adapter == "open_clip":
        from clipbench.models.open_clip.source import OpenClipSource, parse_open_clip

        return OpenClipSource(spec, parse_open_clip(arguments))
    if adapter in ("timm", "torchvision"):
        return _image_only(spec, adapter, arguments)
    if adapter == "local" and arguments:
        from clipbench.models.reference.source import ReferenceSource

        return ReferenceSource.from_folder(Path(arguments).expanduser())
    if is_dotted_path(spec):
        return _dotted(spec, spec)
    forms = ", ".join(FORMS)
    fix = f"{did_you_mean(spec, known)} Other forms: {forms}; `clipbench list models` shows all names"
    raise UserError("no such model", where=f"model {spec!r}", fix=fix)


def _from_catalog(entry: CatalogModel) -> ModelSource:
    if entry.adapter == "plugin":
        return _dotted(entry.alias, entry.architecture)
    if entry.adapter == "reference":
        from clipbench.models.reference.source import ReferenceSource

        return ReferenceSource(entry.alias)
    if entry.adapter in ("timm", "torchvision"):
        arguments = "/".join(part for part in (entry.architecture, entry.tag) if part)
        return _image_only(entry.alias, entry.adapter, arguments, entry)
    from clipbench.models.open_clip.locations import TagLocation
    from clipbench.models.open_clip.source import OpenClipSource

    location = TagLocation(entry.architecture, entry.tag)
    return OpenClipSource(entry.alias, location, trained_on=entry.trained_on, download_bytes=entry.download_bytes)


def _image_only(name: str, adapter: str, arguments: str, entry: CatalogModel | None = None) -> ModelSource:
    from clipbench.models.image_only import ImageOnlySource
    from clipbench.models.timm.locations import parse_timm
    from clipbench.models.torchvision.locations import parse_torchvision

    location = parse_timm(arguments) if adapter == "timm" else parse_torchvision(arguments)
    if entry is None:
        return ImageOnlySource(name, location)
    return ImageOnlySource(name, location, trained_on=entry.trained_on, download_bytes=entry.download_bytes)


def _dotted(name: str, path: str) -> ModelSource:
    from clipbench.models.custom import DottedSource

    return DottedSource(name, path)


@lru_cache(maxsize=1)
def _catalog() -> Mapping[str, CatalogModel]:
    import yaml

    entries: Mapping[str, Mapping[str, Any]] = yaml.safe_load(
        Path(__file__).with_name("catalog.yaml").read_text("utf-8")
    )
    return MappingProxyType({alias: _entry(alias, entry) for alias, entry in entries.items()})


def _entry(alias: str, entry: Mapping[str, Any]) -> CatalogModel:
    trained_on = entry["trained_on"]
    return CatalogModel(
        alias=alias,
        adapter=entry["adapter"],
        architecture=entry.get("architecture", ""),
        tag=entry.get("tag", ""),
        description=entry["description"],
        trained_on=None if trained_on is None else tuple(trained_on),
        params=entry.get("params"),
    )
