"""Accuracy against labelled examples per class, all models of one data set in one figure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from clipbench.report.figures import axes
from clipbench.report.figures.figures import SERIES, Figure, Trace, errors, hover, plane, stroke, trace
from clipbench.report.leaderboard import OF_THE_MODEL, Column, Leaderboard
from clipbench.report.text import numbers
from clipbench.report.text.claims import floor
from clipbench.report.text.declared import label_of_task
from clipbench.results.records import JobResult, Record

HEIGHT = 330

OF_THE_TOWER = tuple(part for part in OF_THE_MODEL if part not in ("tokenizer", "scale"))
"""Of a model's parts those that its features rest on; a head fitted on them has no tokenizer."""

_DODGE = 1.035
"""Factor between two models' places, so that their intervals do not hide each other."""


@dataclass(frozen=True)
class ShotsChart:
    """The figure of one data set."""

    name: str
    columns: tuple[Column, ...]
    """Of the leaderboard, by number of shots; they need no figure of their own."""
    figure: Figure
    series: tuple[tuple[str, int], ...]
    """Models with the number of their colour, in the leaderboard's order."""
    legend: str
    left_out: int
    """Models for which there are no colours left."""


@dataclass(frozen=True)
class _Point:
    task: str
    examples: float
    """Per class; 0 for zero-shot."""
    top1: Record
    spread: Record | None
    """Standard deviation over draws."""


def charts(leaderboard: Leaderboard) -> tuple[ShotsChart, ...]:
    """Draw each data set with few-shot jobs at several numbers of shots; zero-shot and a probe stand beside them."""
    grouped: dict[tuple[str, ...], list[Column]] = defaultdict(list)
    for column in leaderboard.columns:
        condition = column.measurement.condition
        if column.spec.name and condition.shots is not None:
            rest = ", ".join(replace(condition, shots=None).words)
            grouped[column.dataset, column.split, column.subset, rest].append(column)
    several = {key: tuple(columns) for key, columns in grouped.items() if len(columns) > 1}
    crowded = [key[0] for key in several]
    names = {key: key[0] if crowded.count(key[0]) == 1 else _name(key) for key in several}
    made = (_chart(names[key], columns, leaderboard) for key, columns in several.items())
    return tuple(chart for chart in made if chart)


def _name(key: Sequence[str]) -> str:
    return f"{key[0]} ({', '.join(part for part in key[1:] if part)})" if any(key[1:]) else key[0]


def _chart(name: str, columns: tuple[Column, ...], leaderboard: Leaderboard) -> ShotsChart | None:
    models = leaderboard.models
    found = {model: points for model in models if (points := _points(model, columns, leaderboard))}
    if not found:
        return None
    shown = {model: found[model] for model in list(found)[:SERIES]}
    series = {model: models.index(model) if len(models) <= SERIES else place for place, model in enumerate(shown)}
    labelled = [point.examples for points in shown.values() for point in points if point.examples > 0]
    traces: list[Trace] = []
    for place, (model, points) in enumerate(shown.items()):
        pale = any(cell.footnote for column in columns if (cell := column.cells.get(model)))
        shift = _DODGE ** (place - (len(shown) - 1) / 2)
        levels = [_level(model, point, labelled) for point in points if point.examples <= 0]
        line = _line(model, [point for point in points if point.examples > 0], shift)
        line["opacity"] = 0.4 if pale else 1.0
        traces += [drawn | {"meta": {"series": series[model]}} for drawn in (*levels, line)]
    chance = _chance(shown)
    if chance is not None:
        ends = [min(labelled), max(labelled)]
        traces.append(stroke(ends, [chance] * 2, "baseline", 1.2, dash="dot"))
    axis = axes.counts(labelled, "labelled examples per class")
    figure = plane(
        traces,
        axis,
        axes.percent([*_heights(shown), *([] if chance is None else [chance])]),
        HEIGHT,
        _summary(name, shown),
    )
    legend = "; ".join([*_legend(shown), *([] if chance is None else ["dotted: chance"])])
    return ShotsChart(name, columns, figure, tuple(series.items()), legend, len(found) - len(shown))


def _points(model: str, columns: Sequence[Column], leaderboard: Leaderboard) -> list[_Point]:
    """Return a model's points by ascending number of examples; none where it has no few-shot value."""
    jobs = [cell.job for column in columns if (cell := column.cells.get(model)) and cell.job.status == "done"]
    found = [point for job in jobs if (point := _of_job(job))]
    for task, same in (("zero_shot", ()), ("linear_probe", ("features", "normalised"))) if found else ():
        others = (job for job in leaderboard.jobs if job.task == task and _beside(job, jobs[0], same))
        found += [point for job in others if (point := _of_job(job))][:1]
    return sorted(found, key=lambda point: point.examples)


