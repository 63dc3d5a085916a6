"""Accuracy by severity, one small figure a corruption with all models in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clipbench.report.figures import axes
from clipbench.report.figures.figures import SERIES, Figure, text
from clipbench.report.measured import rows_of
from clipbench.report.text import numbers
from clipbench.results.records import AnalysisResult

HEIGHT = 178

_DODGE = 0.09
"""Between two models' places, so that their intervals do not hide each other."""


@dataclass(frozen=True)
class CorruptionPanel:
    """The figure of one corruption."""

    title: str
    kind: str
    figure: Figure


@dataclass(frozen=True)
class _Point:
    severity: int
    """0 is the clean images."""
    top1: float
    low: float
    high: float


def panels(results: Sequence[AnalysisResult], series: Mapping[str, int]) -> tuple[CorruptionPanel, ...]:
    """Draw each corruption, at most as many models as there are colours; all panels share their axes.

    Args:
        results: the models on one corrupted data set.
        series: the number of each model's colour.
    """
    points = {result.about.model: _points(result) for result in results[:SERIES]}
    whole = [point for by_name in points.values() for curve in by_name.values() for point in curve]
    frame = {
        "height": HEIGHT,
        "margin": {"l": 4, "r": 8, "t": 8, "b": 24},
        "hovermode": "closest",
        "dragmode": False,
        "xaxis": axes.whole(sorted({point.severity for point in whole})),
        "yaxis": axes.percent([end for point in whole for end in (point.low, point.top1, point.high)]),
    }
    drawn = []
    for name, kind in kinds(results).items():
        curves = {model: by_name[name] for model, by_name in points.items() if name in by_name}
        drawn.append(CorruptionPanel(words(name), kind, _panel(words(name), curves, series, frame)))
    return tuple(drawn)


def words(name: str) -> str:
    """Return a corruption's name for readers: 'gaussian noise'."""
    return name.replace("_", " ")


def kinds(results: Sequence[AnalysisResult]) -> Mapping[str, str]:
    """Return the corruptions with their kinds, in the order of the tables."""
    return {row["corruption"]: row["kind"] for result in results for row in rows_of(result, "severities")}


def _points(result: AnalysisResult) -> dict[str, list[_Point]]:
    """Return a model's points by corruption, the clean images first."""
    clean = result.record("clean_top1")
    assert clean is not None
    assert clean.value is not None
    assert clean.low is not None
    assert clean.high is not None
    start = _Point(0, clean.value, clean.low, clean.high)
    curves: dict[str, list[_Point]] = {}
    for row in rows_of(result, "severities"):
        point = _Point(row["severity"], row["top1"], row["low"], row["high"])
        curves.setdefault(row["corruption"], [start]).append(point)
    return {name: sorted(points, key=lambda point: point.severity) for name, points in curves.items()}


def _panel(
    name: str, curves: Mapping[str, Sequence[_Point]], series: Mapping[str, int], frame: Mapping[str, Any]
) -> Figure:
    data = [
        _trace(name, model, points, series.get(model, 0), _DODGE * (place - (len(curves) - 1) / 2))
        for place, (model, points) in enumerate(curves.items())
    ]
    listed = "; ".join(
        f"{model} {', '.join(numbers.with_unit(point.top1) for point in points)}" for model, points in curves.items()
    )
    summary = f"top-1 by severity of {name}, clean images first: {listed}"
    return Figure({"data": data, "layout": frame}, HEIGHT, summary)


def _trace(name: str, model: str, points: Sequence[_Point], series: int, dodge: float) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [round(point.severity + dodge, 3) for point in points],
        "y": [point.top1 for point in points],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [point.high - point.top1 for point in points],
            "arrayminus": [point.top1 - point.low for point in points],
            "thickness": 1,
            "width": 0,
        },
        "line": {"width": 1.7},
        "marker": {"size": 5},
        "customdata": [_hover(name, model, point) for point in points],
        "hovertemplate": "%{customdata}<extra></extra>",
        "cliponaxis": False,
        "meta": {"series": series},
        "showlegend": False,
    }


def _hover(name: str, model: str, point: _Point) -> str:
    where = f"{text(name)}, severity {point.severity}" if point.severity else "clean images"
    return f"<b>{text(model)}</b><br>{where}<br>{numbers.with_unit(point.top1)} {numbers.ends(point.low, point.high)}"
