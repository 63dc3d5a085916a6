"""Jobs: one model on one data set with one task setting."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from clipbench.datasets.base import Dataset, DatasetDefinition, Split, View
from clipbench.datasets.catalog import open_dataset
from clipbench.datasets.classes.matching import ClassMatch, match_classes
from clipbench.embed.opened import OpenedModel
from clipbench.errors import UserError
from clipbench.models.base import ModelInfo
from clipbench.prompts.filling import prompts_for
from clipbench.tasks.base import DatasetFacts, Needs, Task, TaskSettings
from clipbench.tasks.prompt_choice import PromptChoice
from clipbench.tasks.prompted import PromptedClasses
from clipbench.tasks.registry import load_task
from clipbench.tasks.work import Matching, Work

if TYPE_CHECKING:
    from clipbench.suite.loading import Suite


@dataclass(frozen=True)
class Job:
    """One model, one data set, one task setting."""

    model: OpenedModel
    definition: DatasetDefinition
    settings: TaskSettings
    view: View | None = None
    """A change that the images are seen through."""
    matching: Matching | None = None
    """Which other set's classes it is cut down to."""
    other: DatasetDefinition | None = None
    """That other set, where there is a matching."""
    trained_on: DatasetDefinition | None = None
    """The set that splits beside the evaluated one are taken from; None: the evaluated one itself."""

    @property
    def label(self) -> str:
        """For people: 'clip-tiny · digits · zero_shot · photo'."""
        return " · ".join(part for part in (self.measured, self.view_name) if part)

    @property
    def measured(self) -> str:
        """The label without the view."""
        beside = f"{self.definition.name} beside {self.other.name}" if self.other else self.definition.name
        parts = (self.model.name, beside, self.settings.task, self.settings.variant)
        return " · ".join(part for part in parts if part)

    @property
    def view_name(self) -> str:
        """The view's name; '' for none."""
        return self.view.name if self.view else ""

    @property
    def view_fingerprint(self) -> str:
        """Digest of all that the view changes; '' for none."""
        return self.view.fingerprint() if self.view else ""


class OpenedDatasets:
    """The data sets of a run, each opened once."""

    def __init__(self, data_root: Path | None) -> None:
        self.data_root = data_root
        self._opened: dict[str, Dataset] = {}
        self._prompts: dict[Hashable, PromptedClasses] = {}

    def open(self, definition: DatasetDefinition) -> Dataset:
        """Open a data set, or return it if it is open.

        Raises:
            UserError: it is missing, or not what it should be.
        """
        if definition.name not in self._opened:
            self._opened[definition.name] = open_dataset(definition, data_root=self.data_root)
        return self._opened[definition.name]

    def prompts(
        self, choice: PromptChoice | None, definition: DatasetDefinition, classes: tuple[str, ...] | None = None
    ) -> PromptedClasses:
        """Fill a prompt choice as `prompts_for` does; the strings of several jobs are made once."""
        chosen = choice if choice is None or isinstance(choice, str) else choice.model_dump_json()
        key = (chosen, definition.name, classes)
        if key not in self._prompts:
            self._prompts[key] = prompts_for(choice, dataset=self.open(definition), classes=classes)
        return self._prompts[key]


@dataclass(frozen=True)
class Source:
    """A data set that splits are read from, and what is kept of it."""

    definition: DatasetDefinition
    dataset: Dataset
    cut: Mapping[int, int] | None = None
    """Class of the data set -> class of the job, where it is cut down to some; None: all, as they are."""


@dataclass(frozen=True)
class PreparedJob:
    """A job with its data sets opened and its prompts filled; nothing is embedded yet."""

    job: Job
    tested: Source
    """Of the evaluated split."""
    trained: Source
    """Of the other splits: the same, unless a head is fitted on one data set and tested on another."""
    task: Task
    prompts: PromptedClasses | None
    facts: DatasetFacts
    needs: Needs
    match: ClassMatch | None = None
    """The classes it shares with another set, where it is set beside one."""

    def source(self, split: str) -> Source:
        """Return the data set that a split is read from."""
        return self.tested if split == self.job.settings.split else self.trained

    def split(self, name: str) -> Split:
        """Return a split.

        Raises:
            UserError: there is none of that name.
        """
        return self.source(name).dataset.split(name)

    @property
    def dataset(self) -> Dataset:
        """The data set that is evaluated."""
        return self.tested.dataset

    @property
    def matched(self) -> str:
        """The set whose classes it is cut down to; '' where it has all its classes."""
        return self.job.other.name if self.job.other and self.tested.cut is not None else ""

    @property
    def trained_on(self) -> str:
        """The data set that a head is fitted on, where it is another one; '' where it is this one, or nothing is."""
        return self.trained.definition.name if self.trained is not self.tested else ""

    @property
    def sameness(self) -> Hashable:
        """Equal for jobs that come to the same, as those of two matched sets with all their classes do."""
        settings = self.job.settings.model_dump_json(exclude={"prompts"})
        cut = None if self.tested.cut is None else tuple(sorted(self.tested.cut.items()))
        strings = self.prompts.strings if self.prompts else ()
        structure = self.prompts.structure if self.prompts and self.needs.templates else ()
        what = (self.job.model.name, self.job.definition.name, self.trained_on, settings, self.job.view_fingerprint)
        return (*what, self.variant, self.facts.classes, cut, strings, structure)

    @property
    def variant(self) -> str:
        """What tells it from the other jobs of the same task on this data set."""
        return self.job.settings.variant or (self.prompts.name if self.prompts else "")

    def count(self, split: str, read: int | None) -> int | None:
        """Return how many images of a split the job uses, as far as that is known.

        Args:
            split: its name.
            read: how many it was found to have when it was read, or None.
        """
        known = read if read is not None else self.split(split).count
        count = self.source(split).definition.counts.get(split) if known is None else known
        limit = self.job.settings.limit
        return count if count is None or limit is None else min(count, limit)


