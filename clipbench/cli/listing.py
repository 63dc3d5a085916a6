"""What can be named: models, data sets, suites, prompt sets, tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

What = Literal["models", "datasets", "suites", "prompts", "tasks"]
Rows = tuple[tuple[str, ...], Sequence[tuple[str, ...]]]


def _models() -> Rows:
    from clipbench.models.catalog import model_names

    rows = [
        (alias, entry.adapter, "/".join(part for part in (entry.architecture, entry.tag) if part), entry.description)
        for alias, entry in model_names().items()
    ]
    return ("name", "adapter", "model", "description"), rows


def _datasets() -> Rows:
    from clipbench.datasets.catalog import catalog_definitions

    rows = []
    for name, entry in catalog_definitions().items():
        count = f"{entry.counts['test']:,}" if "test" in entry.counts else "?"
        rows.append((name, entry.info.regime, count, entry.info.description))
    return ("name", "regime", "test images", "description"), rows


def _suites() -> Rows:
    from clipbench.documents.packaged import packaged_files
    from clipbench.suite.loading import load_suite

    suites = {name: load_suite(name) for name in packaged_files("suites")}
    rows = [(name, str(len(suite.datasets)), " ".join(suite.description.split())) for name, suite in suites.items()]
    return ("name", "data sets", "description"), rows


def _prompts() -> Rows:
    from clipbench.prompts.sets import load_prompt_set, prompt_set_names

    rows = []
    for entry in map(load_prompt_set, prompt_set_names()):
        averaged = len(entry.templates) + sum(len(translated.templates) for translated in entry.translations.values())
        size = str(averaged or ("descriptions" if entry.descriptions else "at run time"))
        rows.append((entry.name, size, entry.source))
    return ("name", "templates", "source"), rows


def _tasks() -> Rows:
    from clipbench.studies.registry import entry_names, load_entry

    rows = [
        (task.name, str(task.protocol), str(task.Settings.model_fields["task"].description or ""))
        for task in map(load_entry, entry_names())
    ]
    return ("name", "protocol", "description"), rows


LISTINGS: dict[What, Callable[[], Rows]] = {
    "models": _models,
    "datasets": _datasets,
    "suites": _suites,
    "prompts": _prompts,
    "tasks": _tasks,
}
"""What returns the columns and rows of each listing; it imports nothing heavy."""
