"""The plan of a run: what would be fetched, embedded and computed, and how long that takes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from clipbench.embed.image_set import find_split, identify, is_stored
from clipbench.embed.opened import OpenedModel
from clipbench.errors import UserError
from clipbench.models.base import Availability, ModelInfo, ModelPedigree
from clipbench.runs.identity import job_hash, pedigree_of
from clipbench.runs.jobs import Job, OpenedDatasets, PreparedJob, as_plain, prepare
from clipbench.runs.memory import memory_needed, require_memory

if TYPE_CHECKING:
    from clipbench.embed.examples import DataIndex, PartKey
    from clipbench.results.folder import Results

Planned = TypeVar("Planned")

LONG = 15 * 60
"""Seconds from which a plan suggests to do less."""


@dataclass(frozen=True)
class PlannedJob:
    """One job, before it runs."""

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
    memory_bytes: int | None = None
    """What the task then holds at once; None if that does not grow with the data, or is not known."""
    done: bool = False
    """Its records are there."""
    problem: str = ""
    """Why it will fail."""


@dataclass(frozen=True)
class Plan:
    """All jobs of a run, in order, and what has to be fetched first."""

    jobs: tuple[PlannedJob, ...]
    weights: tuple[tuple[str, Availability], ...]
    """Each model's name and where its weights are."""

    @property
    def seconds(self) -> float | None:
        """Estimated time of all jobs, downloads apart; None if a job's is not known."""
        times = [job.seconds for job in self.jobs if not job.done and not job.problem]
        return None if any(time is None for time in times) else sum(time or 0.0 for time in times)

    @property
    def long(self) -> bool:
        """True if it takes so long that doing less should be suggested."""
        return self.seconds is not None and self.seconds > LONG


