"""Suites: YAML files that say which tasks run on which data sets, read into frozen, validated objects."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from clipbench.datasets.base import DatasetDefinition
from clipbench.errors import UserError, did_you_mean
from clipbench.marked_yaml import read_mapping
from clipbench.packaged import find_suite
from clipbench.suite_reader import EXPECTED, read_suite
from clipbench.tasks.base import TaskSettings


@dataclass(frozen=True)
class Suite:
    """What to run: task settings in order, and the definition of each data set that they name."""

    name: str
    description: str
    path: Path
    text: str
    """The file as it was read."""
    datasets: Mapping[str, DatasetDefinition]
    """Of every data set that a task names, from the suite itself or the catalog."""
    tasks: tuple[TaskSettings, ...]
    max_broken: float = 0.01
    """Share of images that may be unreadable before a job fails."""

    def only(self, names: Iterable[str]) -> Suite:
        """Return the suite with just these data sets; a task that uses none of them is left out.

        Raises:
            UserError: the suite uses no data set of that name.
        """
        wanted = tuple(dict.fromkeys(names))
        for name in wanted:
            if name not in self.datasets:
                fix = did_you_mean(name, self.datasets)
                raise UserError(f"the suite uses no data set {name!r}", where=str(self.path), fix=fix)
        kept = [
            settings.model_copy(update={"datasets": tuple(name for name in settings.datasets if name in wanted)})
            for settings in self.tasks
        ]
        datasets = {name: definition for name, definition in self.datasets.items() if name in wanted}
        return dataclasses.replace(self, tasks=tuple(task for task in kept if task.datasets), datasets=datasets)

    def with_limit(self, limit: int) -> Suite:
        """Return the suite with every task limited to this many examples, whatever its own limit.

        Raises:
            UserError: the limit is less than 1.
        """
        if limit < 1:
            raise UserError(f"a limit of {limit} leaves nothing to evaluate", fix="give 1 or more")
        tasks = tuple(settings.model_copy(update={"limit": limit}) for settings in self.tasks)
        return dataclasses.replace(self, tasks=tasks)


def load_suite(name_or_path: str | Path) -> Suite:
    """Read and check a suite; data sets are not opened, only their names and arguments are checked.

    Args:
        name_or_path: a YAML file, or the name of a packaged suite.

    Raises:
        UserError: there is no such suite, or something in it is wrong; the message names the line, what to
            write instead, and the lines of whatever else is wrong.
    """
    path = find_suite(name_or_path)
    document = read_mapping(path, EXPECTED)
    content = read_suite(document, path.parent)
    return Suite(
        name=content.keys.name or path.stem,
        description=content.keys.description,
        path=path,
        text=document.text,
        datasets=content.datasets,
        tasks=content.tasks,
        max_broken=content.keys.max_broken,
    )
