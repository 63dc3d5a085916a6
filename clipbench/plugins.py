"""Classes named by dotted path or by an installed package's entry point."""

from __future__ import annotations

import importlib
import os
import sys
from importlib.metadata import entry_points
from typing import Any, Literal

from clipbench.errors import UserError

Group = Literal["clipbench.models", "clipbench.datasets", "clipbench.tasks"]


def plugin_paths(group: Group) -> dict[str, str]:
    """Return the names that installed packages add to a group, each with its dotted path; imports nothing."""
    return {point.name: point.value for point in entry_points(group=group)}


def is_dotted_path(name: str) -> bool:
    """Say whether a name has the form `package.module:Name`."""
    module, colon, attribute = name.partition(":")
    return bool(colon) and attribute.isidentifier() and all(part.isidentifier() for part in module.split("."))


def load_object(dotted: str, *, where: str | None = None) -> Any:
    """Import `package.module:Name` and return it; modules in the working directory are found too.

    Raises:
        UserError: no such module or name, or the module fails to import.
    """
    module_name, _, attribute = dotted.partition(":")
    if os.getcwd() not in sys.path:  # noqa: PTH109 - sys.path holds strings
        sys.path.append(os.getcwd())  # noqa: PTH109
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        fix = "check the name, and that its package is installed or lies in the working directory"
        raise UserError(f"cannot import {module_name!r} ({error})", where=where, fix=fix) from error
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise UserError(f"module {module_name!r} has no {attribute!r}", where=where, fix="check the name") from None
