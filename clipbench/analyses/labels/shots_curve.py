"""Accuracy against labelled examples a class, and where it crosses zero-shot accuracy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from clipbench.arrays import BoolArray, Float64Array, IntArray
from clipbench.metrics.specs import ColumnSpec, TableSpec
from clipbench.results.records import JobResult
from clipbench.stats.crossed import KIND, LARGEST_SHARE, crossed_mean
from clipbench.stats.intervals import Interval
from clipbench.tasks.base import Metric

METRIC = "shots_to_match"
UNIT = "examples per class"

STEPS = 8
"""Places for each doubling of the examples at which the interval is looked for."""

SHOTS_CURVE = TableSpec(
    "shots_curve",
    "Accuracy by labelled examples",
    (
        ColumnSpec("what", "classifier"),
        ColumnSpec("examples_per_class", unit="number"),
        ColumnSpec("top1", "top-1", "fraction", "low", "high"),
    ),
)


@dataclass(frozen=True)
class _Point:
    job: JobResult
    examples: float
    ahead: Float64Array
    """(n, S) of each test example and fit: 1 where it alone is right, -1 where zero-shot alone is."""
    pool_share: float = 0.0
    """Which part of the training examples each draw holds."""


@dataclass(frozen=True)
class _Place:
    """A number of examples a class, and the interval of what a head fitted on so many is ahead of zero-shot."""

    examples: float
    low: float
    high: float


def shots_curve(
    zero_shot: JobResult,
    probe: JobResult | None,
    few: Sequence[JobResult],
    examples: Mapping[str, pd.DataFrame],
    clusters: IntArray | None = None,
) -> tuple[pd.DataFrame, Metric | None]:
    """Return the points of one model's curve on one data set, zero-shot first, and where it crosses zero-shot.

    The crossing has no value where it lies below the fewest examples or beyond the most. Its interval holds the numbers
    of examples at which heads are not distinguishable from zero-shot, over images and draws; an end that lies beyond
    the points is not known, and the other one then stands in `at_least` or `at_most` of its params alone. There is none
    without few-shot jobs.

    Args:
        zero_shot: its zero-shot job.
        probe: the probe on the whole training split, or None.
        few: few-shot jobs, of any numbers of shots.
        examples: by job hash the per-example table, rows in one order.
        clusters: (n,) of each example, if they come in clusters.
    """
    right = examples[zero_shot.hash]["correct"].to_numpy(bool)
    points = sorted((_few_point(job, examples[job.hash], right) for job in few), key=lambda point: point.examples)
    if probe is not None:
        last = _probe_point(probe, examples[probe.hash], right)
        # Few-shot fits on as many examples or more say nothing beyond the probe.
        points = [*(point for point in points if point.examples < last.examples), last]
    rows = [_row(point.job.task, point.examples, point.job) for point in points]
    table = pd.DataFrame([_row("zero_shot", 0.0, zero_shot), *rows])
    return table, _crossing(points, clusters) if few else None


def _few_point(job: JobResult, examples: pd.DataFrame, zero_shot: BoolArray) -> _Point:
    assert job.main is not None
    correct, params = examples.filter(like="correct.").to_numpy(np.float64), job.main.params
    return _Point(job, float(params["shots"]), correct - zero_shot[:, None], float(params["pool_share"]))


def _probe_point(job: JobResult, examples: pd.DataFrame, zero_shot: BoolArray) -> _Point:
    assert job.main is not None
    size = float(job.main.params["n_train"]) / float(job.main.params["n_classes"])
    return _Point(job, size, (examples["correct"].to_numpy(np.float64) - zero_shot)[:, None])


def _row(what: str, examples: float, job: JobResult) -> dict[str, Any]:
    top1 = next(record for record in job.records if record.metric == "top1")
    ends = {"top1": top1.value, "low": top1.low, "high": top1.high}
    return {"what": what, "examples_per_class": examples, **ends}


def _crossing(points: Sequence[_Point], clusters: IntArray | None) -> Metric:
    means = [float(point.ahead.mean()) for point in points]
    value = first_reached([point.examples for point in points], means)
    low, high = _ends(list(_places(points, clusters)))
    known = low is not None and high is not None
    # Of one that is not known the order of magnitude is all that can be told.
    step = _unit((high - low) / 2 if low is not None and high is not None else value or 1.0)
    low = None if low is None else _rounded(low, step, math.floor)
    high = None if high is None else _rounded(high, step, math.ceil)
    interval = Interval(low, high, KIND) if low is not None and high is not None else None
    found = None if value is None else _rounded(value, step, round)
    params = {} if known else {"at_least": low, "at_most": high}
    return Metric(METRIC, found, len(points[0].ahead), interval, UNIT, params=params)


def first_reached(examples: Sequence[float], ahead: Sequence[float]) -> float | None:
    """Return the smallest number of examples a class at which a head is no longer behind; None where it is not known.

    Args:
        examples: numbers of examples a class, ascending, more than 0.
        ahead: accuracy less the one to be reached, at each.

    Between two points accuracy is taken to be linear in the logarithm of the number (Radford et al. 2021, figure 7).
    None if the first is ahead already, or none ever is.
    """
    for place, reached in enumerate(ahead):
        if reached >= 0:
            if place == 0:
                return None if reached > 0 else examples[0]
            part = ahead[place - 1] / (ahead[place - 1] - reached)
            return float(examples[place - 1] * (examples[place] / examples[place - 1]) ** part)
    return None


def _places(points: Sequence[_Point], clusters: IntArray | None) -> Iterator[_Place]:
    """Yield places from the fewest examples to the most; an interval that is not known reaches everywhere."""
    yield _place(points[0], points[0], 0.0, clusters)
    for first, second in zip(points, points[1:], strict=False):
        steps = math.ceil(STEPS * math.log2(second.examples / first.examples))
        yield from (_place(first, second, step / steps, clusters) for step in range(1, steps + 1))


def _place(first: _Point, second: _Point, part: float, clusters: IntArray | None) -> _Place:
    examples = first.examples * (second.examples / first.examples) ** part
    used = [point for point, weight in ((first, 1 - part), (second, part)) if weight]
    share = max(point.pool_share for point in used)
    few = [point.ahead.shape[1] for point in used if point.job.task == "few_shot"]
    found = None
    if share <= LARGEST_SHARE and min(few, default=2) > 1:
        # Draws of one seed are nested, so that their errors go together.
        draws = min(few, default=1)
        mixed = (1 - part) * first.ahead[:, :draws] + part * second.ahead[:, :draws]
        found = crossed_mean(mixed, pool_share=share, clusters=clusters).interval()
    return _Place(examples, found.low if found else -math.inf, found.high if found else math.inf)


def _ends(places: Sequence[_Place]) -> tuple[float | None, float | None]:
    """Return between which numbers of examples heads are not distinguishable from zero-shot; None: beyond the points."""
    held = [place for place, found in enumerate(places) if found.low <= 0 <= found.high]
    if not held:
        # Between two places it goes from surely behind to surely ahead, or never does.
        held = [place for place, found in enumerate(places) if found.low > 0][:1]
        if not held or held[0] == 0:
            at_most, at_least = (places[0].examples, None) if held else (None, places[-1].examples)
            return at_least, at_most
        return places[held[0] - 1].examples, places[held[0]].examples
    low = places[held[0] - 1].examples if held[0] else None
    high = places[held[-1] + 1].examples if held[-1] + 1 < len(places) else None
    return low, high


def _unit(size: float) -> float:
    """Return the place value of the leading digit, at least 1: examples are whole."""
    return max(1.0, 10.0 ** math.floor(math.log10(size))) if size > 0 else 1.0


def _rounded(value: float, step: float, to: Any) -> float:
    """Round to a step, or to the value's own leading digit where that is finer."""
    step = min(step, _unit(value))
    return float(max(1, to(value / step)) * step)
