"""Reading the tasks of a suite: settings, the names in them, and jobs that would be the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from clipbench.datasets.base import DatasetDefinition
from clipbench.datasets.catalog import define
from clipbench.documents.marked_yaml import KeyPath, MarkedYaml, render
from clipbench.documents.validation import Problem, check, show, unquoted_fix
from clipbench.errors import UserError, did_you_mean, problem_of
from clipbench.plugins import is_dotted_path
from clipbench.prompts.sets import OWN, read_choice
from clipbench.studies.registry import entry_names, load_entry
from clipbench.tasks.base import SuiteEntry, TaskSettings
from clipbench.tasks.prompts import PromptChoice


class TaskReader:
    """Reads `tasks` of one document; `problems` grows while it does."""

    def __init__(
        self,
        document: MarkedYaml,
        base: Path,
        datasets: Mapping[str, DatasetDefinition],
        broken: set[str],
        *,
        code: bool = True,
    ) -> None:
        self.document = document
        self.base = base
        """The folder that relative paths start from."""
        self.datasets = dict(datasets)
        """Those that tasks may name; those that they name by dotted path are added."""
        self.broken = broken
        """Names of data sets that are wrong themselves; naming one is no second problem."""
        self.code = code
        """Whether classes may be imported that are named by dotted path; else they are passed over."""
        self.problems: list[Problem] = []
        self._jobs: dict[tuple[Any, ...], KeyPath] = {}

    def read(self) -> list[SuiteEntry]:
        """Return every entry that can be read."""
        entries = self.document.value.get("tasks")
        tasks = []
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            path: KeyPath = ("tasks", index)
            try:
                tasks += self._read_entry(entry, path) if isinstance(entry, dict) else []
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - of a plug-in's own settings
                self.problems.append(Problem(path, f"the settings of {entry['task']!r} break: {problem_of(error)}"))
        return tasks

    def _read_entry(self, entry: dict[str, Any], path: KeyPath) -> list[SuiteEntry]:
        if not self.code and is_dotted_path(str(entry.get("task"))):
            return []
        settings = self._settings(entry, path)
        if settings is None:
            return []
        for keys, name in settings.named():
            self.problems += self._dataset_problems(settings, name, self._item((*path, *keys)))
        return [settings]

    def _settings(self, entry: dict[str, Any], path: KeyPath) -> SuiteEntry | None:
        model = self._model(entry, path)
        if model is None:
            return None
        settings, problems = check(model, self.document, path)
        self.problems += problems
        if settings is None:
            return None
        if settings.limit is not None and settings.limit < 1:
            problem = f"a limit of {settings.limit} leaves nothing to evaluate"
            self.problems.append(Problem((*path, "limit"), problem, "give 1 or more"))
        return self._with_prompts(settings, (*path, "prompts"))

    def _model(self, entry: dict[str, Any], path: KeyPath) -> type[SuiteEntry] | None:
        place, names = (*path, "task"), f"one of: {', '.join(entry_names())}"
        name = entry.get("task")
        if "task" not in entry:
            self.problems.append(Problem(path, "the key 'task' is missing", names))
        elif not isinstance(name, str):
            fix = unquoted_fix(self.document, place) or names
            self.problems.append(Problem(place, f"expected a task's name, got {show(name)}", fix))
        else:
            try:
                return load_entry(name).Settings
            except UserError as error:
                self.problems.append(Problem(place, error.problem, error.fix))
        return None

    def _with_prompts(self, settings: SuiteEntry, path: KeyPath) -> SuiteEntry:
        """Return the settings with prompt files read: that their paths start from the suite is known only here."""
        choices = getattr(settings, "prompts", None)
        if not isinstance(choices, tuple):
            return settings
        sets: list[PromptChoice] = []
        for position, choice in enumerate(choices):
            prompts, problems = read_choice(choice, self.base, self.document, self._item((*path, position)))
            self.problems += problems
            sets.append(prompts)
        return settings.model_copy(update={"prompts": tuple(sets)})

    def _dataset_problems(self, settings: SuiteEntry, name: str, place: KeyPath) -> Iterator[Problem]:
        if not self.code and is_dotted_path(name):
            return
        if name not in self.datasets and name not in self.broken and is_dotted_path(name):
            yield from self._define_plugin(name, place)
        if name in self.broken:
            return
        if name not in self.datasets:
            yield Problem(place, f"unknown data set {name!r}", did_you_mean(name, self.datasets))
        elif isinstance(settings, TaskSettings):
            yield from self._repeated(settings, name, place)

    def _repeated(self, settings: TaskSettings, name: str, place: KeyPath) -> Iterator[Problem]:
        for variant in settings.variants():
            job = (settings.task, name, settings.split, settings.limit, self._variant(variant, name))
            first = self._jobs.setdefault(job, place)
            if first != place:
                line = self.document.mark(first).line
                problem = f"the same job as {render(first)} on line {line}"
                yield Problem(place, problem, "delete one, or give them different prompts or limits")
                return

    def _define_plugin(self, name: str, place: KeyPath) -> Iterator[Problem]:
        try:
            self.datasets[name] = define(name, {"adapter": name}, base=self.base, where=self.document.where(place))
        except UserError as error:
            self.broken.add(name)
            yield Problem(place, error.problem, error.fix)

    def _variant(self, settings: TaskSettings, dataset: str) -> str:
        """Return the variant's name in the results: where no prompts are named, those that will be used."""
        uses_default = settings.prompt_choices() == (None,)
        return settings.variant or ((self.datasets[dataset].info.prompts or OWN) if uses_default else "")

    def _item(self, path: KeyPath) -> KeyPath:
        """Return the path of a list's item, or that of a value written without a list."""
        return path if path in self.document.marks else path[:-1]
