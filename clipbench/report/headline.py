"""What a run found, in one sentence a model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clipbench.report.averages import Average, Means
from clipbench.report.leaderboard import Leaderboard
from clipbench.report.text import labels, numbers
from clipbench.results.records import JobResult


@dataclass(frozen=True)
class Phrase:
    """One number and what it is: '91.2 %', '[89.9, 92.4]', 'mean top-1 over 5 benchmark sets'."""

    value: str
    interval: str
    meaning: str


@dataclass(frozen=True)
class Sentence:
    """What is said of one model."""

    model: str
    phrases: tuple[Phrase, ...]
    instead: str = ""
    """Said where there is no number."""
    footnote: int | None = None


def headline(leaderboard: Leaderboard, group_means: Sequence[Means], jobs: Sequence[JobResult]) -> Mapping[str, Any]:
    """Return what the page opens with: what was run, a sentence a model, and the jobs that have no column."""
    beside = [job for job in jobs if not job.plain]
    views = sum(bool(job.view) for job in beside)
    failed = [job for job in beside if job.status == "failed"]
    return {
        "opening": opening(leaderboard),
        "subsets": sorted({column.subset for column in leaderboard.columns if column.subset}),
        "sentences": sentences(leaderboard, group_means),
        "aside": {"on_views": views, "matched": len(beside) - views, "failed": failed},
    }


def opening(leaderboard: Leaderboard) -> str:
    """Return what was run, in one sentence."""
    jobs = leaderboard.jobs
    failed = sum(job.status == "failed" for job in jobs)
    models, datasets = {job.model for job in jobs}, {job.dataset for job in jobs}
    text = f"{_count(len(models), 'model')} on {_count(len(datasets), 'data set')}, {_count(len(jobs), 'job')}"
    return f"{text}, {failed} of them failed." if failed else f"{text}."


def sentences(leaderboard: Leaderboard, group_means: Sequence[Means]) -> tuple[Sentence, ...]:
    """Say of each model what its means are, in the leaderboard's order."""
    return tuple(_sentence(leaderboard, model, group_means) for model in leaderboard.models)


def _sentence(leaderboard: Leaderboard, model: str, group_means: Sequence[Means]) -> Sentence:
    found: dict[tuple[str, str, str], list[Average]] = defaultdict(list)
    for group in group_means:
        if model in group.by_model:
            found[group.measurement.task, group.regime, group.measurement.prompts].append(group.by_model[model])
    phrases = tuple(_phrase(*_telling(averages)) for averages in found.values())
    if phrases:
        return Sentence(model, phrases)
    if model in leaderboard.mixed:
        problem = "no mean, since its name stands for more than one model"
        return Sentence(model, (), problem, leaderboard.mixed[model])
    if all(job.status == "failed" for job in leaderboard.jobs if job.model == model):
        return Sentence(model, (), "all its jobs failed")
    return Sentence(model, (), "no number that may be averaged")


def _telling(averages: Sequence[Average]) -> tuple[Average, Average | None]:
    """Return the mean that stands for a task and regime, and the few-shot mean to set beside it.

    Of several conditions the plainest; of few-shot the largest number of shots that all sets have, and beside
    it the smallest over the same sets. The leaderboard has the others.
    """
    conditions = [replace(average.measurement.condition, shots=None) for average in averages]
    alike = [mean for mean, condition in zip(averages, conditions, strict=True) if condition == conditions[0]]
    most = max(alike, key=lambda mean: (mean.complete, mean.measurement.condition.shots or 0))
    fewest = alike[0]
    return most, fewest if fewest is not most and fewest.datasets == most.datasets else None


def _phrase(average: Average, fewest: Average | None) -> Phrase:
    beside = f"; {numbers.with_unit(fewest.value)} with {fewest.measurement.words}" if fewest else ""
    task = "" if average.measurement.task == "zero_shot" else f" ({average.measurement.words}{beside})"
    if average.total == 1 and average.columns == 1:
        over = f"{average.metric} on {average.datasets[0]}"
    elif average.total == 1:
        over = f"mean {average.metric} over {average.columns} columns of {average.datasets[0]}"
    elif average.complete:
        over = f"mean {average.metric} over {labels.sets(average.total, average.regime)}"
    else:
        over = (
            f"mean {average.metric} over only {len(average.datasets)} of {labels.sets(average.total, average.regime)}"
        )
    return Phrase(numbers.with_unit(average.value), numbers.interval(average), over + task)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
