"""The keys that a suite may write for a data set: the arguments of its adapter's class, and declarations."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from clipbench.errors import UserError

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


def arguments_model(adapter: str, constructor: type) -> type[BaseModel]:
    """Build the model of a data set's mapping from the signature of its adapter's class.

    Args:
        adapter: what the suite calls it.
        constructor: the class.

    Raises:
        UserError: the signature has `*args`, `**kwargs` or the name of a declaration.
    """
    hints = _hints(constructor, adapter)
    fields: dict[str, Any] = {"adapter": (Literal[adapter], Field(description="Which adapter reads it."))}
    for name, parameter in list(inspect.signature(constructor).parameters.items()):
        if name in INJECTED:
            continue
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            problem = f"{constructor.__qualname__} takes {parameter}, so a suite's keys cannot be checked"
            raise UserError(problem, where=adapter, fix="name its arguments, keyword-only")
        if name in Declarations.model_fields or name.startswith("_"):
            problem = f"{constructor.__qualname__} has an argument {name!r}, which a suite cannot give"
            raise UserError(problem, where=adapter, fix="rename the argument")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (hints.get(name, Any), default)
    return create_model(f"{constructor.__name__}Arguments", __base__=Declarations, **fields)


def _hints(constructor: type, adapter: str) -> Mapping[str, Any]:
    try:
        return get_type_hints(constructor.__init__)  # type: ignore[misc]
    except NameError as error:
        problem = f"an annotation of {constructor.__qualname__}.__init__ cannot be read ({error})"
        raise UserError(problem, where=adapter, fix="import the name outside TYPE_CHECKING") from error


def split_arguments(checked: BaseModel, base: Path | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arguments that a data set's mapping gives, relative paths joined to `base`, and its declarations."""
    values = {name: getattr(checked, name) for name in checked.model_fields_set if name != "adapter"}
    arguments = {name: _resolve(value, base) for name, value in values.items() if name not in Declarations.model_fields}
    return arguments, {name: value for name, value in values.items() if name in Declarations.model_fields}


def _resolve(value: Any, base: Path | None) -> Any:
    if isinstance(value, Path):
        return (base or Path()) / value.expanduser()
    if isinstance(value, list | tuple) and any(isinstance(item, Path) for item in value):
        return type(value)(_resolve(item, base) for item in value)
    return value
