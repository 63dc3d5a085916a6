"""Classes by name: what is built in, what installed packages add by entry point, and dotted paths."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Literal

from clipbench.errors import UnknownName, UserError, did_you_mean, problem_of

Group = Literal["clipbench.models", "clipbench.datasets", "clipbench.tasks", "clipbench.analyses", "clipbench.sections"]

NO_CODE = "CLIPBENCH_NO_CODE"
"""The environment variable that forbids code which is named by its dotted path; installed packages are not meant."""


@dataclass(frozen=True)
class Registry:
    """The classes of one kind by name; a class's module is imported when it is asked for."""

    kind: str
    """For messages: 'task'."""
    group: Group
    """The entry points by which installed packages add to it; they cannot take over a built-in name."""
    builtin: Mapping[str, str]
    """Name -> 'package.module:Class'."""
    members: Sequence[str]
    """What a class of this kind has; named in the message about one that lacks some."""

    def paths(self) -> dict[str, str]:
        """Return dotted paths by name; imports nothing."""
        return {**plugin_paths(self.group), **self.builtin}

    def names(self) -> tuple[str, ...]:
        """Return all names in alphabetical order; imports nothing."""
        return tuple(sorted(self.paths()))

    def load(self, name: str, *, where: str | None = None) -> Any:
        """Import the class of this name, or of this dotted path, and make one.

        Args:
            name: one of `names`, or `package.module:Class`.
            where: the place that names it, for messages.

        Raises:
            UserError: there is none of that name, or the class is not of this kind.
        """
        # Built-in names first: to look for others reads the metadata of every installed package.
        path = self.builtin.get(name) or self.paths().get(name) or (name if is_dotted_path(name) else None)
        if path is None:
            raise UnknownName(f"unknown {self.kind} {name!r}", where=where, fix=did_you_mean(name, self.paths()))
        cls = load_object(path, where=where) if path != name else load_code(path, where=where)
        lacking = [member for member in self.members if not hasattr(cls, member)]
        if lacking:
            fix = f"see clipbench.extend.{self.kind.capitalize()} for what it has"
            raise UserError(f"{path!r} is not a {self.kind}: it lacks {', '.join(lacking)}", where=where, fix=fix)
        return cls()


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
        UnknownName: no such module or name, or the module fails to import, for whatever reason.
    """
    module_name, _, attribute = dotted.partition(":")
    if os.getcwd() not in sys.path:  # noqa: PTH109 - sys.path holds strings
        sys.path.append(os.getcwd())  # noqa: PTH109
    try:
        module = importlib.import_module(module_name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # A module may raise anything while it is imported, or try to end the program.
        missing = isinstance(error, ImportError)
        fix = "check the name, and that its package is installed or lies in the working directory"
        problem = f"cannot import {module_name!r} ({error if missing else problem_of(error)})"
        raise UnknownName(problem, where=where, fix=fix if missing else "mend the module") from error
    try:
        return getattr(module, attribute)
    except AttributeError:
        fix = did_you_mean(attribute, [name for name in vars(module) if not name.startswith("_")])
        raise UnknownName(f"module {module_name!r} has no {attribute!r}", where=where, fix=fix) from None


def load_code(dotted: str, *, where: str | None = None) -> Any:
    """Import what a suite or a command line names by dotted path, as `load_object` does.

    Raises:
        UnknownName: as for `load_object`, or CLIPBENCH_NO_CODE is set, so that no such code may run.
    """
    if os.environ.get(NO_CODE, "0") not in {"", "0"}:
        fix = f"leave out --no-code (or {NO_CODE}) if you trust it"
        raise UnknownName(f"{dotted!r} is code, which is refused", where=where, fix=fix)
    return load_object(dotted, where=where)


def code_file(dotted: str) -> str:
    """Return the file of the module that a dotted path names, once it is imported; '' where it has none."""
    return str(getattr(sys.modules.get(dotted.partition(":")[0]), "__file__", None) or "")
