"""Jobs made ready: their data sets opened, classes matched and prompts filled, each once for the plan and the run."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbench.datasets.base import Dataset, DatasetDefinition, Split, View
from clipbench.datasets.catalog import open_dataset
from clipbench.datasets.classes.matching import ClassMatch, match_classes
from clipbench.embed.image_set import SplitReader
from clipbench.errors import UserError
from clipbench.prompts.filling import prompts_for
from clipbench.tasks.base import DatasetFacts, Needs, Task, TaskSettings
from clipbench.tasks.job import Job
from clipbench.tasks.prompts import PromptChoice, PromptedClasses
from clipbench.tasks.registry import load_task

if TYPE_CHECKING:
    from clipbench.embed.examples import DataIndex
    from clipbench.embed.opened import OpenedModel
    from clipbench.models.base import ModelInfo
    from clipbench.suite.loading import Suite
    from clipbench.tasks.base import SuiteEntry


class OpenedDatasets:
    """The data sets of a run by name, each opened once."""

    def __init__(self, definitions: Mapping[str, DatasetDefinition], data_root: Path | None) -> None:
        self.definitions = definitions
        self.data_root = data_root
        self._opened: dict[str, Dataset | BaseException] = {}
        self._prompts: dict[Hashable, PromptedClasses] = {}

    def open(self, name: str) -> Dataset:
        """Open a data set, or return it if it is open; one that could not be opened is not tried again."""
        if name not in self._opened:
            try:
                self._opened[name] = open_dataset(self.definitions[name], data_root=self.data_root)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - raised below, for this job and the next that needs it
                self._opened[name] = error
        opened = self._opened[name]
        if isinstance(opened, BaseException):
            raise opened
        return opened

    def source(self, name: str, classes: Mapping[int, int] | None = None) -> Source:
        """Return an open data set, cut down to `classes` where they are given."""
        return Source(self.definitions[name], self.open(name), classes)

    def prompts(
        self, choice: PromptChoice | None, name: str, classes: tuple[str, ...] | None = None
    ) -> PromptedClasses:
        """Fill a prompt choice as `prompts_for` does; the strings of several jobs are made once."""
        chosen = choice if choice is None or isinstance(choice, str) else choice.model_dump_json()
        key = (chosen, name, classes)
        if key not in self._prompts:
            self._prompts[key] = prompts_for(choice, dataset=self.open(name), classes=classes)
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
    """What it comes to: without its matching where it keeps all its classes."""
    model: OpenedModel
    task: Task[Any]
    tested: Source
    """Of the evaluated split."""
    trained: Source
    """Of the other splits: the same, unless a head is fitted on one data set and tested on another."""
    prompts: PromptedClasses | None
    shared_prompts: PromptedClasses | None
    """The same with the names that both of two matched sets have."""
    class_names: str
    """Whose names the reference's classes have, 'own' or 'shift', where the shift's are others; '' elsewhere."""
    facts: DatasetFacts
    unmatched: tuple[tuple[str, str], ...]
    """Each class that only one of two matched data sets has, with that data set's name."""
    failures: frozenset[str]
    """The names under which all jobs that come to this one may have failed before."""

    def needs(self, info: ModelInfo) -> Needs:
        """Return what has to be embedded; not kept, since the strings of all jobs of a run would fill memory.

        `info` is of the job's model, or what can be said of it before it is fetched.

        Raises:
            UserError: the task cannot be done on this data set or with this model, or it lacks a kind of features.
        """
        needs = self.task.needs(self.job.settings, self.facts, info, self.prompts)
        lacking = [name for name in needs.features if name not in info.features]
        if lacking:
            fix = f"it gives: {', '.join(info.features)}"
            raise UserError(f"{self.task.name} needs {' and '.join(lacking)} features", where=info.name, fix=fix)
        if needs.captions and not self.facts.captioned:
            raise UserError("has no captions", where=self.facts.name, fix=f"{self.task.name} needs them")
        return needs

    def view(self, split: str) -> View | None:
        """Return the change that a split's images are seen through; what is fitted on is never changed."""
        return self.job.view if split == self.job.settings.split else None

    def readers(self, info: ModelInfo, needs: Needs) -> dict[str, SplitReader]:
        """Return what finds and opens each of its splits in the store."""
        model, settings = info.pedigree.fingerprint(), self.job.settings
        views = {split: view.fingerprint() if (view := self.view(split)) else "" for split in needs.splits}
        # What is fitted on may come in clusters too, but no interval is about it.
        clusters = {settings.split: self.tested.dataset.info.cluster}
        return {
            split: SplitReader(self.model.store, model, seen, settings.limit, clusters.get(split, ""))
            for split, seen in views.items()
        }

    def source(self, split: str) -> Source:
        """Return the data set that a split is read from."""
        return self.tested if split == self.job.settings.split else self.trained

    def split(self, name: str) -> Split:
        """Return a split; UserError where there is none of that name."""
        return self.source(name).dataset.split(name)

    @property
    def variant(self) -> str:
        """What tells it from the other jobs of the same task on this data set."""
        variant = self.job.settings.variant or (self.prompts.name if self.prompts else "")
        matching = self.job.matching
        return f"{variant}, {matching.shift}'s names" if matching and self.class_names == "shift" else variant

    @property
    def key(self) -> Hashable:
        """Equal for jobs that come to the same, as a set's alone and beside another with the same classes do."""
        job = self.job
        settings = job.settings.model_dump_json(exclude={"prompts"})
        asked = (job.model, job.dataset, job.other, job.trained_on, settings, job.view_fingerprint, self.variant)
        cuts = [None if source.cut is None else tuple(source.cut.items()) for source in (self.tested, self.trained)]
        prompts = (self.prompts.strings, self.prompts.structure) if self.prompts else ()
        return (*asked, self.facts.classes, *cuts, *prompts)

    def size(self, split: str) -> int | None:
        """Return how many images a whole split has, as far as that is known before it is read."""
        count = self.split(split).count
        return self.source(split).definition.counts.get(split) if count is None else count

    def count(self, split: str, index: DataIndex | None) -> int | None:
        """Return how many images of a split the job uses, as far as that is known; `index` is there if it was read."""
        count = index.rows if index else self.size(split)
        limit = self.job.settings.limit
        return count if count is None or limit is None else min(count, limit)


