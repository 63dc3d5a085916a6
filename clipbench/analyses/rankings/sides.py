"""What two sides of a comparison have in common: two models of some results, or the models of two runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import pandas as pd

from clipbench.errors import UserError, did_you_mean
from clipbench.results.choice import fullest
from clipbench.results.folder import Results
from clipbench.results.records import JobResult

Pair = tuple[JobResult, JobResult]


@dataclass(frozen=True)
class Sides:
    """The jobs that two sides share, and where they come from."""

    names: tuple[str, str]
    pairs: Sequence[Pair]
    results: tuple[Results, Results]
    """Where the jobs of either side lie."""
    where: str
    """The folders, for messages."""
    of_runs: bool = False
    """Whether both sides are the same models, in two runs."""

    def tables(self, pair: Pair) -> list[pd.DataFrame]:
        """Read the per-example tables of a pair; a UserError where one cannot be read."""
        return [results.examples(job.hash) for results, job in zip(self.results, pair, strict=True)]

    @classmethod
    def of(cls, results: Results, first: Results | str | None, second: str | None) -> Sides:
        """Find them; the arguments and errors are those of `compare`."""
        if isinstance(first, Results):
            return _of_runs(results, first, second)
        if len(results.parts) == 2 and first == second:
            one, other = results.parts
            shared = {job.model for job in one.jobs()} & {job.model for job in other.jobs()}
            if shared and (first is None or first in shared):
                return _of_runs(one, other, first)
        return _of_models(results, first, second)


def _of_models(results: Results, first: str | None, second: str | None) -> Sides:
    by_model: dict[str, list[JobResult]] = defaultdict(list)
    for job in _done(results):
        by_model[job.model].append(job)
    # Of two folders the models of the first come first.
    place = {job.model: number for number, part in reversed([*enumerate(results.parts)]) for job in part.jobs()}
    models = sorted(by_model, key=lambda model: (place.get(model, 0), model))
    pair, where = _two(models, first, second, str(results.folder)), str(results.folder)
    shared = _shared(*(by_model[model] for model in pair))
    if not shared:
        fix = "run one suite with both: a data set, split, prompts and limit must be the same"
        raise UserError(f"{pair[0]!r} and {pair[1]!r} share no job", where=where, fix=fix)
    return Sides(pair, shared, (results, results), where)


def _of_runs(one: Results, other: Results, model: str | None) -> Sides:
    sides = [_done(run) for run in (one, other)]
    where = f"{one.folder} and {other.folder}"
    known = sorted({job.model for job in sides[0]} & {job.model for job in sides[1]})
    if model is not None and model not in known:
        raise UserError(f"they share no model {model!r}", where=where, fix=did_you_mean(model, known))
    pairs = [pair for name in known if model in (None, name) for pair in _shared(*sides, model=name)]
    if not pairs:
        fix = "run one suite into both: the model, data set, split, prompts and limit must be the same"
        raise UserError("they share no job of a model", where=where, fix=fix)
    names = {first.model for first, _ in pairs}
    prefix = f"{names.pop()} in " if len(names) == 1 else ""
    named = (f"{prefix}{one.folder}", f"{prefix}{other.folder}")
    return Sides(named, pairs, (one, other), where, of_runs=True)


def _done(results: Results) -> list[JobResult]:
    return [job for job in results.jobs(trials=True) if job.status == "done"]


def _shared(first: Sequence[JobResult], second: Sequence[JobResult], *, model: str | None = None) -> list[Pair]:
    """Pair the jobs of two sides that measure the same on as many examples, of several limits the fullest; by model."""
    others = {job.key[1:]: job for job in second if model in (None, job.model)}
    shared = fullest(job for job in first if model in (None, job.model) and job.key[1:] in others)
    return [(job, others[job.key[1:]]) for job in shared]


def _two(models: Sequence[str], first: str | None, second: str | None, where: str) -> tuple[str, str]:
    for name in (first, second):
        if name is not None and name not in models:
            raise UserError(f"there is no finished job of model {name!r}", where=where, fix=did_you_mean(name, models))
    if first is not None and first == second:
        raise UserError(f"{first!r} is named twice", where=where, fix="name another model")
    candidates = combinations(models, 2) if first is second is None else permutations(models, 2)
    pairs = [pair for pair in candidates if first in (None, pair[0]) and second in (None, pair[1])]
    if len(pairs) == 1:
        return pairs[0]
    if len(models) < 2:
        fix = "run the suite with another model, or add a results folder that has one"
        raise UserError("holds no finished jobs of two models", where=where, fix=fix)
    fix = f"name the first and the second: {', '.join(models)}"
    raise UserError(f"holds jobs of {len(models)} models, and two are compared", where=where, fix=fix)
