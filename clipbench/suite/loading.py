"""Suites: YAML files that say which tasks run on which data sets, read into frozen, validated objects."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbench.datasets.base import DatasetDefinition
from clipbench.datasets.catalog import catalog_definitions
from clipbench.documents.marked_yaml import read_mapping, unmarked
from clipbench.documents.packaged import find_suite
from clipbench.documents.validation import check, refuse
from clipbench.errors import UserError, did_you_mean
from clipbench.suite.reader import EXPECTED, SuiteKeys, read_datasets
from clipbench.suite.tasks import TaskReader
from clipbench.tasks.base import SuiteEntry


@dataclass(frozen=True)
class Suite:
    """What to run: tasks and studies in order, and the definition of each data set that they name."""

    name: str
    description: str
    path: Path
    text: str
    """The file as it was read."""
    datasets: Mapping[str, DatasetDefinition]
    """Of every data set that a task names, from the suite itself or the catalog."""
    tasks: tuple[SuiteEntry, ...]
    studies: tuple[SuiteEntry, ...]
    """The tasks as the file has them, of which analyses are made, however few of them `only` leaves to be run."""
    max_broken: float = 0.01
    """Share of images that may be unreadable before a job fails."""

    @property
    def analyses(self) -> tuple[Mapping[str, Any], ...]:
        """The settings of the analyses that its studies ask for."""
        return tuple(settings for entry in self.studies for settings in entry.analyses())

    def only(self, names: Iterable[str]) -> Suite:
        """Return the suite with just these data sets; a task that uses none of them is left out.

        Raises:
            UserError: the suite uses no data set of that name.
        """
        names = tuple(dict.fromkeys(names))
        for name in names:
            if name not in self.datasets:
                fix = did_you_mean(name, self.datasets)
                raise UserError(f"the suite uses no data set {name!r}", where=str(self.path), fix=fix)
        tasks = tuple(entry for settings in self.tasks if (entry := settings.only(names)) is not None)
        evaluated = {name for entry in tasks for _, name in entry.named()}
        datasets = {name: definition for name, definition in self.datasets.items() if name in evaluated}
        return dataclasses.replace(self, tasks=tasks, datasets=datasets)

    def with_limit(self, limit: int) -> Suite:
        """Return the suite with every task limited to this many examples, whatever its own limit.

        Raises:
            UserError: the limit is less than 1.
        """
        if limit < 1:
            raise UserError(f"a limit of {limit} leaves nothing to evaluate", fix="give 1 or more")
        tasks = tuple(settings.model_copy(update={"limit": limit}) for settings in self.tasks)
        return dataclasses.replace(self, tasks=tasks)


def select(suite: Suite | str | Path | Mapping[str, Any], only: Sequence[str] = (), limit: int | None = None) -> Suite:
    """Return a suite, read if it is not yet, with just some data sets, and every task limited; errors as they raise."""
    suite = suite if isinstance(suite, Suite) else load_suite(suite)
    suite = suite.only(only) if only else suite
    return suite if limit is None else suite.with_limit(limit)


def load_suite(suite: str | Path | Mapping[str, Any], *, code: bool = True) -> Suite:
    """Read and check a suite; data sets are not opened, only their names and arguments are checked.

    Args:
        suite: a YAML file, the name of a packaged suite, or the mapping that such a file would hold, whose paths start
            from the working directory.
        code: import the classes that it names by dotted path; False leaves out the tasks and data sets that they are.

    Raises:
        UserError: there is no such suite, or something in it is wrong; the message names the line, what to
            write instead, and the lines of whatever else is wrong.
    """
    if isinstance(suite, Mapping):
        path = Path("suite")
        document = dataclasses.replace(unmarked(suite, "suite"), text=json.dumps(suite, indent=1, default=str))
    else:
        path = find_suite(suite)
        document = read_mapping(path, EXPECTED)
    keys, problems = check(SuiteKeys, document)
    entries = read_datasets(document, path.parent, problems, code=code)
    definitions = {**catalog_definitions(), **{name: entry for name, entry in entries.items() if entry}}
    broken = {name for name, entry in entries.items() if not entry}
    reader = TaskReader(document, path.parent, definitions, broken, code=code)
    tasks = tuple(reader.read())
    refuse(document, [*problems, *reader.problems])
    assert keys is not None  # without problems there are keys
    names = dict.fromkeys(name for entry in tasks for _, name in entry.named())
    return Suite(
        name=keys.name or path.stem,
        description=keys.description,
        path=path,
        text=document.text,
        datasets={name: reader.datasets[name] for name in names if code or name in reader.datasets},
        tasks=tasks,
        studies=tasks,
        max_broken=keys.max_broken,
    )
