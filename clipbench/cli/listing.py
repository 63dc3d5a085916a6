"""What can be named: models, data sets, suites, prompt sets, tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from clipbench.prompts.sets import PromptSet

What = Literal["models", "datasets", "suites", "prompts", "tasks"]
Rows = tuple[tuple[str, ...], Sequence[tuple[str, ...]]]


def rows_of(what: What) -> Rows:
    """Return the columns and rows of a listing; imports nothing heavy."""
    listings: dict[What, Callable[[], Rows]] = {
        "models": _models,
        "datasets": _datasets,
        "suites": _suites,
        "prompts": _prompts,
        "tasks": _tasks,
    }
    return listings[what]()


def _models() -> Rows:
    from clipbench.models.catalog import model_names

    rows = [
        (alias, entry.adapter, "/".join(part for part in (entry.architecture, entry.tag) if part), entry.description)
        for alias, entry in model_names().items()
    ]
    return ("name", "adapter", "model", "description"), rows


def _datasets() -> Rows:
    from clipbench.datasets.catalog import catalog_definitions

    rows = [
        (
            name,
            entry.info.regime,
            f"{entry.counts['test']:,}" if "test" in entry.counts else "?",
            entry.info.description,
        )
        for name, entry in catalog_definitions().items()
    ]
    return ("name", "regime", "test images", "description"), rows


def _suites() -> Rows:
    from clipbench.documents.packaged import suite_names
    from clipbench.suite.loading import load_suite

    suites = [(name, load_suite(name)) for name in suite_names()]
    return ("name", "data sets", "description"), [
        (name, str(len(suite.datasets)), " ".join(suite.description.split())) for name, suite in suites
    ]


def _prompts() -> Rows:
    from clipbench.prompts.sets import load_prompt_set, prompt_set_names

    sets = [load_prompt_set(name) for name in prompt_set_names()]
    return ("name", "templates", "source"), [(entry.name, _size(entry), entry.source) for entry in sets]


def _size(prompts: PromptSet) -> str:
    """Return how many templates a set has that are averaged, translated ones included."""
    templates = len(prompts.templates) + sum(len(entry.templates) for entry in prompts.translations.values())
    return str(templates or ("descriptions" if prompts.descriptions else "at run time"))


def _tasks() -> Rows:
    from clipbench.studies.registry import entry_names, load_entry

    tasks = [load_entry(name) for name in entry_names()]
    return ("name", "protocol", "description"), [
        (task.name, str(task.protocol), str(task.Settings.model_fields["task"].description or "")) for task in tasks
    ]
