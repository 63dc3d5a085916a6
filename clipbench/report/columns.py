"""The columns of a leaderboard: what all models are measured on, and each model's job there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from clipbench.metrics.specs import MetricSpec
from clipbench.report.text import labels
from clipbench.report.text.claims import at_chance, chance, chances, floor, rests_on
from clipbench.report.text.declared import heading, task_order
from clipbench.results.records import JobResult, Record
from clipbench.tasks.base import Condition


@dataclass(frozen=True)
class Cell:
    """One job in the leaderboard."""

    job: JobResult
    record: Record | None
    """None: the job failed, or did not measure what the column shows."""
    best: bool = False
    """Whether no model of its column is surely better, and some are surely worse than the best."""
    footnote: int | None = None
    """Number of the footnote that says why this cell is not compared with the others."""

    @property
    def value(self) -> float | None:
        """The value, or None where there is none."""
        return self.record.value if self.record else None

    @property
    def at_chance(self) -> bool:
        """Whether it is not above what guessing, or always answering with the commonest class, gives."""
        return self.record is not None and at_chance(self.record)

    @property
    def seen_in_training(self) -> bool:
        """Whether the model declares the data set's training images among its training data."""
        known = {name.casefold() for name in (self.job.dataset, *names(self.job.about.get("training_names")))}
        return not known.isdisjoint(name.casefold() for name in trained_on(self.job))


def trained_on(job: JobResult) -> tuple[str, ...]:
    """Return what a job's model declares to have been trained on; nothing where that is undeclared."""
    return names(job.run_metadata.get("trained_on"))


def names(listed: object) -> tuple[str, ...]:
    """Return a list of names that a file holds; nothing where it holds something else."""
    return tuple(map(str, listed)) if isinstance(listed, list | tuple) else ()


@dataclass(frozen=True)
class Measurement:
    """What several columns may measure alike: a task in one condition; numbers of two of them share no mean."""

    task: str
    label: str
    """Of the task."""
    condition: Condition
    prompts: str = ""
    """Only of a task that measures the prompts themselves; to others they are one of many ways."""

    @property
    def words(self) -> str:
        """As a reader sees it: '4 shots', 'linear probe, projected'."""
        words = self.condition.words
        if self.condition.shots is not None:
            return ", ".join((words[0].replace(" ", "\N{NO-BREAK SPACE}"), *words[1:]))
        return ", ".join(part for part in (self.label, self.prompts, *words) if part)

    @property
    def order(self) -> tuple[object, ...]:
        """A sort key, by task first, that puts 2 shots before 16, and both before 2 shots on other features."""
        condition = self.condition
        words = tuple(map(labels.natural, (self.prompts, condition.features, condition.head)))
        return (task_order(self.task), words, condition.shots or 0)


@dataclass(frozen=True)
class Column:
    """What all models are measured on: a data set, split, task, prompts and condition."""

    name: str
    """Unique in the leaderboard."""
    label: str
    """Unique among the columns of its task."""
    dataset: str
    split: str
    measurement: Measurement
    prompts: str
    variant: str
    """Prompts and condition in words."""
    subset: str
    """That most models are measured on; a footnote names the others."""
    regime: str
    spec: MetricSpec
    """Of the metric that is shown; without a name where every job failed."""
    cells: Mapping[str, Cell]
    """By model; a model without a job here is absent."""

    @property
    def task(self) -> str:
        """The name of the task."""
        return self.measurement.task

    @property
    def setting(self) -> str:
        """Prompts and condition, e.g. 'prompts photo', '4 shots'."""
        prompts = f"prompts {self.prompts}" if self.prompts else ""
        return ", ".join(part for part in (prompts, *self.measurement.condition.words) if part)

    @property
    def unit(self) -> str:
        """That values are shown in."""
        return self.spec.unit

    @property
    def heading(self) -> str:
        """The metric with its unit, e.g. 'top-1, %'; '' where every job failed."""
        return heading(self.spec) if self.spec.name else ""

    @cached_property
    def typical(self) -> Record | None:
        """The record of the first model that is measured as most are; its n and its chance are the column's."""
        return next((cell.record for cell in self.cells.values() if cell.record and cell.footnote is None), None)

    @property
    def basis(self) -> str:
        """What its numbers rest on: 'n = 1,000, limit 1000, fitted on 500 images'."""
        return rests_on(self.typical, self.subset) if self.typical else self.subset

    @property
    def floor(self) -> float | None:
        """What a number has to exceed to be above chance; None where nothing is said of it."""
        return floor(self.typical) if self.typical else None

    @property
    def chances(self) -> tuple[str, ...]:
        """The parts of `chance`, a line each in a narrow head."""
        return chances(self.typical) if self.typical else ()

    @property
    def chance(self) -> str:
        """What guessing, or always answering with the commonest class, gives: 'chance 10.0 %'; '' where unknown."""
        return chance(self.typical) if self.typical else ""
