"""The plan of a run: what would be fetched, embedded and computed, and how long that takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from clipbench.errors import problem_of
from clipbench.models.base import Availability, ModelInfo, ModelPedigree
from clipbench.runs.identity import job_hash, pedigree_of
from clipbench.runs.jobs import PreparedJob
from clipbench.runs.memory import check_memory
from clipbench.tasks.job import Job

if TYPE_CHECKING:
    from clipbench.embed.examples import DataIndex
    from clipbench.embed.image_set import SplitReader
    from clipbench.embed.opened import OpenedModel
    from clipbench.results.folder import Results
    from clipbench.tasks.base import Needs

Number = TypeVar("Number", int, float)

LONG = 15 * 60
"""Seconds from which a plan suggests to do less."""


@dataclass(frozen=True)
class JobCost:
    """What one job would cost."""

    job: Job
    images: int | None = None
    """In its splits; None if the data set does not say before it is read."""
    new_images: int | None = None
    """Of these, to be embedded by this job."""
    texts: int = 0
    new_texts: int = 0
    captions: bool = False
    """Captions are embedded too; how many is known once the data are read."""
    download_bytes: int | None = 0
    """Of data, to be fetched by this job; None if it is not known."""
    seconds: float | None = None
    """Estimated time of embedding; None without a rate."""
    guess: bool = False
    """The rate is that of a few images: no run was timed yet."""
    memory_bytes: int | None = None
    """What the task then holds at once; None if that does not grow with the data, or is not known."""
    done: bool = False
    """Its records are there."""
    problem: str = ""
    """Why it will fail."""


@dataclass(frozen=True)
class Plan:
    """What each job of a run costs, in order, and what has to be fetched first."""

    jobs: tuple[JobCost, ...]
    weights: tuple[tuple[str, Availability | None], ...]
    """Each model's name and where its weights are; None where its jobs will fail for want of the model."""
    code: tuple[tuple[str, str], ...] = ()
    """Each dotted path that the suite or the command line names, and the file of its module."""
    classes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Each data set that the suite itself defines, and the classes that were found in it."""

    @property
    def seconds(self) -> float | None:
        """Estimated time of all jobs, downloads apart; None if a job's is not known."""
        return total(cost.seconds for cost in self.jobs if not cost.done and not cost.problem)

    @property
    def long(self) -> bool:
        """True if it takes so long that doing less should be suggested."""
        return self.seconds is not None and self.seconds > LONG


class Planner:
    """Makes plans; counts an image or a text that several jobs share for the first of them."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self._texts: dict[str, set[str]] = {}
        self._counted: set[tuple[str, ...]] = set()

    def cost(self, job: Job, prepared: PreparedJob | BaseException, local: bool) -> JobCost:
        """Plan a job; fetches nothing, but loads a model that is here (`local`) to measure how fast it is."""
        try:
            if isinstance(prepared, BaseException):
                raise prepared
            return self._cost_of_prepared(prepared, local)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - what a user's class raises must not cost the other jobs
            return JobCost(job, problem=problem_of(error))

    def _cost_of_prepared(self, prepared: PreparedJob, local: bool) -> JobCost:
        job, model = prepared.job, prepared.model
        info = model.info if local else _before_fetch(model)
        needs = prepared.needs(info)
        readers = prepared.readers(info, needs)
        indices = {split: readers[split].find(prepared.split(split))[1] for split in needs.splits}
        images = total(prepared.count(split, index) for split, index in indices.items())
        if local and self._is_done(prepared, needs, readers, indices):
            return JobCost(job, images, done=True)
        memory = check_memory(prepared, needs, indices) if local else None
        # Models of other names may be one model.
        owner = info.pedigree.fingerprint() if local else model.name
        counts = (self._new_images(prepared, owner, split, readers[split], index) for split, index in indices.items())
        new_images, new_texts = total(counts), self._new_texts(prepared, owner, needs, local)
        return JobCost(
            job=job,
            images=images,
            new_images=new_images,
            texts=len(set(needs.strings)),
            new_texts=new_texts,
            captions=needs.captions,
            download_bytes=sum(self._download(prepared, split) for split in needs.splits),
            seconds=_seconds(model, new_images, new_texts) if local else None,
            guess=local and bool(new_images or new_texts) and bool(model.rates().get("guess")),
            memory_bytes=memory,
        )

    def _is_done(
        self,
        prepared: PreparedJob,
        needs: Needs,
        readers: Mapping[str, SplitReader],
        indices: Mapping[str, DataIndex | None],
    ) -> bool:
        sets = {}
        for split, index in indices.items():
            if index is None or readers[split].missing(index):
                return False
            sets[split] = readers[split].identify(index)
        return self.results.read_done(job_hash(prepared, pedigree_of(prepared, needs, sets))) is not None

    def _is_first(self, *counted: str) -> bool:
        first = counted not in self._counted
        self._counted.add(counted)
        return first

    def _new_images(
        self, prepared: PreparedJob, owner: str, split: str, reader: SplitReader, index: DataIndex | None
    ) -> int | None:
        name = prepared.source(split).definition.name
        if not self._is_first("images", owner, name, split, reader.view):
            return 0
        return prepared.count(split, index) if index is None else reader.missing(index)

    def _download(self, prepared: PreparedJob, split: str) -> int:
        """Return what reading a split would fetch, once for all models and views."""
        first = self._is_first("download", prepared.source(split).definition.name, split)
        return prepared.split(split).download_bytes if first else 0

    def _new_texts(self, prepared: PreparedJob, owner: str, needs: Needs, local: bool) -> int:
        model, known = prepared.model, self._texts.setdefault(owner, set())
        fresh = set(needs.strings) - known
        known |= fresh
        return len(model.texts.files.missing(tuple(fresh)) if local and fresh else fresh)


def _before_fetch(model: OpenedModel) -> ModelInfo:
    """What can be said of a model before it is fetched."""
    text = not model.source.image_only
    features = ("projected", "backbone") if text else ("backbone",)
    return ModelInfo(name=model.name, pedigree=ModelPedigree("", ""), has_text=text, features=features)


def total(counts: Iterable[Number | None]) -> Number | None:
    """Return the sum of counts; None if one of them is not known."""
    numbers = list(counts)
    return None if None in numbers else sum(number for number in numbers if number is not None)


def _seconds(model: OpenedModel, images: int | None, texts: int) -> float | None:
    if images is None:
        return None
    if images == 0 and texts == 0:
        return 0.0
    rates = model.rates()
    return images / rates["images"] + (texts / rates["texts"] if texts else 0.0)
