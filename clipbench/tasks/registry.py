"""The tasks by name."""

from __future__ import annotations

from typing import Any, Literal, cast

from clipbench.plugins import Registry
from clipbench.tasks.base import Task

TASKS = {
    "zero_shot": "clipbench.tasks.classify.zero_shot:ZeroShot",
    "linear_probe": "clipbench.tasks.probe.linear_probe:LinearProbe",
    "few_shot": "clipbench.tasks.probe.few_shot:FewShot",
    "knn": "clipbench.tasks.probe.knn:Knn",
    "wise_ft": "clipbench.tasks.probe.wise_ft:WiseFt",
    "prompt_sensitivity": "clipbench.tasks.prompt_sensitivity.prompt_sensitivity:PromptSensitivity",
    "retrieval": "clipbench.tasks.retrieval.retrieval:Retrieval",
    "pairing": "clipbench.tasks.retrieval.pairing:Pairing",
}
"""In the order in which a page shows them; those of plug-ins follow."""

Head = Literal["zero_shot", "linear_probe", "knn", "wise_ft"]
"""Tasks whose one classifier is right or wrong about each image."""

_REGISTRY = Registry("task", "clipbench.tasks", TASKS, ("name", "protocol", "Settings", "needs", "evaluate"))


def task_names() -> tuple[str, ...]:
    """Return the names of all tasks, those of installed packages included; imports none of them."""
    return _REGISTRY.names()


def load_task(name: str, *, where: str | None = None) -> Task[Any]:
    """Import a task by its name or by its class's dotted path, and make it; `where` names the place in messages."""
    return cast(Task[Any], _REGISTRY.load(name, where=where))
