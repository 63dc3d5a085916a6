"""What a metric is the mean of, example by example, as its task declares it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clipbench.analyses.comparable import same_examples
from clipbench.arrays import IntArray
from clipbench.errors import UserError
from clipbench.metrics.specs import Declared, MetricSpec
from clipbench.results.records import JobResult, at_chance
from clipbench.stats.pairs import PairedValues
from clipbench.tasks.registry import TASKS, load_task


def example_numbers(spec: MetricSpec, table: pd.DataFrame) -> tuple[NDArray[np.generic], IntArray | None]:
    """Return (n,) truth values or numbers, or (n, S) under S draws; and (n,) strata that the mean is within first.

    Args:
        spec: of the metric.
        table: the per-example table of a job.

    Raises:
        UserError: the metric declares no column, or the table lacks it.
    """
    if not spec.per_example:
        raise UserError(f"{spec.label} is not declared to be a mean over examples")
    stem, draws, _ = spec.per_example.partition("*")
    columns = [str(name) for name in table if str(name).startswith(stem)] if draws else [stem]
    wanted = [*(columns or [spec.per_example]), *([spec.within] if spec.within else [])]
    if lacking := [name for name in wanted if name not in table]:
        raise UserError(f"the per-example table has no column {lacking[0]!r}, which {spec.label} is the mean of")
    numbers = table[columns].to_numpy()
    if numbers.dtype != np.bool_:
        numbers = pd.DataFrame(numbers).apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
        if not np.isfinite(numbers).all():
            raise UserError(f"the column {spec.per_example!r} does not hold a number for every example")
    strata = np.unique(table[spec.within], return_inverse=True)[1].astype(np.int64) if spec.within else None
    return (numbers if draws else numbers[:, 0]), strata


def columns_of(spec: MetricSpec) -> list[str] | None:
    """Return the columns of a per-example table a metric is compared by; None for all, where each draw has one."""
    return None if "*" in spec.per_example else ["id", "label", "cluster", spec.per_example, spec.within]


def spec_of(job: JobResult, metric: str) -> MetricSpec:
    """Return how a metric of a job is declared."""
    return (Declared.by(load_task(job.task)) if job.task in TASKS else job.declared).metric(metric)


@dataclass(frozen=True)
class JobValues:
    """What one job made of n examples."""

    table: pd.DataFrame
    """Its per-example table, by id."""
    values: PairedValues
    """Of this model alone."""
    at_chance: bool
    """Whether its metric is not above chance."""

    @classmethod
    def of(cls, job: JobResult, table: pd.DataFrame, metric: str, like: JobValues | None = None) -> JobValues:
        """Find them, in the order of another job on the same examples.

        Raises:
            UserError: the metric is no mean over examples, or its examples do not average to the record's value; or the
                other job has other examples, labels or draws.
        """
        where, spec, table = f"{job.model} on {job.dataset}", spec_of(job, metric), table.set_index("id")
        if like is not None:
            if not same_examples(like.table, table):
                raise UserError("the jobs have other examples or labels", where=where)
            table = table if table.index.equals(like.table.index) else table.loc[like.table.index]
        try:
            numbers, strata = example_numbers(spec, table)
        except UserError as error:
            raise UserError(error.problem, where=where) from error
        if like is not None and numbers.shape != like.values.numbers.shape[1:]:
            raise UserError("the jobs have different numbers of draws", where=where)
        clusters = np.unique(table["cluster"], return_inverse=True)[1].astype(np.int64) if "cluster" in table else None
        (record,) = (record for record in job.records if record.metric == metric)
        found = PairedValues(numbers[None], clusters, strata, float(record.params.get("pool_share", 0)))
        if record.value is None or abs(found.values[0] - record.value) > 1e-6:
            problem = f"its examples average to {found.values[0]:.6g} and not to its {spec.label}, {record.value}"
            raise UserError(problem, where=where)
        return cls(table, found, at_chance(record))


def paired(jobs: Sequence[JobValues]) -> PairedValues:
    """Return what several jobs made of the same examples, in the same order."""
    first = next((job.values for job in jobs if job.values.clusters is not None), jobs[0].values)
    return replace(first, numbers=np.concatenate([job.values.numbers for job in jobs]))


def metric_names(job: JobResult) -> set[str]:
    """Name the metrics of a job."""
    return {record.metric for record in job.records}