def _beside(job: JobResult, few: JobResult, same: Sequence[str]) -> bool:
    """Return whether a job is of a few-shot job's model and was tested on the same images, with the same parameters."""
    if job.main is None or few.main is None or (job.model, job.dataset) != (few.model, few.dataset):
        return False
    differ = {*job.pedigree.differences(few.pedigree)} & {*OF_THE_TOWER, "data", "labels", "subset"}
    return not differ and all(job.main.params.get(name) == few.main.params.get(name) for name in same)


def _of_job(job: JobResult) -> _Point | None:
    records = {record.metric: record for record in job.records}
    top1, spread, examples = records.get("top1"), records.get("top1_sd_over_draws"), _examples(job)
    if top1 is None or top1.value is None or examples is None:
        return None
    return _Point(job.task, examples, top1, spread)


def _examples(job: JobResult) -> float | None:
    """Return how many labelled examples per class a head was fitted on; 0 for zero-shot."""
    if job.condition.shots is not None or job.task == "zero_shot":
        return float(job.condition.shots or 0)
    params = job.main.params if job.main else {}
    n, classes = params.get("n_train"), params.get("n_classes")
    return n / classes if isinstance(n, int) and isinstance(classes, int) and n > 0 and classes > 0 else None


def _line(model: str, points: Sequence[_Point], shift: float) -> Trace:
    x, y = [point.examples * shift for point in points], [point.top1.value for point in points]
    whole = [point.task == "linear_probe" for point in points]
    marker = {
        "opacity": 1,
        "size": [11 if probe else 6.5 for probe in whole],
        "symbol": ["diamond" if probe else "circle" for probe in whole],
    }
    hovers = [_hover(model, point) for point in points]
    return trace(x, y, hovers, error_y=errors([point.top1 for point in points]), marker=marker, cliponaxis=True)


def _level(model: str, point: _Point, labelled: Sequence[float]) -> Trace:
    """Draw zero-shot accuracy, which needs no labelled example, across the whole figure."""
    # Points between the ends are there to be hovered over.
    low, high = min(labelled), max(labelled)
    steps = [low * (high / low) ** (step / 8) for step in range(9)]
    line, hovers = {"width": 1.6, "dash": "dash"}, [_hover(model, point)] * len(steps)
    return trace(steps, [point.top1.value] * len(steps), hovers, mode="lines", line=line)


def _hover(model: str, point: _Point) -> str:
    examples = f", {point.examples:,.4g} per class" if point.examples > 0 else ""
    spread = point.spread.value if point.spread else None
    draws = "" if spread is None else f"sd over draws {numbers.with_unit(spread, 'gap')}"
    return hover(model, label_of_task(point.task) + examples, numbers.with_interval(point.top1), draws)


def _heights(shown: Mapping[str, Sequence[_Point]]) -> list[float]:
    """Return all values that the vertical axis must hold."""
    points = [point for found in shown.values() for point in found]
    reached = [point.top1.value for point in points]
    reached += [end for point in points if point.examples > 0 for end in (point.top1.low, point.top1.high)]
    return [value for value in reached if value is not None]


def _chance(shown: Mapping[str, Sequence[_Point]]) -> float | None:
    """Return what has to be exceeded to be above chance; None where nothing is said of it."""
    return max((known for points in shown.values() for point in points if (known := floor(point.top1))), default=None)


def _legend(shown: Mapping[str, Sequence[_Point]]) -> list[str]:
    drawn = {point.task for points in shown.values() for point in points}
    parts = ["Lines: few-shot, mean over draws, with intervals over test images and draws"]
    parts += ["diamonds: linear probe"] if "linear_probe" in drawn else []
    parts += ["dashed: zero-shot"] if "zero_shot" in drawn else []
    return parts


def _summary(name: str, shown: Mapping[str, Sequence[_Point]]) -> str:
    def listed(points: Sequence[_Point]) -> str:
        places = ("zero-shot" if point.examples <= 0 else f"at {point.examples:,.4g}" for point in points)
        values = (numbers.with_unit(point.top1.value) for point in points)
        return ", ".join(f"{value} {place}" for value, place in zip(values, places, strict=True))

    models = "; ".join(f"{model} {listed(points)}" for model, points in shown.items())
    return f"top-1 on {name} by labelled examples per class: {models}"
