"""Which models are surely apart on a data set: what may be called the best of a leaderboard's column."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
import pandas as pd

from clipbench.analyses.base import AnalysisSettings, Evidence, Finding
from clipbench.analyses.comparable import SAME, same_examples, subject_of
from clipbench.analyses.rankings.per_example import example_numbers, spec_of
from clipbench.arrays import IntArray
from clipbench.errors import UserError
from clipbench.metrics.specs import ColumnSpec, MetricSpec, TableSpec
from clipbench.results.choice import fullest
from clipbench.results.records import JobResult
from clipbench.stats.combined import KIND
from clipbench.stats.intervals import MIN_EXAMPLES
from clipbench.stats.pairs import Differences, PairedValues, better_and_worse
from clipbench.stats.significance import NORMAL
from clipbench.stats.simultaneous import bonferroni
from clipbench.tasks.base import Metric

APART = MetricSpec(
    "pairs_apart",
    "pairs of models apart",
    "count",
    None,
    "pairs of models of a column whose difference leaves out zero; all pairs of all columns together (Bonferroni). "
    "On the same images by the score test of paired answers, without a table of answers by the models' own intervals.",
)
STANDINGS = TableSpec(
    "standings",
    "Models that are surely apart",
    (
        ColumnSpec("model"),
        ColumnSpec("value", unit="fraction"),
        ColumnSpec("higher", "models surely higher", "count"),
        ColumnSpec("lower", "models surely lower", "count"),
    ),
)


class BestOfColumn:
    """Of each column of a leaderboard, how many models are surely higher or lower than each."""

    name: ClassVar[str] = "best_of_column"
    protocol: ClassVar[int] = 1
    tasks: ClassVar[tuple[str, ...]] = ()
    automatic: ClassVar[bool] = True
    label: ClassVar[str] = "best of each column"
    metrics: ClassVar[tuple[MetricSpec, ...]] = (APART,)
    tables: ClassVar[tuple[TableSpec, ...]] = (STANDINGS,)
    Settings = AnalysisSettings

    def analyse(self, evidence: Evidence, settings: AnalysisSettings) -> Sequence[Finding]:
        """Compare all pairs of the models that a column holds, by the metric that stands for their jobs."""
        columns = list(_columns(evidence.jobs))
        family = sum(len(jobs) * (len(jobs) - 1) // 2 for jobs in columns)
        return [_finding(jobs, evidence, family) for jobs in columns]


def _columns(jobs: Sequence[JobResult]) -> Iterator[Sequence[JobResult]]:
    """Yield the jobs that stand in one column and were measured alike: two at least."""
    alike: dict[tuple[str, ...], list[JobResult]] = defaultdict(list)
    for job in fullest(jobs):
        if job.main is not None and job.main.value is not None:
            column = (job.dataset, job.split, job.task, job.variant, job.main.metric, job.main.unit)
            alike[(*column, *(getattr(job.pedigree, part) for part in SAME))].append(job)
    return (group for group in alike.values() if len(group) > 1)


def _finding(jobs: Sequence[JobResult], evidence: Evidence, family: int) -> Finding:
    critical = bonferroni(family)
    try:
        directions, paired = _of_the_same_images(jobs, evidence, critical), True
    except UserError:
        directions, paired = _of_intervals(jobs, critical), False
    better, worse = better_and_worse(directions, len(jobs))
    models, values = [job.model for job in jobs], [job.main.value for job in jobs if job.main]
    about, params = subject_of(jobs), {"paired": paired, "family": family, "critical": round(critical, 4)}
    apart = Metric(APART.name, float(np.abs(directions).sum()), about.n, unit=APART.unit, main=True, params=params)
    standings = pd.DataFrame({"model": models, "value": values, "higher": better, "lower": worse})
    return Finding(about, (apart,), {STANDINGS.name: standings}, tuple(job.hash for job in jobs))


def _of_the_same_images(jobs: Sequence[JobResult], evidence: Evidence, critical: float) -> IntArray:
    """Return of each pair of jobs whether the first is surely higher, 1, or lower, -1.

    Raises:
        UserError: tables cannot be read, hold other examples, or do not hold what the jobs' metric is the mean of.
    """
    found = _answers(jobs, evidence)
    recorded = np.array([job.main.value for job in jobs if job.main], np.float64)
    if not np.allclose(found.values, recorded, rtol=0, atol=1e-6):
        raise UserError("the per-example tables say another value than the records", where=jobs[0].dataset)
    if found.n < MIN_EXAMPLES:
        return np.zeros(len(jobs) * (len(jobs) - 1) // 2, np.int64)
    # With the weights of its class each image is one number more, which is fast, and no narrower than within classes.
    plain = found if found.strata is None else PairedValues(found.flat, found.clusters)
    return plain.differences(critical).directions


def _answers(jobs: Sequence[JobResult], evidence: Evidence) -> PairedValues:
    """Read what each job's metric is the mean of, and no other columns."""
    spec = spec_of(jobs[0], jobs[0].main.metric if jobs[0].main else "")
    columns = [name for name in ("id", "label", "cluster", spec.per_example, spec.within) if name]
    first, *others = (evidence.examples(job.hash, columns) for job in jobs)
    numbers, strata = example_numbers(spec, first)
    if numbers.ndim > 1:
        raise UserError(f"{spec.label} depends on random draws too, which only its own interval is over")
    found = [numbers]
    for table in others:
        if not (table["id"].equals(first["id"]) and ("label" not in table or table["label"].equals(first["label"]))):
            named = table.set_index("id")
            if not same_examples(first.set_index("id"), named):
                raise UserError("the jobs have other examples or labels", where=jobs[0].dataset)
            table = named.loc[first["id"]]
        found.append(example_numbers(spec, table)[0])
    clusters = pd.factorize(first["cluster"])[0].astype(np.int64) if "cluster" in first else None
    return PairedValues(np.stack(found), clusters, strata)


def _of_intervals(jobs: Sequence[JobResult], critical: float) -> IntArray:
    """Return the same by the models' own intervals, as if of other images each: wider than what the same images tell.

    Distances to the ends are added in squares (Zou & Donner 2008, "Construction of confidence limits about effect
    measures"); without an interval nothing is apart.
    """
    records = [job.main for job in jobs if job.main]
    ends = [(record.low, record.value, record.high) if record.level == 0.95 else (None,) * 3 for record in records]
    low, value, high = np.array(ends, np.float64).T
    first, second = np.triu_indices(len(jobs), 1)
    apart = value[first] - value[second]
    below = np.hypot(value[first] - low[first], high[second] - value[second]) * critical / NORMAL
    above = np.hypot(high[first] - value[first], value[second] - low[second]) * critical / NORMAL
    return Differences(apart, apart - below, apart + above, KIND).directions
