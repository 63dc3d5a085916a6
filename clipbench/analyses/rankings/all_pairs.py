"""All pairs of several models on the same examples, measurement by measurement, and the ranks that they leave open."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from clipbench.analyses.base import verdict_of
from clipbench.analyses.comparable import SAME
from clipbench.analyses.rankings.compare import metric_of, nothing_to_compare, over
from clipbench.analyses.rankings.per_example import JobValues, columns_of, paired, spec_of
from clipbench.arrays import Float64Array
from clipbench.errors import UserError
from clipbench.metrics.specs import MetricSpec
from clipbench.results.folder import Results
from clipbench.results.records import JobResult
from clipbench.stats.pairs import PairedValues, differences_of_means

MEASUREMENT = ("dataset", "split", "task", "variant", "subset", "view", "matched", "trained_on", "metric", "unit")
"""The columns that say what a row is about; rows that agree in all of them hold together."""


def compare_all(
    results: Results, *, models: Collection[str] = (), metric: str | None = None, datasets: Collection[str] = ()
) -> pd.DataFrame:
    """Compare all pairs of models example by example: one row for each pair and measurement that several models have.

    Columns: dataset, split, task, variant, subset, view, matched, trained_on, metric, n; first and second, the models,
    the one with the larger value first; first_value and second_value; difference with low, high and interval; verdict;
    at_chance, whether neither value is above chance. The intervals of one measurement hold together at 95 %: `family`
    is how many. Where the models share several data sets, their means over these follow, named in `note`: `datasets`
    and `regime` say of each row what it is over. `ranks` says of such a frame which ranks each model may have.

    Args:
        results: one folder or several; of several limits the fullest that a model has counts.
        models: which are compared; by default all.
        metric: what is compared; by default the main metric of each job.
        datasets: on which; by default all.

    Raises:
        UserError: no two models share a job with this metric on these data sets.
    """
    jobs = [job for job in results.jobs() if job.status == "done" and (not models or job.model in models)]
    boards = list(_boards(results, [job for job in jobs if not datasets or job.dataset in datasets], metric))
    if not boards:
        raise nothing_to_compare(str(results.folder), jobs, metric, datasets)
    return pd.DataFrame([row for board in (*boards, *_means(boards)) for row in board.rows()])


def ranks(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return for each measurement of `compare_all` the models, best first, with the ranks that each may have.

    Columns: those of the measurement; model, value; lowest, 1 and the models that are surely better; highest, all less
    those that are surely worse.
    """
    rows = []
    for about, group in pairs.groupby(list(MEASUREMENT), sort=False, dropna=False):
        values = dict(zip(group["first"], group["first_value"], strict=True))
        values |= dict(zip(group["second"], group["second_value"], strict=True))
        higher, lower = (group[group["verdict"] == verdict] for verdict in ("higher", "lower"))
        ahead, behind = (pd.concat(ends).value_counts() for ends in _ends(higher, lower))
        for model, value in values.items():
            lowest, highest = 1 + int(behind.get(model, 0)), len(values) - int(ahead.get(model, 0))
            rows.append((*about, model, value, lowest, highest))
    return pd.DataFrame(rows, columns=[*MEASUREMENT, "model", "value", "lowest", "highest"])


def _ends(higher: pd.DataFrame, lower: pd.DataFrame) -> tuple[list[pd.Series[str]], list[pd.Series[str]]]:
    """Return those that are surely better than another, and those that are surely worse."""
    return [higher["first"], lower["second"]], [higher["second"], lower["first"]]


