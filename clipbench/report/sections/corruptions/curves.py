"""Accuracy by severity, one small figure a corruption with all models in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clipbench.report.figures import axes
from clipbench.report.figures.figures import SERIES, Figure, text
from clipbench.report.sections.corruptions.findings import Corrupted, CorruptedSet
from clipbench.report.text import numbers

HEIGHT = 178

_DODGE = 0.09
"""Between two models' places, so that their intervals do not hide each other."""


@dataclass(frozen=True)
class CorruptionPanel:
    """The figure of one corruption."""

    name: str
    kind: str
    figure: Figure

    @property
    def title(self) -> str:
        """The corruption's name for readers."""
        return words(self.name)


@dataclass(frozen=True)
class _Point:
    severity: int
    """0 is the clean images."""
    top1: float
    low: float | None
    high: float | None


def panels(of: CorruptedSet, series: Mapping[str, int]) -> tuple[CorruptionPanel, ...]:
    """Draw each corruption, at most as many models as there are colours; all panels share their axes.

    Args:
        of: the models on one corrupted data set.
        series: the number of each model's colour.
    """
    shown = of.models[:SERIES]
    points = {corrupted.model: _points(corrupted) for corrupted in shown}
    reach = [
        end
        for by_name in points.values()
        for found in by_name.values()
        for point in found
        for end in (point.top1, point.low, point.high)
        if end is not None
    ]
    severities = sorted({point.severity for named in points.values() for found in named.values() for point in found})
    return tuple(
        CorruptionPanel(
            name,
            kind,
            _panel(name, {model: named.get(name, []) for model, named in points.items()}, series, severities, reach),
        )
        for name, kind in of.corruptions.items()
    )


def words(name: str) -> str:
    """Return a corruption's name for readers: 'gaussian noise'."""
    return name.replace("_", " ")


def _points(corrupted: Corrupted) -> dict[str, list[_Point]]:
    """Return a model's points by corruption, the clean images first."""
    clean = corrupted.clean
    start = [_Point(0, clean.value, clean.low, clean.high)] if clean and clean.value is not None else []
    found: dict[str, list[_Point]] = {}
    for row in corrupted.rows("severities"):
        point = _Point(int(row["severity"]), row["top1"], row.get("low"), row.get("high"))
        found.setdefault(str(row["corruption"]), list(start)).append(point)
    return {name: sorted(points, key=lambda point: point.severity) for name, points in found.items()}


def _panel(
    name: str,
    by_model: Mapping[str, Sequence[_Point]],
    series: Mapping[str, int],
    severities: Sequence[int],
    reach: Sequence[float],
) -> Figure:
    shown = [model for model in by_model if by_model[model]]
    data = [
        _trace(name, model, by_model[model], series.get(model, 0), _DODGE * (place - (len(shown) - 1) / 2))
        for place, model in enumerate(shown)
    ]
    layout = {
        "height": HEIGHT,
        "margin": {"l": 4, "r": 8, "t": 8, "b": 24},
        "hovermode": "closest",
        "dragmode": False,
        "xaxis": axes.whole(severities),
        "yaxis": axes.percent(reach),
    }
    return Figure({"data": data, "layout": layout}, HEIGHT, _summary(name, by_model, shown))


def _trace(name: str, model: str, points: Sequence[_Point], series: int, shift: float) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [round(point.severity + shift, 3) for point in points],
        "y": [point.top1 for point in points],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [None if point.high is None else point.high - point.top1 for point in points],
            "arrayminus": [None if point.low is None else point.top1 - point.low for point in points],
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
    where = f"{text(words(name))}, severity {point.severity}" if point.severity else "clean images"
    measured = f"{numbers.with_unit(point.top1)} {numbers.ends(point.low, point.high)}".rstrip()
    return f"<b>{text(model)}</b><br>{where}<br>{measured}"


def _summary(name: str, by_model: Mapping[str, Sequence[_Point]], shown: Sequence[str]) -> str:
    listed = "; ".join(
        f"{model} {', '.join(numbers.with_unit(point.top1) for point in by_model[model])}" for model in shown
    )
    return f"top-1 by severity of {words(name)}, clean images first: {listed}"
