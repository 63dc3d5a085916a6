"""Data sets by name: the packaged catalog, a suite's own definitions, and how one is opened."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from clipbench.datasets.arguments import INJECTED, arguments_model, split_arguments
from clipbench.datasets.base import Dataset, DatasetDefinition, DatasetInfo
from clipbench.documents.marked_yaml import KeyPath, MarkedYaml, unmarked
from clipbench.documents.validation import Problem, check, refuse, show
from clipbench.errors import UserError, did_you_mean
from clipbench.plugins import is_dotted_path, load_object, plugin_paths

ADAPTERS: Mapping[str, str] = MappingProxyType(
    {
        "digits": "clipbench.datasets.adapters.digits:Digits",
        "folder": "clipbench.datasets.adapters.folder:ImageFolder",
        "hf": "clipbench.datasets.adapters.hub:HuggingFace",
        "scenes": "clipbench.datasets.adapters.scenes.scenes:Scenes",
        "table": "clipbench.datasets.adapters.table:Table",
        "webdataset": "clipbench.datasets.adapters.webdataset:WebDataset",
    }
)
"""The adapters that come with clipbench, each with its class; a plug-in cannot take one of these names."""

_DECLARED = tuple(f.name for f in fields(DatasetInfo) if f.name != "name")


def adapter_names() -> tuple[str, ...]:
    """Return the names that `adapter:` may have beside dotted paths: built in, and from installed packages."""
    return tuple(sorted({*plugin_paths("clipbench.datasets"), *ADAPTERS}))


def adapter_class(adapter: str, *, where: str | None = None) -> type[Dataset]:
    """Import an adapter's class.

    Args:
        adapter: a name or a dotted path.
        where: file and line, for the message.

    Raises:
        UserError: no such adapter, or it is not a data set class.
    """
    dotted = ADAPTERS.get(adapter) or plugin_paths("clipbench.datasets").get(adapter)
    if dotted is None:
        if not is_dotted_path(adapter):
            fix = f"{did_you_mean(adapter, adapter_names())} (or name a class as `package.module:Class`)"
            raise UserError(f"unknown adapter {adapter!r}", where=where, fix=fix)
        dotted = adapter
    constructor = load_object(dotted, where=where)
    if not (isinstance(constructor, type) and issubclass(constructor, Dataset)):
        problem = f"{dotted!r} is not a class derived from clipbench.Dataset"
        raise UserError(problem, where=where, fix="derive it from Dataset or IndexedDataset")
    if inspect.isabstract(constructor):
        lacking = ", ".join(sorted(constructor.__abstractmethods__))
        raise UserError(f"{dotted!r} lacks {lacking}", where=where, fix="define what is lacking")
    return constructor


@cache
def catalog_definitions() -> Mapping[str, DatasetDefinition]:
    """Return the packaged catalog by name; imports no adapter and opens no data."""
    text = files("clipbench.datasets").joinpath("catalog.yaml").read_text(encoding="utf-8")
    entries: dict[str, dict[str, Any]] = yaml.safe_load(text)
    return MappingProxyType({name: _catalog_entry(name, entry) for name, entry in entries.items()})


def _catalog_entry(name: str, entry: dict[str, Any]) -> DatasetDefinition:
    declared = {key: entry.pop(key) for key in _DECLARED if key in entry}
    return DatasetDefinition(
        name=name,
        adapter=entry.pop("adapter"),
        counts=entry.pop("counts", {}),
        arguments=entry,
        info=DatasetInfo(name=name, **declared),
        where="catalog.yaml",
    )


def define(name: str, mapping: Mapping[str, Any], *, base: Path | None, where: str = "") -> DatasetDefinition:
    """Check a definition of a data set against its adapter; opens no data.

    Args:
        name: what the data set is called.
        mapping: `adapter`, its class's arguments, and what `DatasetInfo` declares.
        base: the folder that relative paths start from.
        where: what messages call the definition.

    Raises:
        UserError: an unknown adapter or key, a missing key or a value of the wrong kind. The place is `where`,
            followed by the key it is about.
    """
    document = unmarked(mapping, where)
    definition, problems = read_definition(name, document, (), base=base)
    refuse(document, problems)
    assert definition is not None  # without problems there is one
    return definition


def read_definition(
    name: str, document: MarkedYaml, path: KeyPath, *, base: Path | None
) -> tuple[DatasetDefinition | None, list[Problem]]:
    """Check the definition at a path of a suite as `define` does; return it, or None and what is wrong with it."""
    place, names = (*path, "adapter"), ", ".join(adapter_names())
    adapter = document.value_at(path).get("adapter")
    if adapter is None:
        return None, [Problem(place, "is missing", f"give one of: {names}; or a class as `package.module:Class`")]
    if not isinstance(adapter, str):
        return None, [Problem(place, f"expected text, got {show(adapter)}", f"one of: {names}")]
    try:
        model = arguments_model(adapter, adapter_class(adapter))
    except UserError as error:
        return None, [Problem(place, error.problem, error.fix)]
    checked, problems = check(model, document, path, strict=False)
    if checked is None:
        return None, problems
    arguments, declared = split_arguments(checked, base)
    info = DatasetInfo(name=name, **declared)
    return DatasetDefinition(name, adapter, arguments, info, base, document.where(path)), []


def open_dataset(definition: DatasetDefinition, *, data_root: Path | None = None) -> Dataset:
    """Open a data set and set what is declared of it; reads no images.

    Args:
        definition: from the catalog or a suite.
        data_root: holds local copies of hub data sets, which come before the hub.

    Raises:
        Unavailable: the data are not here and cannot be fetched.
        UserError: they are not what the adapter expects.
    """
    constructor = adapter_class(definition.adapter, where=definition.where or definition.name)
    injected = {"base": definition.base, "catalog_name": definition.name, "data_root": data_root}
    accepted = inspect.signature(constructor).parameters
    given = {name: injected[name] for name in INJECTED if name in accepted}
    dataset = constructor(**definition.arguments, **given)
    dataset.info = definition.info
    return dataset


def argument_schema(adapter: str) -> dict[str, Any]:
    """Return the JSON schema of a data set's mapping with this adapter, `adapter` and declarations included.

    Raises:
        UserError: no such adapter.
    """
    schema = arguments_model(adapter, adapter_class(adapter)).model_json_schema()
    schema["title"] = f"{adapter} data set"
    return schema