@dataclass(frozen=True)
class _Board:
    """Models on one measurement, the best first; or their means over several."""

    jobs: Sequence[JobResult]
    spec: MetricSpec
    parts: Sequence[PairedValues]
    at_chance: Sequence[bool]
    """Of each model, whether it is not above chance: between two such nothing is gained or lost."""
    note: str = ""
    datasets: tuple[str, ...] = ()
    """Of a mean."""

    @property
    def values(self) -> Float64Array:
        """(M,) of the models."""
        return np.asarray(np.mean([part.values for part in self.parts], axis=0))

    def ordered(self) -> _Board:
        """Return it with the best model first."""
        return self.of([self.jobs[place].model for place in np.argsort(-self.values, kind="stable").tolist()])

    def of(self, models: Sequence[str]) -> _Board:
        """Return it with the models in this order."""
        place = {job.model: number for number, job in enumerate(self.jobs)}
        order = [place[model] for model in models]
        parts = [replace(part, numbers=part.numbers[order]) for part in self.parts]
        chance = [self.at_chance[number] for number in order]
        return replace(self, jobs=[self.jobs[number] for number in order], parts=parts, at_chance=chance)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield one for each pair."""
        first, second = np.triu_indices(len(self.jobs), 1)
        family = len(first)
        found = differences_of_means(self.parts)
        about, n, values = self._about(), sum(part.n for part in self.parts), self.values.tolist()
        for place, (one, other) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
            difference, low, high = (float(part[place]) for part in (found.values, found.low, found.high))
            known, nothing = not np.isnan(low), self.at_chance[one] and self.at_chance[other]
            interval = (low, high) if known else (None, None)
            yield about | {
                "n": n,
                "first": self.jobs[one].model,
                "second": self.jobs[other].model,
                "first_value": values[one],
                "second_value": values[other],
                "difference": difference,
                "low": interval[0],
                "high": interval[1],
                "interval": found.kind if known else "",
                "verdict": verdict_of(*interval, at_chance=nothing),
                "at_chance": nothing,
                "family": family,
                "datasets": self.datasets or (self.jobs[one].dataset,),
                "regime": str(self.jobs[one].about.get("regime") or ""),
                "note": self.note,
            }

    def _about(self) -> dict[str, str]:
        job = self.jobs[0]
        about = {name: getattr(job, name) for name in MEASUREMENT if hasattr(job, name)}
        about |= {"subset": job.pedigree.subset, "metric": self.spec.name, "unit": self.spec.unit}
        if len(self.parts) > 1:
            about["dataset"] = f"mean of {len(self.parts)}"
        return {name: about[name] for name in MEASUREMENT}


def _boards(results: Results, jobs: Sequence[JobResult], metric: str | None) -> Iterator[_Board]:
    together: dict[tuple[str, ...], list[JobResult]] = defaultdict(list)
    for job in jobs:
        together[(*job.key[1:], *(getattr(job.pedigree, part) for part in SAME))].append(job)
    for alike in together.values():
        name = metric_of(alike, metric)
        if len(alike) > 1 and name is not None and (board := _board(results, alike, name)):
            yield board


def _board(results: Results, jobs: Sequence[JobResult], metric: str) -> _Board | None:
    """Read one; a job that cannot be read is left out, and named. None where fewer than two can."""
    read: dict[str, JobValues] = {}
    lost = []
    for job in jobs:
        try:
            first = next(iter(read.values()), None)
            table = results.examples(job.hash, columns_of(spec_of(job, metric)))
            read[job.hash] = JobValues.of(job, table, metric, first)
        except UserError as error:
            lost.append(f"Left out: {error}.")
    if len(read) < 2:
        return None
    known = [job for job in jobs if job.hash in read]
    values, chance = [paired(list(read.values()))], [job.at_chance for job in read.values()]
    return _Board(known, spec_of(known[0], metric), values, chance, " ".join(lost)).ordered()


def _means(boards: Sequence[_Board]) -> Iterator[_Board]:
    """Yield the means over the data sets that all models of a measurement have, where these are several."""
    together: dict[tuple[str, ...], dict[str, _Board]] = defaultdict(dict)
    for board in boards:
        job = board.jobs[0]
        if job.plain and board.spec.unit == "fraction":
            key = (job.task, job.split, job.variant, str(job.about.get("regime", "")))
            together[key][job.dataset] = board
    for group in together.values():
        models = sorted({job.model for board in group.values() for job in board.jobs})
        common = [board for board in group.values() if len(board.jobs) == len(models)]
        if len(common) > 1:
            parts = [board.of(models) for board in common]
            spec = parts[0].spec if len({part.spec.name for part in parts}) == 1 else MetricSpec("main", "main metric")
            values = [part.parts[0] for part in parts]
            chance = [all(part.at_chance[place] for part in parts) for place in range(len(models))]
            over_sets = over([part.jobs[0] for part in parts])
            names = tuple(part.jobs[0].dataset for part in parts)
            yield _Board(parts[0].jobs, spec, values, chance, over_sets, names).ordered()
