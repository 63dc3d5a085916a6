"""Data sets by name: the packaged catalog, a suite's own definitions, and how one is opened."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_type_hints

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from clipbench.datasets.base import Dataset, DatasetDefinition, DatasetInfo
from clipbench.datasets.subset import DividedDataset, checked_shares
from clipbench.documents.marked_yaml import KeyPath, MarkedYaml, unmarked
from clipbench.documents.validation import Problem, check, refuse, show
from clipbench.errors import UnknownName, UserError, did_you_mean
from clipbench.plugins import is_dotted_path, load_code, load_object, plugin_paths

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

INJECTED = ("base", "catalog_name", "data_root")
"""Arguments that an adapter may have and that are no keys: they are given when the data set is opened."""


Shares = Annotated[dict[str, float], AfterValidator(checked_shares)]
SPLIT = "split"
"""The one declaration whose name an adapter may have an argument of too: shares are no text."""


class Declarations(BaseModel):
    """What a suite may say of any data set, beside its adapter's arguments."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, protected_namespaces=())

    adapter: str = Field(description="An adapter's name, or `package.module:Class`.")
    description: str = Field(default="", description="What it shows, in a sentence.")
    regime: Literal["", "benchmark", "shift", "field"] = Field(
        default="", description="Which side of the gap between benchmark and reality it stands on."
    )
    main_metric: str = Field(default="", description="The metric that stands for it in a wide table.")
    prompts: str = Field(default="", description="The prompt set where a task names none; by default its own.")
    source: str = Field(default="", description="Who made it, and where it is described.")
    licence: str = Field(default="", description="Under which terms it may be used.")
    show_images: bool = Field(default=True, description="False where no picture of it may be shown in a page.")
    training_names: tuple[str, ...] = Field(
        default=(), description="What models call its training images in their `trained_on`, beside its name."
    )
    cluster: str = Field(
        default="",
        description="The group (a column, or an attribute of its own) by which images come in clusters, e.g. track or "
        "patient: intervals are then over clusters.",
    )
    exif: Literal["", "apply", "ignore"] = Field(
        default="", description="Whether images are turned as their EXIF orientation says; by default the adapter's."
    )
    split: Shares | None = Field(default=None, description="Shares that the one split is divided into.")
    alpha: Literal["", "drop", "white", "black"] = Field(
        default="", description="What is seen of a transparent pixel: the colour behind it, or white or black."
    )


def adapter_names() -> tuple[str, ...]:
    """Return the names that `adapter:` may have beside dotted paths: built in, and from installed packages."""
    return tuple(sorted({*plugin_paths("clipbench.datasets"), *ADAPTERS}))


def adapter_class(adapter: str, *, where: str | None = None) -> type[Dataset]:
    """Import an adapter's class by its name or dotted path.

    Raises:
        UserError: no such adapter, or it is not a data set class.
    """
    dotted = ADAPTERS.get(adapter) or plugin_paths("clipbench.datasets").get(adapter)
    if dotted is None:
        if not is_dotted_path(adapter):
            fix = f"{did_you_mean(adapter, adapter_names())} (or name a class as `package.module:Class`)"
            raise UnknownName(f"unknown adapter {adapter!r}", where=where, fix=fix)
        dotted = adapter
    constructor = load_code(dotted, where=where) if dotted == adapter else load_object(dotted, where=where)
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
    return replace(_definition(name, entry), where="catalog.yaml", counts=entry.pop("counts", {}))


def _definition(name: str, values: dict[str, Any]) -> DatasetDefinition:
    """Take apart the mapping of a definition: what is left of it are the adapter's arguments."""
    shares = {} if isinstance(values.get(SPLIT), str) else values.pop(SPLIT, None) or {}
    declared = {key: values.pop(key) for key in Declarations.model_fields.keys() - {SPLIT} if key in values}
    decoding: dict[str, Any] = {key: value for key in ("exif", "alpha") if (value := declared.pop(key, ""))}
    declared["training_names"] = tuple(declared.get("training_names", ()))
    adapter, info = declared.pop("adapter"), DatasetInfo(name, **declared)
    return DatasetDefinition(name, adapter, values, info, decoding=decoding, shares=shares)