class Planner:
    """Makes plans; counts an image or a text that several jobs share for the first of them."""

    def __init__(self, datasets: OpenedDatasets, results: Results) -> None:
        self.datasets = datasets
        self.results = results
        self._texts: dict[str, set[str]] = {}
        self._splits: set[tuple[str, str, str, str]] = set()
        self._fetched: set[tuple[str, str]] = set()
        self._planned: set[Hashable] = set()

    def plan(self, jobs: Sequence[Job], models: Sequence[OpenedModel]) -> Plan:
        """Plan jobs; fetches nothing, but loads a model that is here to measure how fast it is.

        Raises:
            Unavailable: a model's weights can be had neither here nor by download.
        """
        weights = tuple((model.name, model.source.look()) for model in models)
        local = {name for name, availability in weights if availability.local}
        planned = (self._plan_job(job, job.model.name in local) for job in jobs)
        return Plan(tuple(job for job in planned if job is not None), weights)

    def _plan_job(self, job: Job, local: bool) -> PlannedJob | None:
        """Plan one job; None for one that comes to the same as an earlier one."""
        try:
            info = job.model.info if local else _unknown(job.model)
            prepared = prepare(job, self.datasets, info)
        except UserError as error:
            plain = as_plain(job, self.datasets)
            return self._unless_planned(PlannedJob(plain, problem=str(error)), (plain.label, str(error)))
        if self._unless_planned(job, prepared.sameness) is None:
            return None
        model = info.pedigree.fingerprint() if local else ""
        found = {name: _find(prepared, name, model) for name in prepared.needs.splits}
        if local and self._done(prepared, info, found):
            return PlannedJob(
                job, images=_total([prepared.count(name, _rows(found[name])) for name in found]), done=True
            )
        try:
            memory = self._memory(prepared, local, found)
        except UserError as error:
            return PlannedJob(job, problem=str(error))
        images, new_images, download = self._images(prepared, local, found)
        texts, new_texts = self._count_texts(prepared, local)
        seconds = _seconds(job.model, new_images, new_texts) if local else None
        captions = prepared.needs.captions
        return PlannedJob(job, images, new_images, texts, new_texts, captions, download, seconds, memory)

    def _unless_planned(self, planned: Planned, sameness: Hashable) -> Planned | None:
        """Return what is planned; None if an earlier job comes to the same."""
        if sameness in self._planned:
            return None
        self._planned.add(sameness)
        return planned

    def _memory(self, prepared: PreparedJob, local: bool, found: dict[str, DataIndex | None]) -> int | None:
        if prepared.needs.memory is None or not local:
            return None
        model = prepared.job.model
        counts = {name: prepared.count(name, _rows(index)) for name, index in found.items()}
        needed = memory_needed(prepared, counts, model.widths)
        require_memory(prepared, needed, model.settings.device)
        return needed

    def _done(self, prepared: PreparedJob, info: ModelInfo, found: dict[str, DataIndex | None]) -> bool:
        store, model, view = prepared.job.model.store, info.pedigree.fingerprint(), prepared.job.view_fingerprint
        sets = {}
        for name, index in found.items():
            if index is None or not is_stored(index, store, model, view):
                return False
            sets[name] = identify(index, prepared.job.settings.limit)
        done = self.results.read_job(job_hash(prepared, pedigree_of(prepared, info, sets)))
        return done is not None and done.status == "done"

    def _images(
        self, prepared: PreparedJob, local: bool, found: dict[str, DataIndex | None]
    ) -> tuple[int | None, int | None, int | None]:
        model, view = prepared.job.model, prepared.job.view_fingerprint
        images: list[int | None] = []
        new: list[int | None] = []
        download: list[int] = []
        for name, index in found.items():
            count = prepared.count(name, _rows(index))
            images.append(count)
            key = (model.name, prepared.source(name).definition.name, name, view)
            if key in self._splits:
                new.append(0)
                continue
            self._splits.add(key)
            download.append(self._download(prepared, name))
            if index is None or not local:
                new.append(count)
            else:
                parts = [part for part in index.parts if not _has(model, part, view)]
                new.append(sum(part.rows for part in parts))
        return _total(images), _total(new), sum(download)

    def _download(self, prepared: PreparedJob, name: str) -> int:
        """Return what reading a split would fetch, once for all models and views."""
        key = (prepared.source(name).definition.name, name)
        fetched = key in self._fetched
        self._fetched.add(key)
        return 0 if fetched else prepared.split(name).download_bytes

    def _count_texts(self, prepared: PreparedJob, local: bool) -> tuple[int, int]:
        model = prepared.job.model
        strings = set(prepared.needs.strings)
        known = self._texts.setdefault(model.name, set())
        fresh = strings - known
        known |= strings
        return len(strings), len(model.texts.files.missing(tuple(fresh)) if local and fresh else fresh)


def _unknown(model: OpenedModel) -> ModelInfo:
    """What can be said of a model before it is fetched."""
    text = not model.source.image_only
    features = ("projected", "backbone") if text else ("backbone",)
    return ModelInfo(name=model.name, pedigree=ModelPedigree("", ""), has_text=text, features=features)


def _find(prepared: PreparedJob, name: str, model: str) -> DataIndex | None:
    job = prepared.job
    split = prepared.split(name)
    return find_split(split, job.settings.limit, job.model.store, model, job.view_fingerprint)[1]


def _has(model: OpenedModel, part: PartKey, view: str) -> bool:
    return model.store.has_part(model.fingerprint, part.seen_through(view))


def _rows(index: DataIndex | None) -> int | None:
    return index.rows if index else None


def _total(counts: Sequence[int | None]) -> int | None:
    return None if any(count is None for count in counts) else sum(count or 0 for count in counts)


def _seconds(model: OpenedModel, images: int | None, texts: int) -> float | None:
    if images is None:
        return None
    if images == 0 and texts == 0:
        return 0.0
    rates = model.rates()
    return images / rates["images"] + (texts / rates["texts"] if texts else 0.0)
