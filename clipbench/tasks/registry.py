"""The tasks by name; a task's module is imported when the task is asked for."""

from __future__ import annotations

from typing import cast

from clipbench.errors import UserError, did_you_mean
from clipbench.plugins import is_dotted_path, load_object, plugin_paths
from clipbench.tasks.base import Task

TASKS = {
    "few_shot": "clipbench.tasks.probe.few_shot:FewShot",
    "knn": "clipbench.tasks.probe.knn:Knn",
    "linear_probe": "clipbench.tasks.probe.linear_probe:LinearProbe",
    "prompt_sensitivity": "clipbench.tasks.prompt_sensitivity.prompt_sensitivity:PromptSensitivity",
    "retrieval": "clipbench.tasks.retrieval.retrieval:Retrieval",
    "wise_ft": "clipbench.tasks.probe.wise_ft:WiseFt",
    "zero_shot": "clipbench.tasks.classify.zero_shot:ZeroShot",
}


def task_names() -> tuple[str, ...]:
    """Return the names of all tasks, those of installed packages included; imports none of them."""
    return tuple(sorted(_paths()))


def load_task(name: str, *, where: str | None = None) -> Task:
    """Import a task and make it.

    Args:
        name: one of `task_names`, or the dotted path of a class, `package.module:Name`.
        where: the place that names it, for messages.

    Raises:
        UserError: there is no such task, or the class is not one.
    """
    path = _paths().get(name) or (name if is_dotted_path(name) else None)
    if path is None:
        raise UserError(f"unknown task {name!r}", where=where, fix=did_you_mean(name, _paths()))
    cls = load_object(path, where=where)
    lacking = [part for part in ("name", "protocol", "Settings", "needs", "evaluate") if not hasattr(cls, part)]
    if lacking:
        fix = "see clipbench.extend.Task for what a task has"
        raise UserError(f"{path!r} is not a task: it lacks {', '.join(lacking)}", where=where, fix=fix)
    return cast(Task, cls())


def _paths() -> dict[str, str]:
    """Return dotted paths by name; clipbench's own names cannot be taken over."""
    return plugin_paths("clipbench.tasks") | TASKS