def define(name: str, mapping: Mapping[str, Any], *, base: Path | None, where: str = "") -> DatasetDefinition:
    """Check a definition of a data set against its adapter; opens no data.

    Args:
        mapping: `adapter`, its class's arguments, and what `DatasetInfo` declares.

    Raises:
        UserError: an unknown adapter or key, a missing key or a value of the wrong kind, at `where` and the key.
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
        model = _arguments_model(adapter)
    except UserError as error:
        return None, [Problem(place, error.problem, error.fix)]
    checked, problems = check(model, document, path, strict=False)
    if checked is None:
        return None, problems
    values = {key: _resolve(getattr(checked, key), base) for key in checked.model_fields_set}
    return replace(_definition(name, values), base=base, where=document.where(path)), []


def open_dataset(definition: DatasetDefinition, *, data_root: Path | None = None) -> Dataset:
    """Open a data set and set what is declared of it; copies of hub data sets in `data_root` come before the hub.

    Raises:
        Unavailable: the data are not here and cannot be fetched.
        UserError: they are not what the adapter expects.
    """
    constructor = adapter_class(definition.adapter, where=definition.where or definition.name)
    injected = {"base": definition.base, "catalog_name": definition.name, "data_root": data_root}
    accepted = inspect.signature(constructor).parameters
    given = {name: injected[name] for name in INJECTED if name in accepted}
    dataset = constructor(**_with_cluster(definition, accepted), **given)
    dataset.decoding = replace(dataset.decoding, **definition.decoding)
    if definition.shares:
        dataset = DividedDataset(dataset, definition.shares, definition.where or definition.name)
    dataset.info = definition.info
    return dataset


def _with_cluster(definition: DatasetDefinition, accepted: Collection[str]) -> Mapping[str, Any]:
    """Return the adapter's arguments; a cluster is one of its groups, where it is told which columns these are."""
    cluster, groups = definition.info.cluster, definition.arguments.get("groups", ())
    if not cluster or "groups" not in accepted or cluster in groups:
        return definition.arguments
    return {**definition.arguments, "groups": (*groups, cluster)}


def argument_schema(adapter: str) -> dict[str, Any]:
    """Return the JSON schema of a data set's mapping with this adapter, `adapter` and declarations included.

    Raises:
        UserError: no such adapter.
    """
    schema = _arguments_model(adapter).model_json_schema()
    schema["title"] = f"{adapter} data set"
    return schema


def _arguments_model(adapter: str) -> type[BaseModel]:
    """Build the model of a data set's mapping from the signature of its adapter's class."""
    constructor = adapter_class(adapter)
    hints = _hints(constructor, adapter)
    fields: dict[str, Any] = {"adapter": (Literal[adapter], Field(description="Which adapter reads it."))}
    for name, parameter in inspect.signature(constructor).parameters.items():
        if name in INJECTED:
            continue
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            problem = f"{constructor.__qualname__} takes {parameter}, so a suite's keys cannot be checked"
            raise UserError(problem, where=adapter, fix="name its arguments, keyword-only")
        if name in Declarations.model_fields.keys() - {SPLIT} or name.startswith("_"):
            problem = f"{constructor.__qualname__} has an argument {name!r}, which a suite cannot give"
            raise UserError(problem, where=adapter, fix="rename the argument")
        default = ... if parameter.default is parameter.empty else parameter.default
        hint = hints.get(name, Any)
        fields[name] = (hint | Shares if name == SPLIT else hint, default)
    return create_model(f"{constructor.__name__}Arguments", __base__=Declarations, **fields)


def _hints(constructor: type, adapter: str) -> Mapping[str, Any]:
    try:
        return get_type_hints(constructor.__init__)  # type: ignore[misc]
    except NameError as error:
        problem = f"an annotation of {constructor.__qualname__}.__init__ cannot be read ({error})"
        raise UserError(problem, where=adapter, fix="import the name outside TYPE_CHECKING") from error


def _resolve(value: Any, base: Path | None) -> Any:
    if isinstance(value, Path):
        return (base or Path()) / value.expanduser()
    if isinstance(value, list | tuple) and any(isinstance(item, Path) for item in value):
        return type(value)(_resolve(item, base) for item in value)
    return value
