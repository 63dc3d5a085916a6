"""The keys that a suite may write for a data set: the arguments of its adapter's class, and declarations."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import ErrorDetails

from clipbench.errors import UserError, did_you_mean

INJECTED = ("base", "catalog_name", "data_root")
"""Arguments that an adapter may have and that are no keys: they are given when the data set is opened."""


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


def arguments_model(adapter: str, constructor: type, *, where: str = "") -> type[BaseModel]:
    """Build the model of a data set's mapping from the signature of its adapter's class.

    Args:
        adapter: what the suite calls it.
        constructor: the class.
        where: file and line, for messages.

    Raises:
        UserError: the signature has `*args`, `**kwargs` or the name of a declaration.
    """
    hints = _hints(constructor, where or adapter)
    fields: dict[str, Any] = {"adapter": (Literal[adapter], Field(description="Which adapter reads it."))}
    for name, parameter in list(inspect.signature(constructor).parameters.items()):
        if name in INJECTED:
            continue
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            problem = f"{constructor.__qualname__} takes {parameter}, so a suite's keys cannot be checked"
            raise UserError(problem, where=where or adapter, fix="name its arguments, keyword-only")
        if name in Declarations.model_fields or name.startswith("_"):
            problem = f"{constructor.__qualname__} has an argument {name!r}, which a suite cannot give"
            raise UserError(problem, where=where or adapter, fix="rename the argument")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (hints.get(name, Any), default)
    return create_model(f"{constructor.__name__}Arguments", __base__=Declarations, **fields)


def _hints(constructor: type, where: str) -> Mapping[str, Any]:
    try:
        return get_type_hints(constructor.__init__)  # type: ignore[misc]
    except NameError as error:
        problem = f"an annotation of {constructor.__qualname__}.__init__ cannot be read ({error})"
        raise UserError(problem, where=where, fix="import the name outside TYPE_CHECKING") from error


def check_arguments(
    model: type[BaseModel], mapping: Mapping[str, Any], *, base: Path | None, where: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Check a data set's mapping.

    Returns:
        The arguments that it gives, relative paths joined to `base`, and its declarations.

    Raises:
        UserError: an unknown or missing key, or a value of the wrong kind; the place is `where.key`.
    """
    try:
        checked = model.model_validate(dict(mapping))
    except ValidationError as error:
        raise _explain(model, error.errors(include_url=False)[0], where) from None
    given = {name: getattr(checked, name) for name in checked.model_fields_set}
    arguments = {name: _resolve(value, base) for name, value in given.items() if name not in Declarations.model_fields}
    declared = {name: value for name, value in given.items() if name in Declarations.model_fields}
    return arguments, {name: value for name, value in declared.items() if name != "adapter"}


def _resolve(value: Any, base: Path | None) -> Any:
    if isinstance(value, Path):
        return (base or Path()) / value.expanduser()
    if isinstance(value, list | tuple) and any(isinstance(item, Path) for item in value):
        return type(value)(_resolve(item, base) for item in value)
    return value


def _explain(model: type[BaseModel], details: ErrorDetails, where: str) -> UserError:
    key = str(details["loc"][0]) if details["loc"] else ""
    place = f"{where}.{key}" if where and key else key or where
    if details["type"] == "extra_forbidden":
        return UserError("unknown key", where=place, fix=did_you_mean(key, model.model_fields))
    annotation = model.model_fields[key].annotation if key in model.model_fields else Any
    if details["type"] == "missing":
        return UserError("is missing", where=place, fix=f"give {_readable(annotation)}")
    value = details["input"]
    fix = (
        did_you_mean(value, map(str, get_args(annotation)))
        if isinstance(value, str) and _is_choice(annotation)
        else None
    )
    return UserError(f"should be {_readable(annotation)}, not {value!r}", where=place, fix=fix)


def _is_choice(annotation: Any) -> bool:
    return get_origin(annotation) is Literal


_PLAIN = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path",
    NoneType: "nothing",
}


def _readable(annotation: Any) -> str:
    """Say in words what kind of value an annotation asks for."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if origin is Annotated:
        return _readable(parts[0])
    if origin in (Union, UnionType):
        return " or ".join(_readable(part) for part in parts if part is not NoneType)
    if origin is Literal:
        return " or ".join(repr(part) for part in parts)
    if origin is not None and issubclass(origin, Mapping):
        return "a mapping"
    if origin is not None and issubclass(origin, Sequence):
        return f"a list ({_readable(parts[0])} each)" if parts else "a list"
    return "a value" if annotation is Any else str(getattr(annotation, "__name__", annotation))
