"""Which models are surely apart on a data set: what may be called the best of a leaderboard's column."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clipbench.analyses.base import AnalysisSettings, Evidence, Finding
from clipbench.analyses.comparable import SAME, same_examples, subject_of
from clipbench.analyses.rankings.per_example import example_numbers
from clipbench.arrays import Float64Array, IntArray
from clipbench.errors import UserError
from clipbench.metrics.specs import ColumnSpec, Declared, MetricSpec, TableSpec
from clipbench.results.choice import fullest
from clipbench.results.records import JobResult
from clipbench.stats.clusters import MIN_CLUSTERS, cluster_residuals, cluster_sizes, effective_clusters, t_critical
from clipbench.stats.intervals import MIN_EXAMPLES
from clipbench.stats.significance import NORMAL
from clipbench.stats.simultaneous import bonferroni
from clipbench.tasks.base import Metric
from clipbench.tasks.registry import TASKS, load_task

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
        statistics, paired = _of_the_same_images(jobs, evidence, critical), True
    except UserError:
        statistics, paired = _of_intervals(jobs), False
    higher, lower = (statistics < -critical).sum(axis=1), (statistics > critical).sum(axis=1)
    models, values = [job.model for job in jobs], [job.main.value for job in jobs if job.main]
    standings = pd.DataFrame({"model": models, "value": values, "higher": higher, "lower": lower})
    about = subject_of(jobs)
    apart = Metric(
        APART.name,
        float(lower.sum()),
        about.n,
        unit=APART.unit,
        main=True,
        params={"paired": paired, "family": family, "critical": round(critical, 4)},
    )
    return Finding(about, (apart,), {STANDINGS.name: standings}, tuple(job.hash for job in jobs))


def _of_the_same_images(jobs: Sequence[JobResult], evidence: Evidence, critical: float) -> Float64Array:
    """Return (M, M) differences of rows and columns in standard errors.

    Of accuracies this is the statistic of `clipbench.stats.significance.score_test`, of a mean over classes the same
    with a weight for each image, of other means that of a paired t test. Of images in clusters the errors are
    cluster-robust, and stretched as Student's quantile at this critical value is; of too few images or clusters nothing
    is apart.

    Raises:
        UserError: tables cannot be read, hold other examples, or do not hold what the jobs' metric is the mean of.
    """
    numbers, strata, clusters = _answers(jobs, evidence)
    n = numbers.shape[1]
    if n < MIN_EXAMPLES:
        return np.zeros((len(jobs), len(jobs)))
    counts = np.full(1, n) if strata is None else np.bincount(strata)
    weighted = numbers / (np.count_nonzero(counts) * counts[np.zeros(n, int) if strata is None else strata])
    sums = weighted.sum(axis=1)
    values = np.array([job.main.value for job in jobs if job.main], np.float64)
    if not np.allclose(sums, values, rtol=0, atol=1e-6):
        raise UserError("the per-example tables say another value than the records", where=jobs[0].dataset)
    if clusters is not None:
        effective = effective_clusters(cluster_sizes(clusters))
        if effective < MIN_CLUSTERS:
            return np.zeros((len(jobs), len(jobs)))
        residuals = cluster_residuals(weighted.T, clusters)
        products = residuals.T @ residuals * len(residuals) / (len(residuals) - 1)
        return _in_standard_errors(sums, products) * critical / t_critical(critical, effective)
    if numbers.dtype != np.bool_ and strata is None:
        weighted -= weighted.mean(axis=1, keepdims=True)
    return _in_standard_errors(sums, weighted @ weighted.T)


def _in_standard_errors(sums: Float64Array, products: Float64Array) -> Float64Array:
    """Return (M, M) differences of M sums over examples, from the (M, M) sums of the examples' products."""
    squares = np.diag(products)
    variances = np.maximum(squares[:, None] + squares - 2 * products, 0)
    # What is the same on all examples differs by rounding.
    varies = variances > 1e-12 * max(float(squares.max()), 1e-300)
    apart = sums[:, None] - sums
    return np.asarray(np.divide(apart, np.sqrt(variances), out=np.zeros(apart.shape), where=varies))


def _answers(jobs: Sequence[JobResult], evidence: Evidence) -> tuple[NDArray[Any], IntArray | None, IntArray | None]:
    """Return (M, n) what each job's metric is the mean of, and (n,) strata and clusters where there are any."""
    spec = _spec(jobs[0])
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
    return np.stack(found), strata, clusters


def _spec(job: JobResult) -> MetricSpec:
    declared = Declared.by(load_task(job.task)) if job.task in TASKS else job.declared
    return declared.metric(job.main.metric if job.main else "")


def _of_intervals(jobs: Sequence[JobResult]) -> Float64Array:
    """Return (M, M) differences in standard errors by the models' own intervals, as if of other images each.

    Wider than what the same images would tell. Distances to the ends are added in squares (Zou & Donner 2008,
    "Construction of confidence limits about effect measures"); without an interval nothing is apart.
    """
    records = [job.main for job in jobs if job.main]
    ends = [(record.low, record.value, record.high) if record.level == 0.95 else (None,) * 3 for record in records]
    low, value, high = np.array(ends, np.float64).T
    apart = value[:, None] - value
    above, below = (value - low)[:, None], high - value
    distance = np.where(apart > 0, np.hypot(above, below), np.hypot(above.T, below[:, None]))
    known = np.nan_to_num(distance) > 0
    return np.asarray(NORMAL * np.divide(apart, distance, out=np.zeros(apart.shape), where=known))