Preparation = tuple[Job, PreparedJob | BaseException]
"""A job with what was opened for it, or with why that failed."""


def prepare_jobs(suite: Suite, models: Sequence[OpenedModel], datasets: OpenedDatasets) -> tuple[Preparation, ...]:
    """Prepare what a suite asks of each model, in its order; jobs that come to the same are one, where the first is."""
    asked = [job for entry in suite.tasks for job in _asked(entry)]
    distinct: dict[Hashable, Preparation] = {}
    for job, prepared in (prepare(job, model, datasets, problem) for model in models for job, problem in asked):
        key = job.failure_hash if isinstance(prepared, BaseException) else prepared.key
        _, first = distinct.get(key, (job, prepared))
        if isinstance(first, PreparedJob) and isinstance(prepared, PreparedJob):
            study = first.job.study if prepared.job.study else ""
            failures = first.failures | prepared.failures
            first = replace(first, job=replace(first.job, study=study), failures=failures)
        distinct[key] = job, first
    return tuple(distinct.values())


def _asked(entry: SuiteEntry) -> list[tuple[Job, BaseException | None]]:
    """Return an entry's jobs; where a plug-in's settings break, one for each data set that they name, and why."""
    try:
        jobs = list(entry.jobs())
        for job in jobs:
            # What is told of a job when it fails must be there.
            assert job.label
            assert job.failure_hash
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - must not cost the other entries' jobs
        plain = TaskSettings(task=entry.task, split=entry.split, limit=entry.limit, datasets=("",))
        names = dict.fromkeys(name for _, name in entry.named())
        return [(Job(name, plain.model_copy(update={"datasets": (name,)})), error) for name in names]
    return [(job, None) for job in jobs]


def prepare(
    asked: Job, model: OpenedModel, datasets: OpenedDatasets, problem: BaseException | None = None
) -> Preparation:
    """Join a job with its model, open its data sets and fill its prompts.

    Whatever is raised meanwhile, by a user's class too, is this job's failure and returned as such; so is a `problem`
    that it came with.
    """
    job = asked = replace(asked, model=model.name)
    try:
        if problem is not None:
            raise problem
        dataset = datasets.open(asked.dataset)
        match = _match(asked, dataset, datasets)
        tested, trained = _sources(asked, match, datasets)
        if tested.cut is None:
            job = replace(asked, matching=None)
        classes = tuple(dataset.classes) if match is None or tested.cut is None else match.names
        shared = _prompts(asked, classes, datasets)
        prompts, class_names = _with_names(shared, asked, match, datasets)
        facts = DatasetFacts(
            name=asked.dataset,
            classes=classes,
            multilabel=dataset.multilabel,
            splits=_splits(asked, tested.dataset, trained.dataset),
            regime=dataset.info.regime,
            main_metric=dataset.info.main_metric,
            captioned=dataset.captioned,
        )
        return job, PreparedJob(
            job=job,
            model=model,
            task=load_task(asked.settings.task),
            tested=tested,
            trained=trained,
            prompts=prompts,
            shared_prompts=shared,
            class_names=class_names,
            facts=facts,
            unmatched=_unmatched(asked, match),
            failures=frozenset({asked.failure_hash, job.failure_hash}),
        )
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - must not cost the other jobs
        return job, error


