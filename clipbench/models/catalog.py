"""Models by name: catalog aliases, `adapter:arguments`, names that installed packages add, dotted paths."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from clipbench.errors import UnknownName, UserError, did_you_mean, nearest
from clipbench.models.base import ModelSource
from clipbench.models.custom import DottedSource
from clipbench.models.located import LocatedSource, Location
from clipbench.plugins import is_dotted_path, load_object, plugin_paths

ADAPTERS: Mapping[str, tuple[str, str]] = {
    "open_clip": ("open_clip.locations:parse_open_clip", "ARCH/TAG hf-hub:ORG/NAME local-dir:PATH ARCH@FILE"),
    "hf": ("hf.locations:parse_hf", "ORG/NAME DIR"),
    "timm": ("timm.locations:parse_timm", "NAME NAME@FILE local-dir:DIR"),
    "torchvision": ("torchvision.locations:parse_torchvision", "NAME NAME/WEIGHTS NAME@FILE"),
    "pixels": ("pixels:parse_pixels", "SIDE"),
    "local": ("reference.source:parse_folder", "DIR"),
    "reference": ("reference.source:parse_packaged", ""),
}
"""By what stands before the colon: what makes a `Location` of what stands behind it, and which forms that may have.

The function's module (below clipbench.models) is imported when such a model is named. It returns None for any other
form, and looks nothing up.
"""
_REPOSITORY = re.compile(r"[\w-][\w.-]*/\w[\w.-]*")
"""ORG/NAME on the hub, or ARCH/TAG of open_clip."""
FORMS = (
    *(f"{adapter}:{form}" for adapter, (_, forms) in ADAPTERS.items() for form in forms.split()),
    "package.module:Class",
)
"""How a model that is not in the catalog is named."""


@dataclass(frozen=True)
class CatalogModel:
    """What the catalog says of a model."""

    alias: str
    adapter: str
    """One of `ADAPTERS`, or 'plugin' for a name that an installed package adds."""
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
        spec: an alias (`vit-b-32`), one of `FORMS`, or a name that an installed package adds. `NAME=` before it is
            what results call the model.

    Raises:
        UserError: the name has no such form.
    """
    name, equals, rest = spec.partition("=")
    if equals and not re.search(r"[:/@\\]", name):
        if not name.strip() or not rest:
            raise UserError("expected NAME=MODEL", where=f"model {spec!r}", fix="e.g. mine=open_clip:ViT-B-32@FILE")
        source = find_model(rest)
        source.name = name.strip()
        return source
    known = model_names()
    if spec in known:
        return _from_catalog(known[spec])
    adapter, _, arguments = spec.partition(":")
    if adapter in ADAPTERS:
        return LocatedSource(spec, _locate(adapter, arguments))
    if is_dotted_path(spec):
        return DottedSource(spec, spec)
    fix = f"{_nearest(spec, known)} Other forms: {', '.join(FORMS)}; `clipbench list models` shows all names"
    raise UnknownName("no such model", where=f"model {spec!r}", fix=fix)


def _nearest(spec: str, known: Collection[str]) -> str:
    """Return what a name that stands for nothing may have meant: with the adapter that it lacks, or spelt otherwise."""
    if _REPOSITORY.fullmatch(spec):
        import open_clip

        tags = {"/".join(pair).lower(): "/".join(pair) for pair in open_clip.list_pretrained()}
        if near := next(iter(difflib.get_close_matches(spec.lower(), tags, n=1, cutoff=0.85)), None):
            return f"did you mean 'open_clip:{tags[near]}'?"
        return f"did you mean 'hf:{spec}'?"
    near = nearest(spec.lower(), known)
    holding = [name for name in known if spec.lower() in name] if len(spec) > 2 else []
    if near is None and holding:
        return f"did you mean {' or '.join(map(repr, holding[:5]))}?"
    return did_you_mean(spec.lower(), known)


def _from_catalog(entry: CatalogModel) -> ModelSource:
    if entry.adapter == "plugin":
        return DottedSource(entry.alias, entry.architecture, installed=True)
    location = _locate(entry.adapter, "/".join(filter(None, (entry.architecture, entry.tag))) or entry.alias)
    return LocatedSource(entry.alias, location, trained_on=entry.trained_on, download_bytes=entry.download_bytes)


def _locate(adapter: str, arguments: str) -> Location:
    path, forms = ADAPTERS[adapter]
    location: Location | None = load_object(f"clipbench.models.{path}")(arguments)
    if location is None:
        fix = f"after {adapter}: comes {' or '.join(forms.split())}"
        raise UnknownName(f"{arguments!r} names no model", where=f"model '{adapter}:{arguments}'", fix=fix)
    return location


@lru_cache(maxsize=1)
def _catalog() -> Mapping[str, CatalogModel]:
    import yaml

    document: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("catalog.yaml").read_text("utf-8"))
    for entry in document.values():
        entry["trained_on"] = None if entry["trained_on"] is None else tuple(entry["trained_on"])
    return MappingProxyType({alias: CatalogModel(alias, **entry) for alias, entry in document.items()})
