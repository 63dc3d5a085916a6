"""What an entry of a suite's `tasks` can be: a task or a study; its module is imported when it is asked for."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Protocol, cast

from clipbench.errors import UserError, did_you_mean
from clipbench.plugins import is_dotted_path, load_object
from clipbench.tasks.registry import load_task, task_names

if TYPE_CHECKING:
    from clipbench.tasks.base import SuiteEntry

STUDIES = MappingProxyType(
    {
        "corruptions": "clipbench.studies.corruptions:Corruptions",
        "heads": "clipbench.studies.heads:Heads",
        "robustness": "clipbench.studies.robustness:Robustness",
    }
)
"""The studies, each with its class; a plug-in cannot take one of these names."""


class Entry(Protocol):
    """What tasks and studies have in common."""

    name: ClassVar[str]
    protocol: ClassVar[int]
    Settings: ClassVar[type[SuiteEntry]]


def entry_names() -> tuple[str, ...]:
    """Return the names that `task:` may have, those of installed packages included; imports none of them."""
    return tuple(sorted({*task_names(), *STUDIES}))


def load_entry(name: str, *, where: str | None = None) -> Entry:
    """Import a task or a study and make it.

    Args:
        name: one of `entry_names`, or the dotted path of a task's class.
        where: the place that names it, for messages.

    Raises:
        UserError: there is nothing of that name, or the class is no task.
    """
    if name in STUDIES:
        return cast(Entry, load_object(STUDIES[name], where=where)())
    if name not in task_names() and not is_dotted_path(name):
        raise UserError(f"unknown task {name!r}", where=where, fix=did_you_mean(name, entry_names()))
    return cast(Entry, load_task(name, where=where))
