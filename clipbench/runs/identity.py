"""What a job rests on, and the name that its files have because of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from clipbench.fingerprint import digest, digest_code, digest_strings
from clipbench.results import names
from clipbench.results.records import Pedigree

if TYPE_CHECKING:
    from clipbench.embed.image_set import SetIdentity
    from clipbench.runs.jobs import PreparedJob, Source
    from clipbench.tasks.base import Needs, Task
    from clipbench.tasks.job import Job
    from clipbench.tasks.prompts import PromptedClasses


def pedigree_of(prepared: PreparedJob, needs: Needs, sets: Mapping[str, SetIdentity]) -> Pedigree:
    """Return everything that could change the job's result; `sets`: what each split is that it needs."""
    job, info = prepared.job, prepared.model.info
    model, has_text = info.pedigree, bool(needs.strings or needs.captions)
    # What is left as the protocol has it is left out, so that a setting that is added later changes nothing.
    apart = {"task", "datasets", "split", "limit", "prompts"}
    settings: dict[str, Any] = job.settings.model_dump(mode="json", exclude_defaults=True, exclude=apart)
    tested = {split: known for split, known in sets.items() if split == job.settings.split} or sets
    fitted_on = {
        split: [
            known.fingerprint,
            _labels_digest(known.labels, prepared.source(split), []),
            *([known.decoding] if known.decoding else []),
        ]
        for split, known in sets.items()
        if split not in tested
    }
    labels = _joined({split: known.labels for split, known in tested.items()})
    return Pedigree(
        weights=model.weights,
        architecture=model.architecture,
        transform=model.transform,
        tokenizer=model.tokenizer if has_text else "",
        precision=model.precision,
        adapter=str(model.protocol),
        # Six digits: exp() may differ in the last one between machines.
        scale=f"{info.logit_scale:.6g} {info.logit_bias:+.6g}" if has_text else "",
        data=_joined({split: known.fingerprint for split, known in tested.items()}),
        view=_seen_through(job.view_fingerprint, tested),
        subset=subset_of(job) if any(_is_cut(prepared, split, known.n) for split, known in sets.items()) else "",
        labels=_labels_digest(labels, prepared.tested, prepared.facts.classes),
        clusters="".join(known.clusters for known in tested.values()),
        training=digest(fitted_on) if fitted_on else "",
        prompts=_prompts_digest(prepared.prompts, templates=needs.templates),
        protocol=protocol_of(prepared.task),
        settings=digest(settings),
    )


def _seen_through(view: str, tested: Mapping[str, SetIdentity]) -> str:
    """Return the view's fingerprint, and the decoding's too where that concerns an image of the evaluated split."""
    decodings = sorted({known.decoding for known in tested.values()} - {""})
    return digest([view, *decodings]) if decodings else view


def subset_of(job: Job) -> str:
    """Return how a job's examples are chosen, where there are more than it may use; '' for all."""
    return f"limit {job.settings.limit}" if job.settings.limit else ""


def _is_cut(prepared: PreparedJob, split: str, n: int) -> bool:
    """Whether a limit left examples of a split out, of which it uses n."""
    limit = prepared.job.settings.limit
    return limit is not None and n >= limit and prepared.size(split) != limit


def protocol_of(task: Task[Any]) -> str:
    """Return a task's name and protocol number, and of one that is not installed what its code is known by."""
    code = digest_code(type(task))
    return f"{task.name}/{task.protocol}" + (f" {code[:12]}" if code else "")


def job_hash(prepared: PreparedJob, pedigree: Pedigree) -> str:
    """Return the name of the job's files: a digest of what is measured and of its pedigree."""
    job = prepared.job
    asked = (job.model, job.dataset, job.settings.split, job.settings.task)
    return names.job_hash(*asked, prepared.variant, pedigree, job.other)


def _labels_digest(labels: str, source: Source, classes: Sequence[str]) -> str:
    known: list[Any] = [labels, list(classes)]
    return digest(known if source.cut is None else [*known, sorted(source.cut.items())])


def _joined(digests: Mapping[str, str]) -> str:
    """Return the digest of one split as it is, so that it is found in other results; of several, one for all."""
    return next(iter(digests.values())) if len(digests) == 1 else digest(dict(digests))


def _prompts_digest(prompts: PromptedClasses | None, *, templates: bool) -> str:
    if prompts is None:
        return ""
    strings = strings_digest(prompts.strings)
    return digest([strings, *prompts.structure]) if templates else strings


@lru_cache(maxsize=4)
def strings_digest(strings: tuple[tuple[str, ...], ...]) -> str:
    """Digest a set's strings once: there may be 80,000, and a job for each of 75 views."""
    return digest([digest_strings(of_class) for of_class in strings])
