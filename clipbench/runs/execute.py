"""One job from beginning to end: embed what is missing, evaluate, keep the records."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from clipbench.embed.image_set import SplitReader, StoredSet
from clipbench.errors import Damaged, UserError, problem_of
from clipbench.files import file_written_atomically
from clipbench.fingerprint import digest
from clipbench.metrics.specs import Declared
from clipbench.results.records import JobResult, Pedigree, Record, Status, Table
from clipbench.runs.identity import job_hash, pedigree_of, strings_digest, subset_of
from clipbench.runs.jobs import PreparedJob
from clipbench.runs.memory import check_memory
from clipbench.runs.set_notes import duplicates_of, set_notes
from clipbench.runs.thumbnails import keep_thumbnails
from clipbench.tasks.base import Cache, Inputs, Needs, Outcome, Value
from clipbench.tasks.registry import TASKS, load_task

if TYPE_CHECKING:
    from clipbench.embed.examples import DataIndex
    from clipbench.results.folder import Results
    from clipbench.runs.progress import ProgressListener
    from clipbench.tasks.job import Job

BROKEN_SHOWN = 100
"""Broken images listed by id in the records; all are counted."""
_CUT_TEXTS = object()
"""The key of what embedding the prompts gave; no task can use it for something else."""


class SharedCache(Cache):
    """What the last job computed from all but its evaluated split, for the next one if that rests on the same."""

    def __init__(self) -> None:
        self._scope = ""
        self._values: dict[Hashable, Any] = {}

    def in_scope(self, scope: str) -> Cache:
        """Return the cache for values that rest on what `scope` is a digest of; drops those of another scope."""
        if scope != self._scope:
            self._scope, self._values = scope, {}
        return self

    def get_or_compute(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        """Return the value of a key; computes it if it is not there."""
        if key not in self._values:
            self._values[key] = compute()
        return self._values[key]  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Executor:
    """Executes jobs one at a time into a results folder."""

    results: Results
    max_broken: float
    """The share of broken images above which a job fails."""
    thumbnails: bool
    progress: ProgressListener
    cache: SharedCache = field(default_factory=SharedCache)

    def execute(self, prepared: PreparedJob) -> tuple[JobResult, bool]:
        """Return a job's result, and whether it was there before; whatever is raised is the job's failure."""
        try:
            return self._execute(prepared)
        except Damaged:
            # What is damaged leaves the cache when it is next looked for, and is embedded again.
            return self._execute(prepared)

    def _execute(self, prepared: PreparedJob) -> tuple[JobResult, bool]:
        started = time.perf_counter()
        info = prepared.model.info
        needs = prepared.needs(info)
        readers = prepared.readers(info, needs)
        indices = self._embed_images(prepared, needs, readers)
        known = {split: readers[split].identify(index) for split, index in indices.items()}
        pedigree = pedigree_of(prepared, needs, known)
        name = job_hash(prepared, pedigree)
        if (stored := self.results.read_done(name)) is not None:
            if stored.study and not prepared.job.study:
                stored = replace(stored, study="")
                self.results.write_job(stored)
            return stored, True
        sets = {}
        for split, index in indices.items():
            source = prepared.source(split)
            sets[split] = readers[split].open(index, needs.features, source.cut)
            sets[split].check_broken(self.max_broken, f"{source.definition.name}/{split}")
        cache = self.cache.in_scope(_cache_scope(prepared, pedigree))
        cut_texts = self._embed_texts(prepared, needs, sets, cache)
        images = {split: stored.images for split, stored in sets.items()}
        model = prepared.model
        inputs = Inputs(prepared.facts, info, images, model.texts.files.get, model.settings.device, cache)
        outcome = prepared.task.evaluate(inputs, prepared.job.settings, prepared.prompts)
        with file_written_atomically(self.results.examples_path(name)) as draft:
            outcome.examples.to_parquet(draft, index=False)
        thumbs = self.results.folder / "thumbs"
        show = self.thumbnails and prepared.tested.dataset.info.show_images
        pictures, picture_notes = keep_thumbnails(prepared, outcome, thumbs, pedigree) if show else ((), ())
        decoded = [f"{split}: {note}" for split, stored in sets.items() for note in stored.notes]
        run_metadata = _run_metadata(prepared, outcome, time.perf_counter() - started)
        result = _assemble(prepared, pedigree, name, outcome, sets)
        told = set_notes(result, images[result.split])
        notes = (*outcome.notes, *told, *decoded, *cut_texts, *picture_notes, *model.source.notes)
        return replace(result, pictures=pictures, notes=notes, run_metadata=run_metadata), False

    def _embed_images(
        self, prepared: PreparedJob, needs: Needs, readers: Mapping[str, SplitReader]
    ) -> dict[str, DataIndex]:
        """Embed what is not stored yet of each split; stops before and in between if the job cannot fit in memory."""
        check_memory(prepared, needs, {})
        job, encoder = prepared.job, prepared.model.images
        indices = {}
        for name in needs.splits:
            split, index = readers[name].find(prepared.split(name))
            if index is None or readers[name].missing(index):
                source = prepared.source(name).definition
                self.progress.started(job, index.rows if index else split.count or source.counts.get(name), "images")
                label = f"{source.name}/{name}"
                index = encoder.embed(split, label, view=prepared.view(name), progress=self.progress.advanced)
            indices[name] = index
        # Some layouts only say how many images there are once they have been read.
        check_memory(prepared, needs, indices)
        return indices

    def _embed_texts(
        self, prepared: PreparedJob, needs: Needs, sets: Mapping[str, StoredSet], cache: Cache
    ) -> tuple[str, ...]:
        """Embed what the job needs of texts, and return the note on those that were cut."""
        strings = list(needs.strings)
        if needs.captions:
            strings += [text for stored in sets.values() for texts in stored.images.captions or () for text in texts]
            return self._embed_strings(prepared, strings)
        return cache.get_or_compute(_CUT_TEXTS, lambda: self._embed_strings(prepared, strings)) if strings else ()

    def _embed_strings(self, prepared: PreparedJob, strings: list[str]) -> tuple[str, ...]:
        self.progress.started(prepared.job, len(strings), "texts")
        texts = prepared.model.texts
        texts.embed(strings, progress=self.progress.advanced)
        cut = texts.files.truncated(strings)
        if not cut:
            return ()
        unique = len(set(strings))
        return (f"{len(cut)} of {unique} texts are longer than the model's context and were cut, e.g. {cut[0]!r}.",)


def failure(job: Job, regime: str, error: BaseException) -> JobResult:
    """Return the result of a job that failed; it is run again the next time."""
    details = "" if isinstance(error, UserError) else "".join(traceback.format_exception(error))
    details = details.encode(errors="backslashreplace").decode()
    return replace(
        _result(job, job.failure_hash, "failed", Pedigree(subset=subset_of(job))),
        error=problem_of(error),
        about={"regime": regime},
        run_metadata={"finished": _now(), "traceback": details},
    )


def _result(job: Job, name: str, status: Status, pedigree: Pedigree) -> JobResult:
    """Return what a result says of what was asked."""
    task, declared = _told_of_task(job.settings.task)
    return JobResult(
        hash=name,
        model=job.model,
        dataset=job.dataset,
        split=job.settings.split,
        task=task,
        variant=job.settings.variant,
        status=status,
        pedigree=pedigree,
        view=job.view_name,
        matched=job.other,
        study=job.study,
        trained_on=job.trained_on,
        prompts=job.settings.prompts_name,
        condition=job.settings.condition,
        limit=job.settings.limit,
        declared=declared,
    )


def _told_of_task(name: str) -> tuple[str, Declared]:
    """Return what a task calls itself and declares; of a plug-in that breaks, what the suite calls it."""
    try:
        task = load_task(name)
        return task.name, Declared() if task.name in TASKS else Declared.by(task)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - it is why the job failed, which has to be recorded
        return name, Declared()


def _assemble(
    prepared: PreparedJob, pedigree: Pedigree, name: str, outcome: Outcome, sets: Mapping[str, StoredSet]
) -> JobResult:
    broken = [{"id": image, "problem": problem} for stored in sets.values() for image, problem in stored.broken]
    tables = {title: Table.of(frame) for title, frame in outcome.tables.items()}
    if prepared.unmatched:
        tables["unmatched_classes"] = Table(("class", "of"), prepared.unmatched)
    if prepared.prompts:
        tables["prompts"] = Table(*prepared.prompts.listing())
    return replace(
        _result(prepared.job, name, "done", pedigree),
        variant=prepared.variant,
        prompts=prepared.prompts.name if prepared.prompts else "",
        records=tuple(Record.of(metric, len(broken)) for metric in outcome.metrics),
        tables=tables,
        limit=prepared.job.settings.limit if pedigree.subset else None,
        broken=tuple(broken[:BROKEN_SHOWN]),
        n_broken=len(broken),
        duplicates=duplicates_of(prepared.job.settings.split, sets),
        about=_about(prepared),
    )


def _about(prepared: PreparedJob) -> dict[str, Any]:
    info, view, classes = prepared.tested.dataset.info, prepared.job.view, prepared.facts.classes
    return {
        "regime": info.regime,
        "source": info.source,
        "licence": info.licence,
        "description": info.description,
        "training_names": info.training_names,
        **({"view": dict(view.about)} if view else {}),
        "classes": digest(list(classes)) if classes else "",
        "n_classes": len(classes),
        **({"cluster": info.cluster} if info.cluster else {}),
        **_naming(prepared),
    }


def _naming(prepared: PreparedJob) -> dict[str, str]:
    """Say of a reference whose class names its prompts have, where a shift calls the same classes otherwise."""
    if not prepared.class_names or prepared.shared_prompts is None:
        return {}
    return {"class_names": prepared.class_names, "shared_prompts": strings_digest(prepared.shared_prompts.strings)}


def _run_metadata(prepared: PreparedJob, outcome: Outcome, seconds: float) -> dict[str, Any]:
    model = prepared.model
    seconds_of = {name: round(part, 3) for name, part in outcome.seconds.items()}
    return {
        "seconds": round(seconds, 3),
        "finished": _now(),
        "device": model.settings.device,
        "batch_size": model.images.batch_size,
        "library": model.info.library,
        "trained_on": model.info.trained_on,
        **_describe_torch(),
        **({"seconds_of": seconds_of} if seconds_of else {}),
    }


def _cache_scope(prepared: PreparedJob, pedigree: Pedigree) -> str:
    """Return a digest of all that a job rests on, save what it is tested on: the views of a study share it."""
    rests_on = (pedigree.training, pedigree.prompts, pedigree.protocol, pedigree.settings, pedigree.subset)
    return digest([prepared.model.fingerprint, *rests_on, list(prepared.facts.classes)])


def _describe_torch() -> dict[str, str | int]:
    """Return what torch computes with; empty if it is not in use, as where all embeddings were stored before."""
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    gpu = {"gpu": torch.cuda.get_device_name(0)} if torch.cuda.is_available() else {}
    return {"threads": torch.get_num_threads(), **gpu}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
