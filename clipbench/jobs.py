"""Jobs: one model on one data set with one task setting, and what each of them rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbench.datasets.base import Dataset, DatasetDefinition
from clipbench.datasets.catalog import open_dataset
from clipbench.embed.opened import OpenedModel
from clipbench.fingerprint import digest, digest_strings
from clipbench.models.base import ModelInfo
from clipbench.prompts import prompts_for
from clipbench.records import Pedigree
from clipbench.tasks.base import DatasetFacts, Needs, PromptedClasses, Task, TaskSettings
from clipbench.tasks.registry import load_task

if TYPE_CHECKING:
    from clipbench.embed.image_set import SetIdentity
    from clipbench.suite import Suite


@dataclass(frozen=True)
class Job:
    """One model, one data set, one task setting."""

    model: OpenedModel
    definition: DatasetDefinition
    settings: TaskSettings

    @property
    def label(self) -> str:
        """For people: 'clip-tiny · digits · zero_shot · photo'."""
        parts = (self.model.name, self.definition.name, self.settings.task, self.settings.variant)
        return " · ".join(part for part in parts if part)


class OpenedDatasets:
    """The data sets of a run, each opened once."""

    def __init__(self, data_root: Path | None) -> None:
        self.data_root = data_root
        self._opened: dict[str, Dataset] = {}

    def open(self, definition: DatasetDefinition) -> Dataset:
        """Open a data set, or return it if it is open.

        Raises:
            UserError: it is missing, or not what it should be.
        """
        if definition.name not in self._opened:
            self._opened[definition.name] = open_dataset(definition, data_root=self.data_root)
        return self._opened[definition.name]


@dataclass(frozen=True)
class PreparedJob:
    """A job with its data set opened and its prompts filled; nothing is embedded yet."""

    job: Job
    dataset: Dataset
    task: Task
    prompts: PromptedClasses | None
    facts: DatasetFacts
    needs: Needs

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
        known = read if read is not None else self.dataset.split(split).count
        count = self.job.definition.counts.get(split) if known is None else known
        limit = self.job.settings.limit
        return count if count is None or limit is None else min(count, limit)


def list_jobs(suite: Suite, models: Sequence[OpenedModel]) -> tuple[Job, ...]:
    """Return the jobs of a suite: for each model, in the suite's order."""
    return tuple(
        Job(model, suite.datasets[name], variant)
        for model in models
        for settings in suite.tasks
        for name in settings.datasets
        for variant in settings.variants()
    )


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
    choices = job.settings.prompt_choices()
    prompts = prompts_for(choices[0], dataset=dataset) if choices else None
    facts = DatasetFacts(
        name=job.definition.name,
        classes=tuple(dataset.classes),
        multilabel=dataset.multilabel,
        splits=tuple(dataset.splits),
        regime=dataset.info.regime,
        main_metric=dataset.info.main_metric,
    )
    return PreparedJob(job, dataset, task, prompts, facts, task.needs(job.settings, facts, info, prompts))


def pedigree_of(prepared: PreparedJob, info: ModelInfo, sets: Mapping[str, SetIdentity]) -> Pedigree:
    """Return everything that could change the job's result."""
    settings = prepared.job.settings
    own: dict[str, Any] = settings.model_dump(mode="json", exclude={"task", "datasets", "limit", "prompts"})
    tested = {name: known for name, known in sets.items() if name == settings.split} or sets
    fitted_on = {name: [known.fingerprint, known.labels] for name, known in sets.items() if name not in tested}
    return Pedigree(
        weights=info.pedigree.weights,
        architecture=info.pedigree.architecture,
        transform=info.pedigree.transform,
        tokenizer=info.pedigree.tokenizer if prepared.needs.strings or prepared.needs.captions else "",
        precision=info.pedigree.precision,
        data=_joined({split: known.fingerprint for split, known in tested.items()}),
        subset=f"limit {settings.limit}" if settings.limit else "",
        labels=digest([_joined({name: known.labels for name, known in tested.items()}), list(prepared.facts.classes)]),
        training=digest(fitted_on) if fitted_on else "",
        prompts=_prompts_digest(prepared.prompts),
        protocol=f"{prepared.task.name}/{prepared.task.protocol}",
        settings=digest(own),
    )


def job_hash(prepared: PreparedJob, pedigree: Pedigree) -> str:
    """Return the name of the job's files: a digest of what is measured and of its pedigree."""
    job = prepared.job
    parts = [getattr(pedigree, name) for name in sorted(pedigree.__dataclass_fields__)]
    return digest([job.model.name, job.definition.name, job.settings.task, prepared.variant, parts])[:32]


def _joined(digests: Mapping[str, str]) -> str:
    """Return the digest of one split as it is, so that it is found in other results; of several, one for all."""
    return next(iter(digests.values())) if len(digests) == 1 else digest(dict(digests))


def _prompts_digest(prompts: PromptedClasses | None) -> str:
    if prompts is None:
        return ""
    return digest([digest_strings(strings) for strings in prompts.strings])