def _match(job: Job, dataset: Dataset, datasets: OpenedDatasets) -> ClassMatch | None:
    """Return the classes shared with the other set."""
    matching = job.matching
    if matching is None:
        return None
    if dataset.multilabel:
        fix = "take sets with one label an image"
        raise UserError("images with several labels cannot be matched by class", where=job.dataset, fix=fix)
    reference, shift = datasets.open(matching.reference), datasets.open(matching.shift)
    where = f"{matching.shift} against {matching.reference}"
    return match_classes(reference.classes, shift.classes, matching.table, where=where)


def _sources(job: Job, match: ClassMatch | None, datasets: OpenedDatasets) -> tuple[Source, Source]:
    """Return what is tested on and what is trained on, each cut down to the classes that both have."""
    if match is None or job.matching is None:
        tested = datasets.source(job.dataset)
        return tested, tested
    is_reference = job.dataset == job.matching.reference
    tested = _cut(datasets.source(job.dataset, match.of_reference if is_reference else match.of_shift), match)
    if not job.trained_on:
        return tested, tested
    return tested, _cut(datasets.source(job.trained_on, match.of_reference), match)


def _splits(job: Job, tested: Dataset, trained: Dataset) -> tuple[str, ...]:
    """Return the splits of a job: what is tested, of the one data set, and all others, of what it is trained on."""
    if tested is trained:
        return tuple(tested.splits)
    split = job.settings.split
    others = tuple(name for name in trained.splits if name not in (split, job.untouched))
    return (*others, split) if split in tested.splits else others


def _cut(source: Source, match: ClassMatch) -> Source:
    """Leave out a cut that keeps every class where it is."""
    kept = source.cut or {}
    same = tuple(source.dataset.classes) == match.names and all(old == new for old, new in kept.items())
    return replace(source, cut=None) if same else source


def _prompts(job: Job, classes: tuple[str, ...], datasets: OpenedDatasets) -> PromptedClasses | None:
    """Fill the job's prompts: of two sets side by side, both get what the reference has, with the same names."""
    choices, matching = job.settings.prompt_choices(), job.matching
    if not choices:
        return None
    if matching is None:
        return datasets.prompts(choices[0], job.dataset)
    shared = datasets.prompts(choices[0], matching.reference, classes)
    if choices[0] is not None or job.dataset == matching.reference:
        return shared
    dataset = datasets.open(job.dataset)
    declared = datasets.prompts(None, job.dataset) if dataset.templates or dataset.info.prompts else None
    if declared is not None and declared.strings == shared.strings:
        return declared
    return replace(shared, name=f"those of {matching.reference}")


def _with_names(
    shared: PromptedClasses | None, job: Job, match: ClassMatch | None, datasets: OpenedDatasets
) -> tuple[PromptedClasses | None, str]:
    """Fill the reference's prompts with its own class names where that is asked for, and return whose names they have.

    That is '' where there are no others. A class that stands for several of the reference's has the prompts of all
    their names, which are averaged.
    """
    matching = job.matching
    if shared is None or match is None or matching is None or job.dataset != matching.reference or not matching.names:
        return shared, ""
    own: list[list[str]] = [[] for _ in match.names]
    for index, name in enumerate(datasets.open(matching.reference).classes):
        if (place := match.of_reference.get(index)) is not None and name not in own[place]:
            own[place].append(name)
    if own == [[name] for name in match.names]:
        return shared, ""
    if matching.names == "shift":
        return shared, "shift"
    everyone = tuple(dict.fromkeys(name for names in own for name in names))
    filled = datasets.prompts(job.settings.prompt_choices()[0], matching.reference, everyone)
    strings = dict(zip(filled.classes, filled.strings, strict=True))
    merged = tuple(tuple(text for name in names for text in strings[name]) for names in own)
    return replace(shared, strings=merged, templates=(), families={}, controls=(), names=()), "own"


def _unmatched(job: Job, match: ClassMatch | None) -> tuple[tuple[str, str], ...]:
    if match is None or job.matching is None:
        return ()
    sides = ((job.matching.reference, match.unmatched_reference), (job.matching.shift, match.unmatched_shift))
    return tuple((name, dataset) for dataset, names in sides for name in names)
