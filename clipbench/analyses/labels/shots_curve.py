"""Accuracy against labelled examples a class, and where it crosses zero-shot accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clipbench.arrays import BoolArray, Float64Array, IntArray
from clipbench.metrics.specs import ColumnSpec, TableSpec
from clipbench.results.records import JobResult
from clipbench.stats.bootstrap import SEED, resampled_units
from clipbench.stats.intervals import Interval
from clipbench.tasks.base import Metric

RESAMPLES = 1000
METRIC = "shots_to_match"
UNIT = "examples per class"


SHOTS_CURVE = TableSpec(
    "shots_curve",
    "Accuracy by labelled examples",
    (
        ColumnSpec("what", "classifier"),
        ColumnSpec("examples_per_class", unit="number"),
        ColumnSpec("top1", "top-1", "fraction", "low", "high"),
        ColumnSpec("seeds_low", "lower end over draws", "fraction"),
        ColumnSpec("seeds_high", "upper end over draws", "fraction"),
    ),
)


@dataclass(frozen=True)
class _Point:
    job: JobResult
    examples: float
    correct: BoolArray
    """(n, S) whether each fit is right about each test example."""


def shots_curve(
    zero_shot: JobResult, probe: JobResult | None, few: Sequence[JobResult], examples: Mapping[str, pd.DataFrame]
) -> tuple[pd.DataFrame, Metric | None]:
    """Return the points of one model's curve on one data set, zero-shot first, and where it crosses zero-shot.

    The crossing has no value where it lies below the fewest examples or beyond the most; `below` and `beyond` are the
    shares of resamples in which it does. There is none without few-shot jobs.

    Args:
        zero_shot: its zero-shot job.
        probe: the probe on the whole training split, or None.
        few: few-shot jobs, of any numbers of shots.
        examples: by job hash the per-example table, rows in one order.
    """
    points = sorted((_few_point(job, examples[job.hash]) for job in few), key=lambda point: point.examples)
    if probe is not None:
        last = _probe_point(probe, examples[probe.hash])
        # Few-shot fits on as many examples or more say nothing beyond the probe.
        points = [*(point for point in points if point.examples < last.examples), last]
    rows = [_row(point.job.task, point.examples, point.job) for point in points]
    table = pd.DataFrame([_row("zero_shot", 0.0, zero_shot), *rows])
    if not few:
        return table, None
    return table, _crossing(points, examples[zero_shot.hash]["correct"].to_numpy(bool))


def _few_point(job: JobResult, examples: pd.DataFrame) -> _Point:
    assert job.main is not None
    return _Point(job, float(job.main.params["shots"]), examples.filter(like="correct.").to_numpy(bool))


def _probe_point(job: JobResult, examples: pd.DataFrame) -> _Point:
    assert job.main is not None
    size = float(job.main.params["n_train"]) / float(job.main.params["n_classes"])
    return _Point(job, size, examples[["correct"]].to_numpy(bool))


def _row(what: str, examples: float, job: JobResult) -> dict[str, Any]:
    records = {record.metric: record for record in job.records}
    top1, seeds = records["top1"], records.get("top1_over_seeds")
    return {
        "what": what,
        "examples_per_class": examples,
        "top1": top1.value,
        "low": top1.low,
        "high": top1.high,
        "seeds_low": seeds.low if seeds else None,
        "seeds_high": seeds.high if seeds else None,
    }


def _crossing(points: Sequence[_Point], zero_shot: BoolArray) -> Metric:
    numbers = np.array([point.examples for point in points])
    observed = np.array([[point.correct.mean() for point in points]])
    value = float(examples_to_reach(numbers, observed, zero_shot.mean()[None])[0])
    drawn = _resampled(numbers, points, zero_shot)
    low, high = np.quantile(drawn, [0.025, 0.975], method="inverted_cdf")
    finite = np.isfinite([value, low, high])
    interval = Interval(float(low), float(high), "bootstrap") if finite[1:].all() else None
    params = {
        "seed": SEED,
        "resamples": RESAMPLES,
        "below": float(np.mean(drawn == -np.inf)),
        "beyond": float(np.mean(drawn == np.inf)),
    }
    return Metric(METRIC, value if finite[0] else None, len(zero_shot), interval, UNIT, params=params)


def _resampled(numbers: Float64Array, points: Sequence[_Point], zero_shot: BoolArray) -> Float64Array:
    """Return the crossing in resamples of the test examples, the same ones for all, and of the seeds.

    Points with equally many seeds get the same ones: the draws of one seed are nested, so their errors go together.
    """
    n = len(zero_shot)
    every = np.column_stack([zero_shot, *(point.correct for point in points)]).astype(np.float32)
    random = np.random.default_rng(SEED + 1)
    crossings = []
    for weights in resampled_units(n, resamples=RESAMPLES):
        # Whole numbers until the one division at the end, so that equal accuracies are equal.
        right = np.rint(weights.astype(np.float32) @ every).astype(np.int64)
        drawn: dict[int, IntArray] = {}
        curves, place = [], 1
        for point in points:
            seeds = point.correct.shape[1]
            if seeds not in drawn:
                drawn[seeds] = random.integers(0, seeds, (len(weights), seeds))
            chosen = np.take_along_axis(right[:, place : place + seeds], drawn[seeds], axis=1)
            curves.append(chosen.sum(axis=1) / (n * seeds))
            place += seeds
        crossings.append(examples_to_reach(numbers, np.column_stack(curves), right[:, 0] / n))
    return np.concatenate(crossings)


def examples_to_reach(examples: NDArray[Any], accuracies: NDArray[Any], level: NDArray[Any]) -> Float64Array:
    """Return the smallest number of examples a class at which an accuracy is reached.

    Args:
        examples: (P,) numbers of examples a class, ascending, more than 0.
        accuracies: (B, P) accuracy at each.
        level: (B,) the accuracy to be reached.

    Between two points accuracy is taken to be linear in the logarithm of the number (Radford et al. 2021, figure
    7); where a curve falls again, the first crossing counts. -inf where the first point is above the level
    already, inf where none reaches it.

    Raises:
        ValueError: the numbers are not ascending and positive.
    """
    numbers = np.asarray(examples, np.float64)
    if not len(numbers) or (numbers <= 0).any() or (np.diff(numbers) <= 0).any():
        raise ValueError(f"needs ascending numbers of examples above 0, got {numbers.tolist()}")
    curves, wanted = np.asarray(accuracies, np.float64), np.asarray(level, np.float64)[:, None]
    reached = curves >= wanted
    first = reached.argmax(axis=1)
    found = np.full(len(curves), np.inf)
    found[reached[:, 0]] = np.where(curves[reached[:, 0], 0] > wanted[reached[:, 0], 0], -np.inf, numbers[0])
    inside = np.flatnonzero(reached.any(axis=1) & (first > 0))
    after = first[inside]
    low, high = curves[inside, after - 1], curves[inside, after]
    part = (wanted[inside, 0] - low) / (high - low)
    logs = np.log(numbers)
    found[inside] = np.exp(logs[after - 1] + part * (logs[after] - logs[after - 1]))
    return found
