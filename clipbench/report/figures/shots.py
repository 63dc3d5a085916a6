"""Accuracy against labelled examples per class, all models of one data set in one figure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clipbench.report.figures import axes
from clipbench.report.figures.figures import SERIES, Figure, text
from clipbench.report.leaderboard import OF_THE_MODEL, Board, Column
from clipbench.report.points import Row, known_rows
from clipbench.report.text import labels, numbers
from clipbench.results.records import JobResult, Record

HEIGHT = 330

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
    what: str
    examples: float
    """Per class."""
    top1: float
    low: float | None
    high: float | None
    over_draws: str


def charts(board: Board, findings: Sequence[JobResult]) -> tuple[ShotsChart, ...]:
    """Draw every data set that has few-shot jobs at several numbers of shots.

    Args:
        board: the leaderboard.
        findings: of analyses; where one rests on a model's few-shot jobs and has a table `shots_curve`, its
            points are drawn, among them zero-shot and the linear probe.
    """
    grouped: dict[tuple[str, ...], list[Column]] = defaultdict(list)
    for column in board.columns:
        if column.metric and labels.shots(column.task, column.variant) is not None:
            rest = labels.without_shots(column.task, column.variant)
            grouped[column.dataset, column.split, column.subset, rest].append(column)
    several = {key: tuple(columns) for key, columns in grouped.items() if len(columns) > 1}
    crowded = [key[0] for key in several]
    names = {key: key[0] if crowded.count(key[0]) == 1 else _name(key) for key in several}
    made = (_chart(names[key], columns, board, findings) for key, columns in several.items())
    return tuple(chart for chart in made if chart)


def _name(key: Sequence[str]) -> str:
    told = ", ".join(part for part in key[1:] if part)
    return f"{key[0]} ({told})" if told else key[0]


def _chart(name: str, columns: tuple[Column, ...], board: Board, findings: Sequence[JobResult]) -> ShotsChart | None:
    found = {model: points for model in board.models if (points := _points(model, columns, board, findings))}
    if not found:
        return None
    shown = list(found)[:SERIES]
    series = {model: board.models.index(model) if len(board.models) <= SERIES else at for at, model in enumerate(shown)}
    labelled = [point.examples for model in shown for point in found[model] if point.examples > 0]
    extent = (min(labelled), max(labelled))
    traces: list[dict[str, Any]] = []
    for at, model in enumerate(shown):
        pale = any(cell.footnote for column in columns if (cell := column.cells.get(model)))
        shift = _DODGE ** (at - (len(shown) - 1) / 2)
        traces += _traces(model, found[model], series[model], extent, shift)
        traces[-1]["opacity"] = 0.4 if pale else 1.0
    return ShotsChart(
        name=name,
        columns=columns,
        figure=Figure(
            {"data": traces, "layout": _layout(found, shown, labelled)}, HEIGHT, _summary(name, found, shown)
        ),
        series=tuple(series.items()),
        legend=_legend(found, shown),
        left_out=len(found) - len(shown),
    )


def _points(model: str, columns: Sequence[Column], board: Board, findings: Sequence[JobResult]) -> list[_Point]:
    """Return a model's points by ascending number of examples; none where it has no few-shot value."""
    jobs = [cell.job for column in columns if (cell := column.cells.get(model)) and cell.job.status == "done"]
    found = [point for job in jobs if (point := _of_job(job))]
    if not found:
        return []
    hashes = {job.hash for job in jobs}
    for finding in findings:
        if finding.model == model and hashes & {*finding.about.get("jobs", ())}:
            known = [_of_row(row) for row in known_rows(finding.tables, "shots_curve")]
            if any(point.what == "few_shot" for point in known):
                return sorted(known, key=lambda point: point.examples)
    probes = (_of_job(job) for job in board.jobs if job.task == "linear_probe" and _fits(job, jobs[0]))
    found += [probe for probe in probes if probe][:1]
    return sorted(found, key=lambda point: point.examples)


def _fits(probe: JobResult, few: JobResult) -> bool:
    """Return whether a probe was fitted on the features of a few-shot job and tested on the same images."""
    if probe.main is None or few.main is None or (probe.model, probe.dataset) != (few.model, few.dataset):
        return False
    differ = {*probe.pedigree.differences(few.pedigree)} & {*OF_THE_MODEL, "data", "labels", "subset"}
    return not differ and all(
        probe.main.params.get(name) == few.main.params.get(name) for name in ("features", "normalised")
    )


