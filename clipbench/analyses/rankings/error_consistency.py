"""Whether models are right and wrong about the same images, beyond what their accuracies explain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from typing import ClassVar

import numpy as np
import pandas as pd

from clipbench.analyses.base import AnalysisSettings, Evidence, Finding
from clipbench.analyses.comparable import read_clusters, read_correct, side_by_side, subject_of
from clipbench.analyses.robustness.matched_pairs import verdict_on
from clipbench.arrays import BoolArray, Float64Array, IntArray
from clipbench.metrics.specs import ColumnSpec, MetricSpec, TableSpec
from clipbench.results.records import JobResult
from clipbench.stats.bootstrap import RESAMPLES, SEED, bootstrap_multinomial, bootstrap_units
from clipbench.stats.clusters import design
from clipbench.stats.intervals import Interval
from clipbench.tasks.base import Metric

FEWEST = 5
"""Images that both models are right about, that both are wrong about, and that only one is right about: with fewer of
any of these, resamples hardly vary, and a 95 % interval of them covers far less often than it says."""

CELLS = ("both_right", "both_wrong", "only_first", "only_second")
"""What two models may be about an image."""

CONSISTENCY = MetricSpec(
    "error_consistency",
    "error consistency",
    "kappa",
    None,
    "how much more often two models are both right or both wrong about an image than their accuracies alone would "
    "make them, as a share of the most that is possible (Cohen's kappa); the mean over pairs of models. 0: not more "
    "often; 1: always.",
    "Geirhos, Meding and Wichmann 2020",
)
PAIRS = TableSpec(
    "error_consistency",
    "Pairs of models",
    (
        ColumnSpec("first"),
        ColumnSpec("second"),
        ColumnSpec("kappa", unit="kappa", low="low", high="high"),
        ColumnSpec("both_right", unit="count"),
        ColumnSpec("both_wrong", unit="count"),
        ColumnSpec("only_first", "only the first is right", "count"),
        ColumnSpec("only_second", "only the second is right", "count"),
    ),
    largest_by="kappa",
)


class ErrorConsistency:
    """Cohen's kappa of being right, for each two models on the same images with the same prompts.

    As in section 2 of Geirhos, Meding and Wichmann 2020, "Beyond accuracy: quantifying trial-by-trial behaviour of CNNs
    and humans by measuring error consistency", arXiv 2006.16736.
    """

    name: ClassVar[str] = "error_consistency"
    protocol: ClassVar[int] = 1
    tasks: ClassVar[tuple[str, ...]] = ("zero_shot",)
    automatic: ClassVar[bool] = True
    label: ClassVar[str] = "error consistency"
    metrics: ClassVar[tuple[MetricSpec, ...]] = (CONSISTENCY,)
    tables: ClassVar[tuple[TableSpec, ...]] = (PAIRS,)
    Settings = AnalysisSettings

    def analyse(self, evidence: Evidence, settings: AnalysisSettings) -> Sequence[Finding]:
        """Set every two models side by side; jobs with several labels an image have no one right answer."""
        jobs = [job for job in evidence.jobs if any(record.metric == "top1" for record in job.records)]
        return side_by_side(jobs, partial(_finding, evidence))


def _finding(evidence: Evidence, jobs: Sequence[JobResult]) -> Finding:
    models, correct = [job.model for job in jobs], read_correct(jobs, evidence.examples)[:, :, 0]
    n = correct.shape[1]
    cells = _cells(correct, np.ones((1, n), np.int64))[0]
    kappa = cohens_kappa(cells)
    clusters = read_clusters(jobs, evidence.examples)
    enough = design(correct[0], clusters) is not None
    intervals = _intervals(correct, cells, clusters) if enough else [None] * len(cells)
    mean = _mean_interval(correct, intervals, np.isfinite(kappa), clusters)
    first, second = zip(*combinations(models, 2), strict=True)
    table = {"first": first, "second": second, "kappa": kappa}
    table |= {end: [getattr(interval, end, None) for interval in intervals] for end in ("low", "high")}
    table |= {name: cells[:, place] for place, name in enumerate(CELLS)} | {"n": n}
    pairs = int(np.count_nonzero(np.isfinite(kappa)))
    params = {"models": len(models), "pairs": pairs, "seed": SEED, "resamples": RESAMPLES}
    value = float(np.nanmean(kappa)) if pairs else None
    metric = Metric(CONSISTENCY.name, value, n, mean, CONSISTENCY.unit, main=True, params=params)
    return Finding(
        subject_of(jobs),
        (metric,),
        {PAIRS.name: pd.DataFrame(table)},
        tuple(job.hash for job in jobs),
        verdict=verdict_on(metric),
    )


def cohens_kappa(cells: IntArray) -> Float64Array:
    """Return (c_obs - c_exp) / (1 - c_exp) of how often two models agree; NaN where c_exp is 1.

    Args:
        cells: (..., 4) images by `CELLS`, one of them at least.
    """
    n = cells.sum(axis=-1)
    both_right, _, only_first, only_second = np.moveaxis(cells, -1, 0)
    first, second = both_right + only_first, both_right + only_second
    # 1 - kappa is (1 - c_obs) / (1 - c_exp): whole numbers over n^2, so that equal ones are equal.
    apart, by_chance = n * (only_first + only_second), n * (first + second) - 2 * first * second
    kappa: Float64Array = 1 - np.divide(apart, by_chance, out=np.full(n.shape, np.nan), where=by_chance > 0)
    return kappa


def _cells(correct: BoolArray, weights: IntArray) -> IntArray:
    """Count (b, P, 4) images by `CELLS` for each pair of M models, from (M, n) right answers and (b, n) weights."""
    # float32 holds whole numbers to 2^24, and multiplies fast.
    right, drawn = correct.astype(np.float32), weights.astype(np.float32)
    both = np.hstack([drawn @ (right[model] * right[model + 1 :]).T for model in range(len(right) - 1)])
    first, second = ((drawn @ right.T)[:, place] for place in np.triu_indices(len(right), 1))
    n = drawn.sum(axis=1, keepdims=True)
    cells = np.stack([both, n - first - second + both, first - both, second - both], axis=-1)
    return cells.astype(np.int64)


def _intervals(correct: BoolArray, cells: IntArray, clusters: IntArray | None) -> list[Interval | None]:
    """Return the interval of each pair's kappa over images, or their clusters; None where it would not cover."""
    both_right, both_wrong, *single = cells.T
    covers = np.minimum(np.minimum(both_right, both_wrong), np.sum(single, axis=0)) >= FEWEST
    if clusters is None:
        found = [bootstrap_multinomial(row, cohens_kappa) for row in cells[covers]]
    else:
        found = list(_resampled(correct, clusters, lambda kappas: kappas[:, covers])) if covers.any() else []
    remaining = iter(found)
    return [next(remaining) if fits else None for fits in covers.tolist()]


def _resampled(
    correct: BoolArray, clusters: IntArray | None, statistic: Callable[[Float64Array], Float64Array]
) -> tuple[Interval, ...]:
    """Return the intervals of statistics of (b, P) kappas."""
    models, n = correct.shape
    return bootstrap_units(
        n,
        lambda drawn: statistic(cohens_kappa(_cells(correct, drawn))),
        elements=len(CELLS) * models * (models - 1) // 2,
        clusters=clusters,
    )


def _mean_interval(
    correct: BoolArray, intervals: Sequence[Interval | None], defined: BoolArray, clusters: IntArray | None
) -> Interval | None:
    """Return the interval of the mean over pairs that have a kappa; None where one of these has no interval."""
    if len(intervals) == 1 or not any(intervals):
        return intervals[0]
    if not all(interval for interval, known in zip(intervals, defined, strict=True) if known):
        return None
    (mean,) = _resampled(correct, clusters, lambda kappas: kappas[:, defined].mean(axis=1, keepdims=True))
    return mean
