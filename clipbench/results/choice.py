"""Which jobs count: of those that measure the same, of trials beside full runs, and of models that share a name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from clipbench.results.records import JobResult

DIGITS = 6
"""Of the digest of a model's weights, by which models of one name are told apart."""


@dataclass(frozen=True)
class Candidate:
    """A job with what decides whether it counts."""

    job: JobResult
    folder: str
    """The results folder that it lies in."""
    claimed: tuple[int, int]
    """The order of the last run that names it, and its place there; (-1, -1) where none does."""

    @property
    def location(self) -> str:
        """What the model is made of, as far as the job says it."""
        return str(self.job.run_metadata.get("model") or "")

    @property
    def group(self) -> tuple[str, str, str]:
        """Equal for jobs of what one folder takes for one model."""
        return (self.job.model, self.folder, self.location)

    def rank(self, now: str) -> tuple[object, ...]:
        """Return a sort key: success, then the run that names it last, then the time, where that can be true."""
        finished = str(self.job.run_metadata.get("finished") or "")
        return (self.job.status == "done", self.claimed, finished if finished <= now else "", self.job.hash)


def newest(candidates: Iterable[Candidate]) -> tuple[JobResult, ...]:
    """Return the newest job of each measurement; a failure hides no success of the same model.

    Where several models share a name, each gets one of its own.
    """
    now = datetime.now(UTC).isoformat()
    by_folder = _last(candidates, lambda known: (*known.group, *known.job.key), now)
    named = _told_apart(by_folder)
    if len({known.folder for known in named}) > 1:
        # Runs into several folders have no order among them: there the time decides.
        named = [replace(known, claimed=(0, 0)) for known in named]
    jobs = [known.job for known in _last(named, lambda known: known.job.key, now)]
    return tuple(sorted(_without_mended(jobs), key=lambda job: job.key))


def fullest(jobs: Iterable[JobResult]) -> tuple[JobResult, ...]:
    """Leave out trials: of jobs that differ in their limit, the whole one counts, else that of most examples."""
    chosen: dict[tuple[str, ...], JobResult] = {}
    for job in jobs:
        known = chosen.setdefault(job.measurement, job)
        if _fullness(job) > _fullness(known):
            chosen[job.measurement] = job
    return tuple(chosen.values())


def _fullness(job: JobResult) -> tuple[bool, bool, bool, int]:
    return (job.status == "done", not job.pedigree.subset, not job.study, job.limit or 0)


def _last(candidates: Iterable[Candidate], key: Callable[[Candidate], tuple[str, ...]], now: str) -> list[Candidate]:
    return list({key(known): known for known in sorted(candidates, key=lambda known: known.rank(now))}.values())


def _without_mended(jobs: Sequence[JobResult]) -> list[JobResult]:
    """Leave out failures from before the prompts were known, so without a variant, of jobs that are done since."""
    done = {replace(job, variant="").key for job in jobs if job.status == "done"}
    return [job for job in jobs if job.status == "done" or job.variant or job.key not in done]


@dataclass
class _Model:
    """One model behind a name: the groups of jobs that are of it."""

    weights: dict[str, None] = field(default_factory=dict)
    """Digests, the newest last."""
    locations: dict[str, None] = field(default_factory=dict)
    groups: list[tuple[str, str, str]] = field(default_factory=list)

    def is_of(self, weights: Mapping[str, None], location: str) -> bool:
        """Whether a group is of this model: it shares weights or, where they are not known, what it is made of."""
        if weights and self.weights:
            return not weights.keys().isdisjoint(self.weights)
        return location in self.locations

    @property
    def mark(self) -> str:
        """What tells it from others of its name."""
        return next(reversed(self.weights))[:DIGITS] if self.weights else next(iter(self.locations)) or "not loaded"


def _told_apart(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Name models of one name by the digits of their weights, where there are several."""
    groups: dict[tuple[str, str, str], dict[str, None]] = {known.group: {} for known in candidates}
    for known in candidates:
        if known.job.pedigree.weights:
            groups[known.group][known.job.pedigree.weights] = None
    models: dict[str, list[_Model]] = defaultdict(list)
    for group in sorted(groups, key=lambda group: not groups[group]):
        name, _, location = group
        model = next((model for model in models[name] if model.is_of(groups[group], location)), None)
        if model is None:
            models[name].append(model := _Model())
        model.weights |= groups[group]
        model.locations[location] = None
        model.groups.append(group)
    names = {
        group: f"{name} ({model.mark})"
        for name, members in models.items()
        if len(members) > 1
        for model in members
        for group in model.groups
    }
    return [
        replace(known, job=replace(known.job, model=names[known.group])) if known.group in names else known
        for known in candidates
    ]
