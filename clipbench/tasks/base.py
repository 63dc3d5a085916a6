"""What a task is: a pure function of stored embeddings, labels and texts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from clipbench.arrays import Float32Array, IntArray
from clipbench.stats.intervals import Interval
from clipbench.tasks.job import Job
from clipbench.tasks.prompts import Names, PromptChoice, PromptedClasses, name_of

if TYPE_CHECKING:
    import pandas as pd

    from clipbench.models.base import ModelInfo

Feature = Literal["projected", "backbone"]
Value = TypeVar("Value")
Memory = Callable[[Mapping[str, int], int], int]
"""(images of each split, width of the features) -> bytes."""


class SuiteEntry(BaseModel, ABC):
    """What every entry of a suite's `tasks` has, be it one task or a study of several jobs."""

    # What is not finite has no digest, and no meaning.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    task: str
    split: str = Field(default="test", description="The split to evaluate.")
    limit: int | None = Field(
        default=None, description="Use this many examples, balanced over the classes, chosen by a hash of their ids."
    )

    @abstractmethod
    def named(self) -> Sequence[tuple[tuple[str | int, ...], str]]:
        """Return each data set's name with the keys in this entry that lead to it, e.g. ('datasets', 0)."""

    @abstractmethod
    def only(self, wanted: Sequence[str]) -> Self | None:
        """Return the entry with just these data sets; None if it uses none of them."""

    @abstractmethod
    def jobs(self) -> Sequence[Job]:
        """Return the jobs of each model, in order; which model is left open."""

    def analyses(self) -> Sequence[Mapping[str, Any]]:
        """Return the settings of the analyses to be made of the finished jobs, each with its `analysis`."""
        return ()


class DatasetsEntry(SuiteEntry):
    """An entry that does the same on each of a list of data sets."""

    datasets: Names = Field(description="Data sets from the catalog or from this suite.", min_length=1)

    def named(self) -> Sequence[tuple[tuple[str | int, ...], str]]:
        """Return each data set's name with the keys that lead to it."""
        return [(("datasets", place), name) for place, name in enumerate(self.datasets)]

    def only(self, wanted: Sequence[str]) -> Self | None:
        """Return the entry with just these data sets; None if none is left."""
        names = tuple(name for name in self.datasets if name in wanted)
        return self.model_copy(update={"datasets": names}) if names else None


@dataclass(frozen=True)
class Condition:
    """What makes a job another measurement than others of its task; data set and prompts apart."""

    shots: int | None = None
    """Labelled examples of each class, where a job uses few of them."""
    features: str = ""
    """The kind of features, where it is not the task's default."""
    head: str = ""
    """How a head is fitted, where that is not the task's default, e.g. 'C = 1'."""

    @property
    def words(self) -> tuple[str, ...]:
        """As a reader sees it."""
        shots = "" if self.shots is None else "1 shot" if self.shots == 1 else f"{self.shots} shots"
        return tuple(part for part in (shots, self.features, self.head) if part)


class TaskSettings(DatasetsEntry):
    """What every task's settings have; each task adds its own beside its code."""

    def jobs(self) -> Sequence[Job]:
        """Return one job for each data set and variant."""
        pairs = product(self.datasets, self.variants())
        return [Job(name, variant.model_copy(update={"datasets": (name,)})) for name, variant in pairs]

    def variants(self) -> Sequence[TaskSettings]:
        """Return the settings of one job each, e.g. one for each prompt set."""
        return (self,)

    def prompt_choices(self) -> Sequence[PromptChoice | None]:
        """Return the prompts that this job uses; None stands for the data set's own. Empty: it uses none."""
        return ()

    @property
    def prompts_name(self) -> str:
        """What the prompts of this job are called; '' where the data set's own are used, or none."""
        return ", ".join(name_of(choice) for choice in self.prompt_choices() if choice is not None)

    @property
    def condition(self) -> Condition:
        """What makes this job another measurement than others of its task."""
        return Condition()

    @property
    def variant(self) -> str:
        """What tells this job from the others of its task on a data set, for people: prompts and condition."""
        return ", ".join(part for part in (self.prompts_name, *self.condition.words) if part)


@dataclass(frozen=True)
class DatasetFacts:
    """What a task may know of a data set before anything is embedded."""

    name: str
    classes: tuple[str, ...]
    multilabel: bool
    splits: tuple[str, ...]
    regime: str = ""
    main_metric: str = ""
    """As declared for the data set; empty: the task's own."""
    captioned: bool = True


@dataclass(frozen=True)
class Needs:
    """What a job has to have embedded before it can be evaluated."""

    splits: tuple[str, ...]
    features: tuple[Feature, ...] = ("projected",)
    strings: tuple[str, ...] = ()
    captions: bool = False
    """True: every caption of the splits is embedded too."""
    templates: bool = False
    """True: the outcome tells templates apart, so that it depends on them beside the strings that they make."""
    memory: Memory | None = None
    """What `evaluate` holds at once, where that grows with the data; None: it does not."""


