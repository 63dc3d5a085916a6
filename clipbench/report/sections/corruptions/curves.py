"""Accuracy by severity, one small figure a corruption with all models in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clipbench.report.figures import axes
from clipbench.report.figures.figures import SERIES, Figure, Trace, errors, hover, plane, trace
from clipbench.report.measured import rows_of
from clipbench.report.text import numbers
from clipbench.results.records import AnalysisResult, Record

Severities = dict[int, Record]
"""Accuracy by severity; 0 is the clean images."""

HEIGHT = 178

_DODGE = 0.09
"""Between two models' places, so that their intervals do not hide each other."""


@dataclass(frozen=True)
class CorruptionPanel:
    """The figure of one corruption."""

    title: str
    kind: str
    figure: Figure


def panels(results: Sequence[AnalysisResult], series: Mapping[str, int]) -> tuple[CorruptionPanel, ...]:
    """Draw each corruption, at most as many models as there are colours; all panels share their axes."""
    points = {result.about.model: _points(result) for result in results[:SERIES]}
    whole = [point for by_name in points.values() for curve in by_name.values() for point in curve.items()]
    reached = [end for _, top1 in whole for end in (top1.low, top1.value, top1.high) if end is not None]
    xaxis, yaxis = axes.whole(sorted({severity for severity, _ in whole})), axes.percent(reached)
    drawn = []
    for name, kind in kinds(results).items():
        curves = {model: by_name[name] for model, by_name in points.items() if name in by_name}
        traces = [
            _trace(words(name), model, curve, series.get(model, 0), _DODGE * (place - (len(curves) - 1) / 2))
            for place, (model, curve) in enumerate(curves.items())
        ]
        figure = plane(traces, xaxis, yaxis, HEIGHT, _summary(words(name), curves))
        drawn.append(CorruptionPanel(words(name), kind, figure))
    return tuple(drawn)


def words(name: str) -> str:
    """Return a corruption's name for readers: 'gaussian noise'."""
    return name.replace("_", " ")


def kinds(results: Sequence[AnalysisResult]) -> Mapping[str, str]:
    """Return the corruptions with their kinds, in the order of the tables."""
    return {row["corruption"]: row["kind"] for result in results for row in rows_of(result, "severities")}


def _points(result: AnalysisResult) -> dict[str, Severities]:
    """Return a model's points by corruption, the clean images first."""
    clean = result.record("clean_top1")
    assert clean is not None
    curves: dict[str, Severities] = {}
    for row in sorted(rows_of(result, "severities"), key=lambda row: row["severity"]):
        curve = curves.setdefault(row["corruption"], {0: clean})
        curve[row["severity"]] = Record("top1", row["top1"], low=row["low"], high=row["high"])
    return curves


def _trace(name: str, model: str, curve: Severities, series: int, dodge: float) -> Trace:
    hovers = [
        hover(model, f"{name}, severity {severity}" if severity else "clean images", numbers.with_interval(top1))
        for severity, top1 in curve.items()
    ]
    x, y = [round(severity + dodge, 3) for severity in curve], [top1.value for top1 in curve.values()]
    error_y = errors(list(curve.values())) | {"thickness": 1, "width": 0}
    return trace(x, y, hovers, error_y=error_y, marker={"size": 5}, meta={"series": series})


def _summary(name: str, curves: Mapping[str, Severities]) -> str:
    listed = "; ".join(
        f"{model} {', '.join(numbers.with_unit(top1.value) for top1 in curve.values())}"
        for model, curve in curves.items()
    )
    return f"top-1 by severity of {name}, clean images first: {listed}"
