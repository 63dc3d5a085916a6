"""Records: measured numbers with their pedigree, and what else is kept of a job."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict

from clipbench.metrics.specs import Declared
from clipbench.stats.intervals import MIN_EXAMPLES
from clipbench.tasks.base import Condition, Metric

if TYPE_CHECKING:
    import pandas as pd

Status = Literal["done", "failed"]


@dataclass(frozen=True)
class Pedigree:
    """Digests and names of everything that could change a result. Results compare if these agree."""

    weights: str = ""
    architecture: str = ""
    transform: str = ""
    tokenizer: str = ""
    precision: str = ""
    adapter: str = ""
    """Protocol number of what loads and runs the model."""
    scale: str = ""
    """Logit scale and bias, as numbers; '' where no text is used. Embeddings do not depend on it."""
    data: str = ""
    """Of ids and encoded images of the split that is evaluated."""
    subset: str = ""
    """'' for whole splits, else how their examples were chosen, e.g. 'limit 1000'."""
    view: str = ""
    """Of the change that the images were seen through; '' for none."""
    labels: str = ""
    clusters: str = ""
    """Of which cluster each image belongs to; '' where they are independent. Intervals depend on it, values do not."""
    training: str = ""
    """Of the images and labels that something was fitted on: the splits beside the one that is evaluated."""
    prompts: str = ""
    protocol: str = ""
    """Task and protocol number, e.g. 'zero_shot/1'; of a task of the user's own also a digest of its code."""
    settings: str = ""

    def differences(self, other: Pedigree) -> tuple[str, ...]:
        """Name the parts in which two pedigrees differ."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) != getattr(other, f.name))


@dataclass(frozen=True)
class Record:
    """One measured number: what was measured, on what, with what uncertainty."""

    __pydantic_config__ = ConfigDict(allow_inf_nan=False)

    metric: str
    value: float | None
    """None: undefined (see the job's notes) or the job failed."""
    unit: str = "fraction"
    low: float | None = None
    high: float | None = None
    level: float | None = None
    interval: str = ""
    """How the interval was made: 'wilson', 'bootstrap', ...; '' where there is none."""
    family: int = 1
    """With how many intervals, itself among them, this one holds together at its level."""
    n: int = 0
    n_broken: int = 0
    main: bool = False
    """The metric that stands for the job in a wide table."""
    params: Mapping[str, Any] = field(default_factory=dict)
    chance: float | None = None
    """What guessing gives; None where nothing is said of it."""
    commonest: float | None = None
    """What always answering with the commonest class gives."""

    @classmethod
    def of(cls, metric: Metric, n_broken: int = 0) -> Record:
        """Make one from what a task or an analysis measured."""
        record = cls(
            metric=metric.name,
            value=metric.value,
            unit=metric.unit,
            n=metric.n,
            n_broken=n_broken,
            main=metric.main,
            chance=metric.chance,
            commonest=metric.commonest,
            params=metric.params,
        )
        found = metric.interval
        if found is None or metric.n < MIN_EXAMPLES:
            return record
        return replace(
            record, low=found.low, high=found.high, level=found.level, interval=found.kind, family=found.family
        )


def floor(record: Record) -> float | None:
    """Return what a number has to exceed to be above chance: what guessing or the commonest class gives."""
    return max((known for known in (record.chance, record.commonest) if known is not None), default=None)


def at_chance(record: Record) -> bool:
    """Return whether a number is not above chance: its interval's lower end, or without one the number, is not.

    Of ranks, of which fewer is better, this is the upper end. Where nothing is said of chance, nothing is at it.
    """
    known = floor(record)
    if known is None or record.value is None:
        return False
    if record.unit == "rank":
        return (record.value if record.high is None else record.high) >= known
    return (record.value if record.low is None else record.low) <= known


@dataclass(frozen=True)
class Table:
    """A small table that belongs to a job, e.g. accuracy per class."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def __post_init__(self) -> None:
        """Check that every row has a cell for each column."""
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"a row has not as many cells as the table has columns, {len(self.columns)}")

    def dicts(self) -> tuple[dict[str, Any], ...]:
        """Return its rows, each by column."""
        return tuple(dict(zip(self.columns, row, strict=True)) for row in self.rows)

    def frame(self) -> pd.DataFrame:
        """Return it as a data frame."""
        import pandas as pd

        return pd.DataFrame([list(row) for row in self.rows], columns=list(self.columns))

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Table:
        """Make one from a data frame; NaN becomes None."""
        rows = tuple(tuple(_plain(value) for value in row) for row in frame.itertuples(index=False))
        return cls(tuple(str(column) for column in frame.columns), rows)


@dataclass(frozen=True)
class Duplicates:
    """Images of the evaluated split whose files are equal, byte by byte, to others."""

    within: int
    """To an earlier one of the same split: how many fewer images there really are."""
    with_train: int | None = None
    """To one that something was fitted on; None where nothing was."""


@dataclass(frozen=True)
class JobResult:
    """All that is kept of one job, save its per-example table."""

    hash: str
    model: str
    dataset: str
    split: str
    task: str
    variant: str
    status: Status
    pedigree: Pedigree
    records: tuple[Record, ...] = ()
    tables: Mapping[str, Table] = field(default_factory=dict)
    pictures: tuple[Mapping[str, str], ...] = ()
    """id, split, role, caption, true_label, prediction, thumb (file below thumbs/, '' where there is none)."""
    notes: tuple[str, ...] = ()
    broken: tuple[Mapping[str, str], ...] = ()
    """id and problem of the first broken images; `n_broken` counts them all."""
    n_broken: int = 0
    error: str = ""
    duplicates: Duplicates | None = None
    """None: not known."""
    view: str = ""
    """The change that the images were seen through, e.g. 'gaussian_noise/3'; '' for none."""
    matched: str = ""
    """The data set whose classes this one was cut down to, for a comparison with it; '' for all its classes."""
    study: str = ""
    """The study that asked for it, e.g. 'corruptions' for the images as they are; '' where it stands by itself."""
    trained_on: str = ""
    """The data set that a head was fitted on, where it is another one; '' where it is this one, or nothing was."""
    prompts: str = ""
    """What the prompts are called; '' where there are none, or it failed before they were known."""
    condition: Condition = field(default_factory=Condition)
    """What makes it another measurement than others of its task."""
    limit: int | None = None
    """Most examples that were asked for; None: all."""
    declared: Declared = field(default_factory=Declared)
    """How its numbers are shown, where its task is not built in."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """The data set's declarations: regime, source, licence, description."""
    run_metadata: Mapping[str, Any] = field(default_factory=dict)
    """Seconds, time finished, versions, device, batch size: for the record, not part of the result."""

    @property
    def measurement(self) -> tuple[str, ...]:
        """What is measured, whatever the pedigree and however many examples it is measured on."""
        told = (self.variant, self.view, self.matched, self.trained_on)
        return (self.model, self.dataset, self.split, self.task, *told)

    @property
    def key(self) -> tuple[str, ...]:
        """The measurement and how its examples were chosen: of two jobs with one key, the newer one counts."""
        return (*self.measurement, self.pedigree.subset)

    @property
    def plain(self) -> bool:
        """Whether it measures the data set as it is: all classes, unchanged images, nothing fitted elsewhere."""
        return not (self.view or self.matched or self.trained_on)

    @property
    def main(self) -> Record | None:
        """The record that stands for this job in a wide table."""
        return next((record for record in self.records if record.main), None)

    @property
    def at_chance(self) -> bool:
        """Whether its main number is not above chance."""
        return self.main is not None and at_chance(self.main)


Verdict = Literal["higher", "lower", "not_distinguishable", "undefined"]
"""Of what is compared: it is higher, lower, neither beyond chance, or there is nothing to compare."""


@dataclass(frozen=True)
class Subject:
    """What an analysis is about; what does not apply is empty."""

    models: tuple[str, ...] = ()
    """Where two are compared, the first is the one that is higher or lower."""
    datasets: tuple[str, ...] = ()
    """What was evaluated, e.g. the shifts."""
    averaged: bool = False
    """Whether it is about the mean over these data sets, be it of one alone."""
    reference: str = ""
    """The data set, or the model, that is compared with."""
    split: str = ""
    task: str = ""
    """Of the jobs."""
    prompts: str = ""
    condition: Condition = field(default_factory=Condition)
    protocol: str = ""
    """Of a view, e.g. 'imagenet-c'."""
    subset: str = ""
    """As in the jobs' pedigrees: '' for whole splits."""
    limit: int | None = None
    n: int = 0
    """Examples that the main number rests on."""
    n_train: int | None = None
    """Labelled examples that something was fitted on."""

    @property
    def model(self) -> str:
        """The first model; '' where there is none."""
        return self.models[0] if self.models else ""

    @property
    def dataset(self) -> str:
        """The first data set; '' where there is none."""
        return self.datasets[0] if self.datasets else ""


@dataclass(frozen=True)
class AnalysisResult:
    """What an analysis found of some jobs together."""

    hash: str
    analysis: str
    protocol: int
    status: Status
    about: Subject = field(default_factory=Subject)
    verdict: Verdict = "undefined"
    records: tuple[Record, ...] = ()
    tables: Mapping[str, Table] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """What a reader of the numbers must know; text to be shown, never to be read for its meaning."""
    jobs: tuple[str, ...] = ()
    """Hashes of the jobs that it rests on."""
    declared: Declared = field(default_factory=Declared)
    """How its numbers are shown, where the analysis is not built in."""
    error: str = ""
    traceback: str = ""

    def record(self, metric: str) -> Record | None:
        """Return the record of a metric, if it has one with a value."""
        return next((record for record in self.records if record.metric == metric and record.value is not None), None)


def _plain(value: Any) -> Any:
    """Turn numpy scalars into Python's own, NaN into None."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and math.isnan(value) else value