class Cache:
    """Values that a task computes from all but the evaluated split; a run shares them, this one computes them anew."""

    def get_or_compute(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        """Return the value of a key, which need only tell it from the task's other values; computes it if missing."""
        return compute()


class Features(Protocol):
    """(n, D) float32 features, not normalised, that need not fit in memory."""

    @property
    def shape(self) -> tuple[int, int]:
        """(n, D)."""

    def chunks(self, rows: int = 4096) -> Iterator[tuple[int, Float32Array]]:
        """Iterate over (first row, (<= rows, D) array), in order."""

    def load(self) -> Float32Array:
        """Return everything as one array."""


@dataclass(frozen=True)
class ArrayFeatures:
    """Features in memory."""

    array: Float32Array

    @property
    def shape(self) -> tuple[int, int]:
        """(n, D)."""
        return (self.array.shape[0], self.array.shape[1])

    def chunks(self, rows: int = 4096) -> Iterator[tuple[int, Float32Array]]:
        """Iterate over (first row, (<= rows, D) array), in order."""
        for start in range(0, len(self.array), rows):
            yield start, self.array[start : start + rows]

    def load(self) -> Float32Array:
        """Return the array."""
        return self.array


@dataclass(frozen=True)
class ImageSet:
    """One split or view as a task sees it: n readable images, row by row."""

    ids: Sequence[str]
    features: Mapping[str, Features]
    """By name: 'projected', 'backbone'."""
    labels: IntArray | None = None
    """(n,) int64 class indices; None for multi-label sets and captions."""
    label_sets: Sequence[tuple[int, ...]] | None = None
    """Multi-label: for each image the classes that are present."""
    captions: Sequence[tuple[str, ...]] | None = None
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Attribute name -> n values."""
    n_broken: int = 0
    """Images that could not be read; they are not among the n."""
    clusters: Sequence[str] | None = None
    """n values of the attribute by which images come in clusters, e.g. their track; None: they are independent."""

    def clusters_of(self, rows: IntArray | None = None) -> IntArray | None:
        """Return the cluster codes of some images, of all by default; None where they are independent."""
        if self.clusters is None:
            return None
        codes = np.unique(np.asarray(self.clusters, object), return_inverse=True)[1].astype(np.int64)
        return codes if rows is None else codes[rows]

    def attributes(self, rows: IntArray) -> dict[str, list[str]]:
        """Return what a per-example table says of some images beside the task's own columns: groups and cluster."""
        named = {f"group.{name}": values for name, values in self.groups.items()}
        if self.clusters is not None:
            named["cluster"] = self.clusters
        return {name: [values[row] for row in rows.tolist()] for name, values in named.items()}

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Inputs:
    """Everything a task is evaluated on."""

    dataset: DatasetFacts
    model: ModelInfo
    sets: Mapping[str, ImageSet]
    """By split."""
    text: Callable[[Sequence[str]], Float32Array]
    """(T strings) -> (T, D) float32, not normalised; only strings that were asked for in `Needs`."""
    device: str = "cpu"
    """Where torch may compute."""
    cache: Cache = field(default_factory=Cache)
    """Of jobs that differ only in what they are tested on."""


@dataclass(frozen=True)
class Metric:
    """One number with its uncertainty."""

    name: str
    value: float | None
    """None: undefined, with the reason in the outcome's notes; never NaN."""
    n: int
    """How many examples it rests on."""
    interval: Interval | None = None
    unit: str = "fraction"
    """'fraction' in [0, 1], 'rank', 'points', ..."""
    main: bool = False
    """The one that stands for the job in a wide table; exactly one per outcome."""
    params: Mapping[str, Any] = field(default_factory=dict)
    chance: float | None = None
    """What guessing gives, e.g. 1 / classes for top-1; None where nothing is said of it."""
    commonest: float | None = None
    """What always answering with the commonest class gives."""


SAMPLE = "sample"
"""The role of pictures that show a data set: chosen without regard to any model, so the same ones for all."""


@dataclass(frozen=True)
class Picture:
    """An example worth showing in a page."""

    id: str
    split: str
    role: str
    """Why: 'confident mistake', ..."""
    caption: str
    """Plain text, escaped by the page."""
    true_label: str = ""
    """Where it is about a classification, which the page then shows instead of the caption."""
    prediction: str = ""
    """With how sure it was, e.g. 'dog (0.97)'."""


@dataclass(frozen=True)
class Outcome:
    """What a task found."""

    metrics: tuple[Metric, ...]
    examples: pd.DataFrame
    """Per example: id, split, and the task's own columns."""
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Small named tables: 'per_class', 'confusions', ... Stored with the records."""
    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences that a reader of the numbers must know, e.g. classes with equal prompts."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """How long parts of it took, for the record only, e.g. {'search': 12.3}."""


SettingsT = TypeVar("SettingsT", bound=TaskSettings)


class Task(Protocol[SettingsT]):
    """A task: settings, what it needs, a pure evaluation, and how its numbers are shown.

    It may also have `label: ClassVar[str]`, what a reader calls it; `metrics: ClassVar[tuple[MetricSpec, ...]]` and
    `tables: ClassVar[tuple[TableSpec, ...]]`. What it does not declare is shown by its name.
    """

    name: ClassVar[str]
    protocol: ClassVar[int]
    """Changes when the same inputs would give other numbers; results of two protocols are not compared."""
    Settings: type[SettingsT]

    def needs(
        self, settings: SettingsT, dataset: DatasetFacts, model: ModelInfo, prompts: PromptedClasses | None
    ) -> Needs:
        """Say what has to be embedded; a UserError where the task cannot be done on this data set or with the model."""

    def evaluate(self, inputs: Inputs, settings: SettingsT, prompts: PromptedClasses | None) -> Outcome:
        """Compute the outcome; reads nothing but its arguments."""
