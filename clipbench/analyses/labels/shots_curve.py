"""Accuracy against labelled examples a class, and where it crosses zero-shot accuracy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from clipbench.arrays import BoolArray, Float64Array, IntArray
from clipbench.metrics.specs import ColumnSpec, TableSpec
from clipbench.results.records import JobResult
from clipbench.stats.crossed import KIND, LARGEST_SHARE, CrossedMean, crossed_mean
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
class Point:
    """Heads fitted on some number of examples a class."""

    examples: float
    ahead: Float64Array
    """(n, S) of each test example and fit: 1 where it alone is right, -1 where zero-shot alone is."""
    drawn: bool
    """Whether the S fits are random draws of a training split; else there is one, on all of it."""
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
    found = [(job, _few_point(job, examples[job.hash], right)) for job in few]
    found.sort(key=lambda pair: pair[1].examples)
    if probe is not None:
        last = _probe_point(probe, examples[probe.hash], right)
        # Few-shot fits on as many examples or more say nothing beyond the probe.
        found = [*((job, point) for job, point in found if point.examples < last.examples), (probe, last)]
    rows = [_row(job.task, point.examples, job) for job, point in found]
    table = pd.DataFrame([_row("zero_shot", 0.0, zero_shot), *rows])
    return table, crossing([point for _, point in found], clusters) if few else None


def _few_point(job: JobResult, examples: pd.DataFrame, zero_shot: BoolArray) -> Point:
    assert job.main is not None
    correct, params = examples.filter(like="correct.").to_numpy(np.float64), job.main.params
    return Point(float(params["shots"]), correct - zero_shot[:, None], True, float(params["pool_share"]))


def _probe_point(job: JobResult, examples: pd.DataFrame, zero_shot: BoolArray) -> Point:
    assert job.main is not None
    size = float(job.main.params["n_train"]) / float(job.main.params["n_classes"])
    return Point(size, (examples["correct"].to_numpy(np.float64) - zero_shot)[:, None], False)


def _row(what: str, examples: float, job: JobResult) -> dict[str, Any]:
    top1 = next(record for record in job.records if record.metric == "top1")
    ends = {"top1": top1.value, "low": top1.low, "high": top1.high}
    return {"what": what, "examples_per_class": examples, **ends}


def crossing(points: Sequence[Point], clusters: IntArray | None) -> Metric:
    """Return the number of examples a class at which heads match zero-shot, as told of `shots_curve`."""
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


def _places(points: Sequence[Point], clusters: IntArray | None) -> Iterator[_Place]:
    """Yield places from the fewest examples to the most; an interval that is not known reaches everywhere."""
    at = [_mean(point.ahead, [point], clusters) for point in points]
    for place, point in enumerate(points):
        if place:
            yield from _between(points[place - 1], point, clusters)
        yield _place(point.examples, at[place])


def _between(first: Point, second: Point, clusters: IntArray | None) -> Iterator[_Place]:
    """Yield the places between two points, where accuracies and so variances are interpolated with them."""
    # Draws of one seed are nested, so that their errors go together.
    draws = min((point.ahead.shape[1] for point in (first, second) if point.drawn), default=1)
    ends = first.ahead[:, :draws], second.ahead[:, :draws]
    three = [_mean((1 - part) * ends[0] + part * ends[1], [first, second], clusters) for part in (0, 0.5, 1)]
    steps = math.ceil(STEPS * math.log2(second.examples / first.examples))
    for part in (step / steps for step in range(1, steps)):
        mixed = _interpolated([found for found in three if found], part)
        yield _place(first.examples * (second.examples / first.examples) ** part, mixed)


def _interpolated(three: Sequence[CrossedMean], part: float) -> CrossedMean | None:
    """Return what lies between the first and the last; variances are quadratic in the part."""
    if len(three) < 3:
        return None
    weights = (1 - part) * (1 - 2 * part), 4 * part * (1 - part), part * (2 * part - 1)
    value, images, draws = (
        sum(weight * getattr(found, name) for weight, found in zip(weights, three, strict=True))
        for name in ("value", "of_images", "of_draws")
    )
    return replace(three[0], value=value, of_images=max(0.0, images), of_draws=max(0.0, draws))


def _mean(ahead: Float64Array, points: Sequence[Point], clusters: IntArray | None) -> CrossedMean | None:
    """Return the mean of (n, S) differences at these points or between them; None where draws say too little."""
    share, drawn = max(point.pool_share for point in points), any(point.drawn for point in points)
    if share > LARGEST_SHARE or (drawn and ahead.shape[1] == 1):
        return None
    return crossed_mean(ahead, pool_share=share, clusters=clusters)


def _place(examples: float, found: CrossedMean | None) -> _Place:
    interval = found.interval() if found else None
    return _Place(examples, *((interval.low, interval.high) if interval else (-math.inf, math.inf)))


def _ends(places: Sequence[_Place]) -> tuple[float | None, float | None]:
    """Return between which numbers of examples heads are not distinguishable from zero-shot; None: beyond points."""
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
