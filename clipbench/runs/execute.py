"""One job from beginning to end: embed what is missing, evaluate, keep the records."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from clipbench.embed.image_set import StoredSet, find_split, identify, is_stored, open_set
from clipbench.errors import UserError
from clipbench.files import file_written_atomically
from clipbench.fingerprint import digest
from clipbench.results.folder import Results
from clipbench.results.records import JobResult, Pedigree, Record, Table
from clipbench.runs.environment import describe_torch
from clipbench.runs.identity import job_hash, pedigree_of
from clipbench.runs.jobs import Job, OpenedDatasets, PreparedJob, prepare
from clipbench.runs.memory import memory_needed, require_memory
from clipbench.runs.thumbnails import keep_thumbnail
from clipbench.tasks.base import Inputs, Made, Once, Outcome, Picture
from clipbench.tasks.registry import load_task

if TYPE_CHECKING:
    from clipbench.datasets.base import View
    from clipbench.embed.examples import DataIndex

BROKEN_SHOWN = 100
"""Broken images listed by id in the records; all are counted."""


@dataclass(frozen=True)
class Progress:
    """What a job tells while it embeds."""

    started: Callable[[Job, int | None, str], None]
    """Job, how many (None if that is not known), 'images' or 'texts'."""
    advanced: Callable[[int], None]


class Kept:
    """What the last job derived from all but its evaluated split, for a next job that shares it."""

    def __init__(self) -> None:
        self._shared = ""
        self._made: dict[str, Any] = {}

    def once(self, shared: str) -> Once:
        """Return how a job makes things once, or takes those of the job before if its digest is the same."""

        def make_once(name: str, make: Callable[[], Made]) -> Made:
            if shared != self._shared:
                self._shared, self._made = shared, {}
            if name not in self._made:
                self._made[name] = make()
            return self._made[name]  # type: ignore[no-any-return]

        return make_once


@dataclass(frozen=True)
class Executor:
    """Executes jobs one at a time into a results folder."""

    datasets: OpenedDatasets
    results: Results
    max_broken: float
    """The share of broken images above which a job fails."""
    thumbnails: bool
    progress: Progress
    kept: Kept = field(default_factory=Kept)

    def execute(self, job: Job) -> tuple[JobResult, bool]:
        """Return a job's result, and whether it was there before.

        Raises:
            UserError: the job cannot be done.
        """
        started = time.perf_counter()
        model, limit = job.model, job.settings.limit
        prepared = prepare(job, self.datasets, model.info)
        self._check_memory(prepared, {})
        indices = {name: self._embed_images(prepared, name) for name in prepared.needs.splits}
        # Some layouts only say how many images there are once they have been read.
        self._check_memory(prepared, {name: index.rows for name, index in indices.items()})
        known = {name: identify(index, limit) for name, index in indices.items()}
        pedigree = pedigree_of(prepared, model.info, known)
        name = job_hash(prepared, pedigree)
        done = self.results.read_job(name)
        if done is not None and done.status == "done":
            return replace(done, provenance={**done.provenance, "finished": _now()}), True
        features = prepared.needs.features
        sets = {
            split: open_set(
                index,
                model.store,
                model.fingerprint,
                features,
                view=job.view_fingerprint,
                limit=limit,
                classes=prepared.source(split).cut,
            )
            for split, index in indices.items()
        }
        for split, stored in sets.items():
            self._check_broken(f"{prepared.source(split).definition.name}/{split}", stored)
        once = self.kept.once(_shared(prepared, pedigree, model.fingerprint))
        cut_texts = self._embed_texts(prepared, sets, once)
        images = {split: stored.images for split, stored in sets.items()}
        inputs = Inputs(prepared.facts, model.info, images, model.texts.files.get, model.settings.device, once)
        outcome = prepared.task.evaluate(inputs, job.settings, prepared.prompts)
        result = self._assemble(_identity(prepared, pedigree, name), prepared, outcome, sets, cut_texts)
        provenance = self._provenance(job, time.perf_counter() - started)
        if outcome.seconds:
            provenance["seconds_of"] = {name: round(seconds, 3) for name, seconds in outcome.seconds.items()}
        return replace(result, provenance=provenance), False

    def _check_memory(self, prepared: PreparedJob, read: Mapping[str, int]) -> None:
        if prepared.needs.memory is None:
            return
        model = prepared.job.model
        counts = {name: prepared.count(name, read.get(name)) for name in prepared.needs.splits}
        require_memory(prepared, memory_needed(prepared, counts, model.widths), model.settings.device)

    def _embed_images(self, prepared: PreparedJob, name: str) -> DataIndex:
        job, model = prepared.job, prepared.job.model
        whole, source = prepared.split(name), prepared.source(name).definition
        view = job.view_fingerprint
        split, index = find_split(whole, job.settings.limit, model.store, model.fingerprint, view)
        if index is None or not is_stored(index, model.store, model.fingerprint, view):
            count = index.rows if index else split.count or source.counts.get(name)
            self.progress.started(job, count, "images")
            label = f"{source.name}/{name}"
            index = model.images.embed(split, label, view=job.view, progress=self.progress.advanced)
        return index

    def _embed_texts(self, prepared: PreparedJob, sets: Mapping[str, StoredSet], once: Once) -> tuple[str, ...]:
        """Embed what the job needs of texts, and return the note on those that were cut."""
        strings = list(prepared.needs.strings)
        if prepared.needs.captions:
            strings += [text for stored in sets.values() for texts in stored.images.captions or () for text in texts]
            return self._embed_strings(prepared, strings)
        return once("texts", lambda: self._embed_strings(prepared, strings)) if strings else ()

    def _embed_strings(self, prepared: PreparedJob, strings: list[str]) -> tuple[str, ...]:
        self.progress.started(prepared.job, len(strings), "texts")
        texts = prepared.job.model.texts
        texts.embed(strings, progress=self.progress.advanced)
        cut = texts.files.truncated(strings)
        if not cut:
            return ()
        unique = len(set(strings))
        return (f"{len(cut)} of {unique} texts are longer than the model's context and were cut, e.g. {cut[0]!r}.",)

    def _check_broken(self, where: str, stored: StoredSet) -> None:
        broken, total = stored.images.n_broken, len(stored.images) + stored.images.n_broken
        if total == 0:
            raise UserError("there are no images", where=where, fix="check the data set's path and split")
        if broken <= self.max_broken * total and len(stored.images):
            return
        listed = "; ".join(f"{example_id} ({problem})" for example_id, problem in stored.broken[:20])
        more = f"; and {broken - 20} more" if broken > 20 else ""
        problem = f"{broken} of {total} images cannot be read ({self.max_broken:.1%} are allowed): {listed}{more}"
        raise UserError(problem, where=where, fix="mend or remove them, or raise max_broken in the suite")

    def _assemble(
        self,
        identity: JobResult,
        prepared: PreparedJob,
        outcome: Outcome,
        sets: Mapping[str, StoredSet],
        cut_texts: tuple[str, ...],
    ) -> JobResult:
        with file_written_atomically(self.results.examples_path(identity.hash)) as draft:
            outcome.examples.to_parquet(draft, index=False)
        pictures, picture_notes = self._pictures(prepared, outcome, identity.pedigree)
        broken = [{"id": image, "problem": problem} for stored in sets.values() for image, problem in stored.broken]
        return replace(
            identity,
            records=tuple(Record.of(metric, len(broken)) for metric in outcome.metrics),
            tables={title: Table.of(frame) for title, frame in outcome.tables.items()} | _unmatched(prepared),
            pictures=pictures,
            notes=(*outcome.notes, *cut_texts, *picture_notes),
            broken=tuple(broken[:BROKEN_SHOWN]),
            n_broken=len(broken),
        )

    def _pictures(
        self, prepared: PreparedJob, outcome: Outcome, pedigree: Pedigree
    ) -> tuple[tuple[Mapping[str, str], ...], tuple[str, ...]]:
        """Keep thumbnails; an image that can't be shown does not cost the job its numbers, but is noted."""
        if not self.thumbnails or not prepared.dataset.info.show_images:
            return (), ()
        kept, failed = [], []
        view = prepared.job.view
        for picture in _corrupted(outcome, view) if view else outcome.pictures:
            try:
                split = prepared.split(picture.split)
                kept.append(keep_thumbnail(self.results, pedigree.data, picture, split, view))
            except Exception as error:  # noqa: BLE001 - whatever a data set's own code raises
                failed.append(f"No thumbnail of {picture.id}: {type(error).__name__}: {error}")
        return tuple(kept), tuple(failed)

    def _provenance(self, job: Job, seconds: float) -> dict[str, Any]:
        return {
            "seconds": round(seconds, 3),
            "finished": _now(),
            "device": job.model.settings.device,
            "batch_size": job.model.images.batch_size,
            "library": job.model.info.library,
            "trained_on": job.model.info.trained_on,
            **describe_torch(),
        }