def _of_job(job: JobResult) -> _Point | None:
    records = {record.metric: record for record in job.records}
    top1, examples = records.get("top1"), _examples(job)
    if top1 is None or top1.value is None or examples is None:
        return None
    return _Point(job.task, examples, top1.value, top1.low, top1.high, _over_draws(records.get("top1_over_seeds")))


def _examples(job: JobResult) -> float | None:
    """Return how many labelled examples per class a head was fitted on."""
    if (k := labels.shots(job.task, job.variant)) is not None:
        return float(k)
    params = job.main.params if job.main else {}
    n, classes = params.get("n_train"), params.get("n_classes")
    return n / classes if isinstance(n, int) and isinstance(classes, int) and n > 0 and classes > 0 else None


def _over_draws(record: Record | None) -> str:
    return numbers.interval(record) if record else ""


def _of_row(row: Row) -> _Point:
    over = numbers.ends(row.get("seeds_low"), row.get("seeds_high"))
    what = str(row.get("what"))
    return _Point(what, float(row["examples_per_class"]), row["top1"], row.get("low"), row.get("high"), over)


def _traces(
    model: str, points: Sequence[_Point], series: int, extent: tuple[float, float], shift: float
) -> list[dict[str, Any]]:
    fitted = [point for point in points if point.examples > 0]
    line = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [point.examples * shift for point in fitted],
        "y": [point.top1 for point in fitted],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [None if point.high is None else point.high - point.top1 for point in fitted],
            "arrayminus": [None if point.low is None else point.top1 - point.low for point in fitted],
            "thickness": 1.2,
            "width": 2.5,
        },
        "line": {"width": 1.8},
        "marker": {
            "opacity": 1,
            "size": [11 if point.what == "linear_probe" else 6.5 for point in fitted],
            "symbol": ["diamond" if point.what == "linear_probe" else "circle" for point in fitted],
        },
        "customdata": [_hover(model, point) for point in fitted],
        "hovertemplate": "%{customdata}<extra></extra>",
        "meta": {"series": series},
        "showlegend": False,
    }
    return [*(_level(model, point, series, extent) for point in points if point.examples <= 0), line]


def _level(model: str, point: _Point, series: int, extent: tuple[float, float]) -> dict[str, Any]:
    """Draw zero-shot accuracy, which needs no labelled example, across the whole figure."""
    # Points between the ends are there to be hovered over.
    steps = [extent[0] * (extent[1] / extent[0]) ** (step / 8) for step in range(9)]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": steps,
        "y": [point.top1] * len(steps),
        "line": {"width": 1.6, "dash": "dash"},
        "customdata": [_hover(model, point)] * len(steps),
        "hovertemplate": "%{customdata}<extra></extra>",
        "meta": {"series": series},
        "showlegend": False,
    }


def _hover(model: str, point: _Point) -> str:
    examples = f", {point.examples:,.4g} per class" if point.examples > 0 else ""
    lines = [
        f"<b>{text(model)}</b>",
        f"{text(labels.task(point.what))}{examples}",
        f"{numbers.with_unit(point.top1)} {numbers.ends(point.low, point.high)}".rstrip(),
    ]
    if point.over_draws:
        lines.append(f"over draws {point.over_draws}")
    return "<br>".join(lines)


def _layout(found: dict[str, list[_Point]], shown: Sequence[str], labelled: Sequence[float]) -> dict[str, Any]:
    reach = [
        value
        for model in shown
        for point in found[model]
        for value in (point.top1, *((point.low, point.high) if point.examples > 0 else ()))
        if value is not None
    ]
    return {
        "height": HEIGHT,
        "margin": {"l": 8, "r": 14, "t": 8, "b": 46},
        "hovermode": "closest",
        "dragmode": False,
        "xaxis": axes.counts(labelled, "labelled examples per class"),
        "yaxis": axes.percent(reach),
    }


def _legend(found: dict[str, list[_Point]], shown: Sequence[str]) -> str:
    drawn = {point.what for model in shown for point in found[model]}
    parts = ["Lines: few-shot, mean over draws, with intervals over test images"]
    parts += ["diamonds: linear probe on all labels"] if "linear_probe" in drawn else []
    parts += ["dashed: zero-shot"] if "zero_shot" in drawn else []
    return "; ".join(parts)


def _summary(name: str, found: dict[str, list[_Point]], shown: Sequence[str]) -> str:
    def of(model: str) -> str:
        said = (
            f"{numbers.with_unit(point.top1)} {'zero-shot' if point.examples <= 0 else f'at {point.examples:,.4g}'}"
            for point in found[model]
        )
        return f"{model} {', '.join(said)}"

    return f"top-1 on {name} by labelled examples per class: {'; '.join(map(of, shown))}"