def list_jobs(suite: Suite, models: Sequence[OpenedModel]) -> tuple[Job, ...]:
    """Return the jobs of a suite: for each model, in the suite's order."""
    distinct: list[Work] = []
    for entry in suite.tasks:
        distinct += [work for work in entry.work() if work not in distinct]
    return tuple(_job(model, work, suite.datasets) for model in models for work in distinct)


def _job(model: OpenedModel, work: Work, datasets: Mapping[str, DatasetDefinition]) -> Job:
    matching = work.matching
    other = None
    if matching is not None:
        other = datasets[matching.shift if work.dataset == matching.reference else matching.reference]
    trained_on = datasets[work.trained_on] if work.trained_on else None
    return Job(model, datasets[work.dataset], work.settings, work.view, matching, other, trained_on)


def prepare(job: Job, datasets: OpenedDatasets, info: ModelInfo) -> PreparedJob:
    """Open a job's data set and fill its prompts.

    Args:
        job: what to prepare.
        datasets: where data sets are opened.
        info: of the job's model, or what can be said of it before it is fetched.

    Raises:
        UserError: the data set is missing, or the task cannot be done on it or with this model.
    """
    dataset = datasets.open(job.definition)
    task = load_task(job.settings.task)
    match = _match(job, dataset, datasets)
    tested, trained = _sources(job, dataset, datasets, match)
    classes = tuple(dataset.classes) if match is None or tested.cut is None else match.names
    prompts = _prompts(job, datasets, classes)
    facts = DatasetFacts(
        name=job.definition.name,
        classes=classes,
        multilabel=dataset.multilabel,
        splits=tuple(dict.fromkeys((*trained.dataset.splits, *dataset.splits))),
        regime=dataset.info.regime,
        main_metric=dataset.info.main_metric,
    )
    needs = task.needs(job.settings, facts, info, prompts)
    lacking = [name for name in needs.features if name not in info.features]
    if lacking:
        fix = f"it gives: {', '.join(info.features)}"
        raise UserError(f"{task.name} needs {' and '.join(lacking)} features", where=info.name, fix=fix)
    return PreparedJob(job, tested, trained, task, prompts, facts, needs, match)


def as_plain(job: Job, datasets: OpenedDatasets) -> Job:
    """Return a job beside another set as a job on its own, if it keeps all its classes; so failures are told once."""
    if job.other is None or job.trained_on is not None:
        return job
    try:
        dataset = datasets.open(job.definition)
        tested, _ = _sources(job, dataset, datasets, _match(job, dataset, datasets))
    except UserError:
        return job
    return replace(job, matching=None, other=None) if tested.cut is None else job


def _match(job: Job, dataset: Dataset, datasets: OpenedDatasets) -> ClassMatch | None:
    """Return the classes shared with the other set."""
    matching = job.matching
    if matching is None or job.other is None:
        return None
    if dataset.multilabel:
        fix = "take sets with one label an image"
        raise UserError("images with several labels cannot be matched by class", where=job.definition.name, fix=fix)
    other = datasets.open(job.other)
    is_reference = job.definition.name == matching.reference
    reference, shift = (dataset, other) if is_reference else (other, dataset)
    where = f"{matching.shift} against {matching.reference}"
    return match_classes(reference.classes, shift.classes, matching.table, where=where)


def _sources(job: Job, dataset: Dataset, datasets: OpenedDatasets, match: ClassMatch | None) -> tuple[Source, Source]:
    """Return what is tested on and what is trained on, each cut down to the classes that both have."""
    if match is None or job.matching is None:
        tested = Source(job.definition, dataset)
        return tested, tested
    is_reference = job.definition.name == job.matching.reference
    tested = _cut(Source(job.definition, dataset, match.of_reference if is_reference else match.of_shift), match)
    if job.trained_on is None or job.trained_on == job.definition:
        return tested, tested
    return tested, _cut(Source(job.trained_on, datasets.open(job.trained_on), match.of_reference), match)


def _cut(source: Source, match: ClassMatch) -> Source:
    """Leave out a cut that keeps every class where it is."""
    kept = source.cut or {}
    same = tuple(source.dataset.classes) == match.names and all(at == to for at, to in kept.items())
    return replace(source, cut=None) if same else source


def _prompts(job: Job, datasets: OpenedDatasets, classes: tuple[str, ...]) -> PromptedClasses | None:
    """Fill the job's prompts: of two sets side by side, both get what the reference has, with the same names."""
    choices = job.settings.prompt_choices()
    if not choices:
        return None
    matching = job.matching
    if matching is None or job.other is None:
        return datasets.prompts(choices[0], job.definition)
    is_reference = job.definition.name == matching.reference
    shared = datasets.prompts(choices[0], job.definition if is_reference else job.other, classes)
    if choices[0] is not None or is_reference:
        return shared
    dataset = datasets.open(job.definition)
    own = datasets.prompts(None, job.definition) if dataset.templates or dataset.info.prompts else None
    if own is not None and own.strings == shared.strings:
        return own
    return replace(shared, name=f"those of {matching.reference}")
