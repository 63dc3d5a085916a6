"""What a run found, in one sentence a model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from clipbench.report.averages import Average, Means
from clipbench.report.leaderboard import Board
from clipbench.report.text import labels, numbers


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


def opening(board: Board) -> str:
    """Return what was run, in one sentence."""
    failed = sum(job.status == "failed" for job in board.jobs)
    datasets = {job.dataset for job in board.jobs}
    models = {job.model for job in board.jobs}
    text = f"{_count(len(models), 'model')} on {_count(len(datasets), 'data set')}, {_count(len(board.jobs), 'job')}"
    return f"{text}, {failed} of them failed." if failed else f"{text}."


def subsets(board: Board) -> tuple[str, ...]:
    """Return how images were chosen where not all of them were measured, e.g. 'limit 1000'."""
    return tuple(sorted({column.subset for column in board.columns if column.subset}))


def sentences(board: Board, group_means: Sequence[Means]) -> tuple[Sentence, ...]:
    """Say of each model what its means are, in the board's order."""
    return tuple(_sentence(board, model, group_means) for model in board.models)


def _sentence(board: Board, model: str, group_means: Sequence[Means]) -> Sentence:
    found: dict[tuple[str, str, str], list[Average]] = defaultdict(list)
    for group in group_means:
        if model in group.by_model:
            # Each prompt set is worth a phrase, and none is the plainest.
            apart = group.condition if group.task == "prompt_sensitivity" else ""
            found[group.task, group.regime, apart].append(group.by_model[model])
    phrases = tuple(_phrase(*_telling(averages)) for averages in found.values())
    if phrases:
        return Sentence(model, phrases)
    if model in board.mixed:
        return Sentence(model, (), "no mean, since its name stands for more than one model", board.mixed[model])
    if all(job.status == "failed" for job in board.jobs if job.model == model):
        return Sentence(model, (), "all its jobs failed")
    return Sentence(model, (), "no number that may be averaged")


def _telling(averages: Sequence[Average]) -> tuple[Average, Average | None]:
    """Return the mean that stands for a task and regime, and the few-shot mean to set beside it.

    Of several conditions the plainest; of few-shot the largest number of shots that all sets have, and beside
    it the smallest over the same sets. The leaderboard has the others.
    """
    plainest = labels.without_shots(averages[0].task, averages[0].condition)
    alike = [mean for mean in averages if labels.without_shots(mean.task, mean.condition) == plainest]
    most = max(alike, key=lambda mean: (mean.complete, labels.shots(mean.task, mean.condition) or 0))
    fewest = alike[0]
    return most, fewest if fewest is not most and fewest.datasets == most.datasets else None


def _phrase(average: Average, fewest: Average | None) -> Phrase:
    measured = labels.measurement(average.task, average.condition)
    beside = (
        f"; {numbers.with_unit(fewest.value)} with {labels.measurement(fewest.task, fewest.condition)}"
        if fewest
        else ""
    )
    task = "" if average.task == "zero_shot" else f" ({measured}{beside})"
    if average.of == 1 and average.columns == 1:
        over = f"{average.metric} on {average.datasets[0]}"
    elif average.of == 1:
        over = f"mean {average.metric} over {average.columns} columns of {average.datasets[0]}"
    elif average.complete:
        over = f"mean {average.metric} over {labels.sets(average.of, average.regime)}"
    else:
        over = f"mean {average.metric} over only {len(average.datasets)} of {labels.sets(average.of, average.regime)}"
    return Phrase(numbers.with_unit(average.value), numbers.interval(average), over + task)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
