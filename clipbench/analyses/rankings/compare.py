"""Two models, or one of two runs, on the same examples: the differences of their metrics, in one table.

The intervals of a table hold together (`clipbench.stats.simultaneous`), and what is said of a row is read from its
interval. How that is made depends on what the metric is the mean of (`clipbench.stats.pairs`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from clipbench.analyses.base import verdict_of
from clipbench.analyses.comparable import SAME, differing, not_compared
from clipbench.analyses.rankings.per_example import JobValues, metric_names, paired, spec_of
from clipbench.analyses.rankings.sides import Pair, Sides
from clipbench.arrays import Float64Array
from clipbench.errors import UserError, did_you_mean
from clipbench.metrics.specs import MetricSpec
from clipbench.results.folder import Results
from clipbench.results.records import JobResult
from clipbench.stats.paired import compare_pair
from clipbench.stats.pairs import Differences, PairedValues, mean_of_sets
from clipbench.stats.power import detectable_difference, examples_needed
from clipbench.stats.simultaneous import Largest, critical_value, independent, largest_of

NUMBERS = ("n", "first", "second", "difference", "low", "high", "interval", "verdict", "at_chance", "p")
POWER = ("spread", "detectable", "n_needed")

_JOB = ("dataset", "split", "task", "variant", "view", "matched", "trained_on")


def compare(
    results: Results,
    first: Results | str | None = None,
    second: str | None = None,
    *,
    metric: str | None = None,
    datasets: Collection[str] = (),
) -> pd.DataFrame:
    """Compare two models, or one model of two runs, example by example, one row for each job that both have.

    Where they share a measurement on several data sets, a row with the mean over these follows. Columns: dataset,
    split, task, variant, subset, view, matched, trained_on, metric; n; first and second, the values; difference, the
    first minus the second; low and high, which hold together with those of all rows at 95 %, and interval, how they
    were made; verdict, what they say; p, of an accuracy's difference alone; detectable, the difference that n examples
    show in 80 % of samples, and n_needed, how many would show the one that was found; note, why a row has no numbers,
    or what it is over. `attrs`: first and second, what is compared; family, how many intervals hold together; critical,
    their critical value. Of two runs there is a column model, and the note names the parts of the model that differ.

    Args:
        results: of both models; folders are seen as one by `load_results(A, B)`. Of two folders that hold a model of
            the same name, and no names given, each such model is compared across the two.
        first: a model's name, which may be left out where the results hold two models; or the results of another run.
        second: another's; beside the results of another run the one model to compare, by default all that both have.
        metric: what is compared; by default the main metric of each job.
        datasets: which are compared; by default all. Of several limits the fullest that both have counts.

    Raises:
        UserError: the results have no such model, or the two share no such job.
    """
    sides = Sides.of(results, first, second)
    rows = [
        _Row.of(pair, sides, name)
        for pair in sides.pairs
        if (not datasets or pair[0].dataset in datasets) and (name := metric_of(pair, metric))
    ]
    if not rows:
        raise nothing_to_compare(sides.where, [job for pair in sides.pairs for job in pair], metric, datasets)
    rows += _means(rows)
    critical = critical_value(list(_largest(rows)))
    frame = pd.DataFrame([{**row.about, **row.numbers(critical)} for row in rows])
    frame = frame if sides.of_runs else frame.drop(columns="model")
    family = sum(row.values is not None or bool(row.parts) for row in rows)
    frame.attrs.update(first=sides.names[0], second=sides.names[1], family=family, critical=critical)
    return frame


def metric_of(jobs: Sequence[JobResult], metric: str | None) -> str | None:
    """Return the metric to compare jobs by, by default their main one; None where not all have it."""
    name = metric or (jobs[0].main.metric if jobs[0].main else None)
    return name if name and all(name in metric_names(job) for job in jobs) else None


def nothing_to_compare(
    where: str, jobs: Sequence[JobResult], metric: str | None, datasets: Collection[str]
) -> UserError:
    """Return the error of jobs of which none has the metric, or is on the data sets."""
    known = {job.dataset for job in jobs}
    if strange := [name for name in datasets if name not in known]:
        return UserError(f"no shared job on {strange[0]!r}", where=where, fix=did_you_mean(strange[0], known))
    names = {name for job in jobs if not datasets or job.dataset in datasets for name in metric_names(job)}
    problem = f"no shared job measures {metric!r}" if metric else "no two jobs measure the same"
    return UserError(problem, where=where, fix=did_you_mean(metric or "", names))


@dataclass(frozen=True)
class _Row:
    """One row: what it is about, and what both made of each example."""

    job: JobResult
    subset: str
    spec: MetricSpec
    values: PairedValues | None = None
    """None where there is nothing to compare, and of a mean."""
    ids: pd.Index | None = None
    at_chance: bool = False
    """Whether neither value is above chance: then nothing is gained or lost between them."""
    note: str = ""
    parts: tuple[_Row, ...] = ()
    """Of a mean: what it is over."""

    @classmethod
    def of(cls, pair: Pair, sides: Sides, metric: str) -> _Row:
        """Read one; where that fails, the note says why."""
        job, spec = pair[0], spec_of(pair[0], metric)
        if parts := differing(*pair):
            return cls(job, job.pedigree.subset, spec, note=not_compared(parts))
        try:
            tables = sides.tables(pair)
            one = JobValues.of(pair[0], tables[0], metric)
            other = JobValues.of(pair[1], tables[1], metric, one)
        except UserError as error:
            return cls(job, job.pedigree.subset, spec, note=f"Not compared: {error}.")
        changed = [part for part in job.pedigree.differences(pair[1].pedigree) if part not in SAME]
        note = f"The model differs: {', '.join(changed)}." if changed and sides.of_runs else ""
        nothing = one.at_chance and other.at_chance
        return cls(job, job.pedigree.subset, spec, paired([one, other]), one.table.index, nothing, note)

    @property
    def about(self) -> dict[str, Any]:
        """What it is about, by column."""
        job = {name: getattr(self.job, name) for name in ("model", *_JOB)}
        if self.parts:
            job["dataset"] = f"mean of {len(self.parts)}"
        metric = {"unit": self.spec.unit, "higher_is_better": self.spec.higher_is_better is not False}
        return job | {"subset": self.subset, "metric": self.spec.name} | metric

    @property
    def n(self) -> int:
        """Examples."""
        return sum(part.n for part in self.parts) if self.values is None else self.values.n

    @property
    def sides(self) -> Float64Array:
        """(2,) the values."""
        return np.mean([part.sides for part in self.parts], axis=0) if self.values is None else self.values.values

    @property
    def variance(self) -> float:
        """Of the difference where there is none, from how far the two differ on each example; NaN with draws."""
        if self.values is None:
            return math.fsum(part.variance for part in self.parts) / len(self.parts) ** 2
        return math.nan if self.values.numbers.ndim == 3 else self.values.spread(0, 1) / self.n

    def differences(self, critical: float) -> Differences:
        """Return the difference with its interval."""
        if self.values is None:
            return mean_of_sets([part.differences(critical) for part in self.parts])
        return self.values.differences(critical)

    def numbers(self, critical: float) -> dict[str, Any]:
        """Return its numbers, by column; None for what is undefined."""
        if self.values is None and not self.parts:
            return dict.fromkeys((*NUMBERS, *POWER)) | {"note": self.note}
        found = self.differences(critical)
        difference, low, high = (float(part[0]) for part in (found.values, found.low, found.high))
        known, spread = not math.isnan(low), self.n * self.variance
        interval = (low, high) if known else (None, None)
        first, second = self.sides.tolist()
        return {
            "n": self.n,
            "first": first,
            "second": second,
            "difference": difference,
            "low": interval[0],
            "high": interval[1],
            "interval": found.kind if known else "",
            "verdict": verdict_of(*interval, at_chance=self.at_chance),
            "at_chance": self.at_chance,
            "p": self._p,
            **self._power(difference, spread, critical if known and not math.isnan(spread) else None),
            "note": self.note if known else f"{self.note} No interval would cover.".strip(),
        }

    def _power(self, difference: float, spread: float, critical: float | None) -> dict[str, Any]:
        if critical is None:
            return dict.fromkeys(POWER)
        found = (detectable_difference(spread, self.n, critical), examples_needed(difference, spread, critical))
        return dict(zip(POWER, (spread, *found), strict=True))

    @property
    def _p(self) -> float | None:
        values = self.values
        if values is None or values.strata is not None or values.numbers.dtype != np.bool_ or values.numbers.ndim > 2:
            return None
        first, second = values.numbers
        return compare_pair(first, second, clusters=values.clusters).p


def _means(rows: Sequence[_Row]) -> list[_Row]:
    """Return a row for the mean over the data sets of each measurement that is there on several."""
    together: dict[tuple[str, ...], dict[str, _Row]] = defaultdict(dict)
    for row in rows:
        job = row.job
        if row.values is not None and job.plain and row.spec.unit == "fraction":
            key = (job.model, job.task, job.split, job.variant, str(job.about.get("regime", "")))
            together[key][job.dataset] = row
    return [_mean(list(parts.values())) for parts in together.values() if len(parts) > 1]


def _mean(parts: Sequence[_Row]) -> _Row:
    subsets = sorted({part.subset for part in parts if part.subset})
    same = len({part.spec.name for part in parts}) == 1
    spec = parts[0].spec if same else MetricSpec("main", "main metric")
    nothing, note = all(part.at_chance for part in parts), over([part.job for part in parts])
    return _Row(parts[0].job, ", ".join(subsets), spec, at_chance=nothing, note=note, parts=tuple(parts))


def over(jobs: Sequence[JobResult]) -> str:
    """Return what a mean over the data sets of some jobs is over, and where it is not the whole."""
    return f"Over {', '.join(_set_name(job.dataset, job.pedigree.subset) for job in jobs)}."


def _set_name(dataset: str, subset: str) -> str:
    return f"{dataset} ({subset})" if subset else dataset


def _largest(rows: Sequence[_Row]) -> Iterator[Largest]:
    """Yield the largest |t| of the rows on the same examples; means, and rows with several draws, count as apart."""
    together: dict[tuple[str, frozenset[str]], list[PairedValues]] = defaultdict(list)
    apart = 0
    for row in rows:
        if row.values is not None and row.ids is not None and row.values.numbers.ndim == 2:
            # Jobs on the same images may have them in other orders.
            order = np.argsort(row.ids.to_numpy(str), kind="stable")
            together[row.job.dataset, frozenset(row.ids)].append(row.values.reordered(order))
        else:
            apart += row.values is not None or bool(row.parts)
    yield independent(apart)
    for alike in together.values():
        columns = [values.flat[0] - values.flat[1] for values in alike]
        yield largest_of(np.column_stack(columns), clusters=alike[0].clusters)
