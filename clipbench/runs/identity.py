"""What a job rests on, and the name that its files have because of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from clipbench.fingerprint import digest, digest_strings
from clipbench.models.base import ModelInfo
from clipbench.results.records import Pedigree
from clipbench.runs.jobs import PreparedJob, Source
from clipbench.tasks.prompted import PromptedClasses

if TYPE_CHECKING:
    from clipbench.embed.image_set import SetIdentity


def pedigree_of(prepared: PreparedJob, info: ModelInfo, sets: Mapping[str, SetIdentity]) -> Pedigree:
    """Return everything that could change the job's result."""
    settings = prepared.job.settings
    own: dict[str, Any] = settings.model_dump(mode="json", exclude={"task", "datasets", "limit", "prompts"})
    tested = {name: known for name, known in sets.items() if name == settings.split} or sets
    fitted_on = {
        name: [known.fingerprint, _labels_digest(known.labels, prepared.source(name), [])]
        for name, known in sets.items()
        if name not in tested
    }
    return Pedigree(
        weights=info.pedigree.weights,
        architecture=info.pedigree.architecture,
        transform=info.pedigree.transform,
        tokenizer=info.pedigree.tokenizer if prepared.needs.strings or prepared.needs.captions else "",
        precision=info.pedigree.precision,
        data=_joined({split: known.fingerprint for split, known in tested.items()}),
        view=prepared.job.view_fingerprint,
        subset=f"limit {settings.limit}" if settings.limit else "",
        labels=_labels_digest(
            _joined({name: known.labels for name, known in tested.items()}), prepared.tested, prepared.facts.classes
        ),
        training=digest(fitted_on) if fitted_on else "",
        prompts=_prompts_digest(prepared.prompts, told_apart=prepared.needs.templates),
        protocol=f"{prepared.task.name}/{prepared.task.protocol}",
        settings=digest(own),
    )


def job_hash(prepared: PreparedJob, pedigree: Pedigree) -> str:
    """Return the name of the job's files: a digest of what is measured and of its pedigree."""
    job = prepared.job
    parts = [getattr(pedigree, name) for name in sorted(pedigree.__dataclass_fields__)]
    measured = [job.model.name, job.definition.name, job.settings.task, prepared.variant, parts]
    return digest([*measured, prepared.matched] if prepared.matched else measured)[:32]


def _labels_digest(labels: str, source: Source, classes: Sequence[str]) -> str:
    known: list[Any] = [labels, list(classes)]
    return digest(known if source.cut is None else [*known, sorted(source.cut.items())])


def _joined(digests: Mapping[str, str]) -> str:
    """Return the digest of one split as it is, so that it is found in other results; of several, one for all."""
    return next(iter(digests.values())) if len(digests) == 1 else digest(dict(digests))


def _prompts_digest(prompts: PromptedClasses | None, *, told_apart: bool) -> str:
    if prompts is None:
        return ""
    strings = _strings_digest(prompts.strings)
    return digest([strings, *prompts.structure]) if told_apart else strings


@lru_cache(maxsize=4)
def _strings_digest(strings: tuple[tuple[str, ...], ...]) -> str:
    """Digest a set's strings once: there may be 80,000, and a job for each of 75 views."""
    return digest([digest_strings(of_class) for of_class in strings])