def failure(job: Job, error: str, details: str = "") -> JobResult:
    """Return the result of a job that failed; it is run again the next time."""
    name = failure_hash(job)
    about = {"regime": job.definition.info.regime}
    provenance = {"finished": _now(), "traceback": details}
    return JobResult(
        hash=name,
        model=job.model.name,
        dataset=job.definition.name,
        split=job.settings.split,
        task=load_task(job.settings.task).name,
        variant=job.settings.variant,
        status="failed",
        pedigree=Pedigree(subset=f"limit {job.settings.limit}" if job.settings.limit else ""),
        view=job.view_name,
        matched=job.other.name if job.other else "",
        trained_on=job.trained_on.name if job.trained_on and job.trained_on is not job.definition else "",
        error=error,
        about=about,
        provenance=provenance,
    )


def failure_hash(job: Job) -> str:
    """Return the name of a failed job's file: its pedigree is not known, so it is named by what was asked for."""
    asked = [job.model.name, job.definition.name, job.settings.model_dump(mode="json"), job.settings.limit]
    return digest(["failed", *asked, job.view_fingerprint, job.other.name if job.other else ""])[:32]


def _identity(prepared: PreparedJob, pedigree: Pedigree, name: str) -> JobResult:
    info = prepared.dataset.info
    classes = digest(list(prepared.facts.classes)) if prepared.facts.classes else ""
    about: dict[str, Any] = {"regime": info.regime, "source": info.source, "licence": info.licence}
    about["description"] = info.description
    if prepared.job.view:
        about["view"] = dict(prepared.job.view.about)
    return JobResult(
        hash=name,
        model=prepared.job.model.name,
        dataset=prepared.job.definition.name,
        split=prepared.job.settings.split,
        task=prepared.task.name,
        variant=prepared.variant,
        status="done",
        pedigree=pedigree,
        view=prepared.job.view_name,
        matched=prepared.matched,
        trained_on=prepared.trained_on,
        about={**about, "classes": classes, "n_classes": len(prepared.facts.classes)},
    )


def _shared(prepared: PreparedJob, pedigree: Pedigree, model: str) -> str:
    """Return a digest of all that a job rests on, save what it is tested on."""
    rests_on = (pedigree.training, pedigree.prompts, pedigree.protocol, pedigree.settings, pedigree.subset)
    return digest([model, *rests_on, list(prepared.facts.classes)])


def _unmatched(prepared: PreparedJob) -> dict[str, Table]:
    """List the classes that only one of two matched sets has."""
    match, matching = prepared.match, prepared.job.matching
    if match is None or matching is None or not (match.unmatched_reference or match.unmatched_shift):
        return {}
    sides = ((matching.reference, match.unmatched_reference), (matching.shift, match.unmatched_shift))
    rows = tuple((name, side) for side, names in sides for name in names)
    return {"unmatched_classes": Table(("class", "of"), rows)}


def _corrupted(outcome: Outcome, view: View) -> tuple[Picture, ...]:
    """Choose the one picture that shows a view: of the same image in every view, whatever the model."""
    if outcome.examples.empty:
        return ()
    rows = outcome.examples[["id", "split"]].itertuples(index=False, name=None)
    _, example_id, split = min((digest(str(example_id)), str(example_id), str(split)) for example_id, split in rows)
    caption = f"{view.about['corruption'].replace('_', ' ')}, severity {view.about['severity']}"
    return (Picture(example_id, split, "corrupted", caption),)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
