"""The scatter of shift accuracy against reference accuracy, on logit axes, with the baseline that is expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clipbench.reference.published import PublishedPair
from clipbench.report.figures import figures
from clipbench.report.figures.figures import SERIES, Figure, Trace
from clipbench.report.measured import rows_of
from clipbench.report.sections.robustness.axes import LogitScale, axis, bounded_logit, scale
from clipbench.report.sections.robustness.baseline import Training, marks, traces
from clipbench.report.sections.robustness.findings import Estimate, Shift, estimate, hover
from clipbench.report.text import numbers
from clipbench.report.text.labels import short_names
from clipbench.results.records import AnalysisResult

Boxes = NDArray[np.float64]

HEIGHT = 430

_NAME, _TITLE = 15, 30
_LISTED = 4
"""Models at the edge that are named."""

_NAMES_AREA = (240, 330)
"""In which names are placed, in pixels: a phone's figure. In a wider one everything only moves apart."""

_CHARACTER, _LINE, _MARK = 7.6, 16.0, 8.0
_ROUNDS = 3
_SIDES = {
    "middle left": (-1, 0),
    "middle right": (1, 0),
    "top center": (0, 1),
    "bottom center": (0, -1),
    "top left": (-1, 1),
    "top right": (1, 1),
    "bottom left": (-1, -1),
    "bottom right": (1, -1),
}
"""Plotly's text positions with the direction that they lie in."""


@dataclass(frozen=True)
class Scatter:
    """The figure with what must be said of it."""

    figure: Figure
    marks: tuple[tuple[Training, int], ...]
    """Of the published models that are drawn, with their numbers."""
    at_edge: str
    """Models at 0 or 100 %; '' where there are none."""
    outside: int
    """Published models that lie outside the figure."""
    across: LogitScale
    """The horizontal scale."""


@dataclass(frozen=True)
class _Point:
    """A model of the run."""

    result: AnalysisResult
    x: Estimate
    y: Estimate

    @property
    def model(self) -> str:
        return self.result.about.model


def draw(
    shift: Shift,
    pair: PublishedPair | None,
    series: Mapping[str, int],
    band: Sequence[Mapping[str, float]] = (),
) -> Scatter:
    """Draw the models on one shift, and a line with this band; without one that of the first model that has it."""
    points = [
        _Point(result, estimate(result, "reference_top1"), estimate(result, "shift_top1")) for result in shift.results
    ]
    x, y = _scales(points, pair)
    inside = pair and replace(pair, models=tuple(model for model in pair.models if x.holds(model.reference_top1)))
    identity = figures.stroke([x.low, x.high], [x.low, x.high], "second", 1.5, dash="dash")
    published = traces(inside, x, y) if inside else []
    shade, line = _baseline(band or _band(shift))
    names = short_names([shift.about.reference, shift.about.dataset], _TITLE).values()
    titles = [f"top-1 on {figures.text(name)}" for name in names]
    figure = figures.plane(
        [*shade, identity, *line, *published, *_models(points, x, y, series)],
        axis(x, titles[0], 0.12),
        axis(y, titles[1], 0.06, upright=True),
        HEIGHT,
        _summary(points, shift, bool(line)),
    )
    outside = len(pair.models) - len(inside.models) if pair and inside else 0
    return Scatter(figure, marks(inside) if inside else (), _edge(points, inside), outside, x)


def _scales(points: Sequence[_Point], pair: PublishedPair | None) -> tuple[LogitScale, LogitScale]:
    """Hold the run's models with their intervals, the models of the baseline, and all that lies above both.

    Published models far below, such as linear ones, would take the room. The vertical axis also holds the stretch of
    y = x above the horizontal one.
    """
    published = pair.models if pair else ()
    line = [model for model in published if model.baseline] or published
    highest = max((model.reference_top1 for model in published), default=0.0)
    x = scale([*(end for point in points for end in point.x), *(model.reference_top1 for model in line), highest])
    inside = (model.shift_top1 for model in published if x.holds(model.reference_top1))
    y = scale([*(end for point in points for end in point.y), *inside])
    return x, LogitScale(min(y.low, x.low), max(y.high, x.high))


def _band(shift: Shift) -> Sequence[Mapping[str, float]]:
    return next((table for result in shift.results if (table := rows_of(result, "baseline_band"))), ())


def _baseline(rows: Sequence[Mapping[str, float]]) -> tuple[list[Trace], list[Trace]]:
    """Return the band and the line."""
    if not rows:
        return [], []
    x, y, low, high = (
        [round(bounded_logit(row[name]), 4) for row in rows] for name in ("reference_top1", "expected", "low", "high")
    )
    band = figures.stroke([*x, *x[::-1]], [*high, *low[::-1]], "band", 0) | {"fill": "toself"}
    return [band], [figures.stroke(x, y, "baseline", 1.8)]


def _models(points: Sequence[_Point], x: LogitScale, y: LogitScale, series: Mapping[str, int]) -> list[Trace]:
    drawn = [_model(point, x, y, series.get(point.model, 0)) for point in points]
    if not 0 < len(points) <= SERIES:
        return drawn
    names = short_names([point.model for point in points], _NAME)
    sides = positions([(x.part(point.x.value), y.part(point.y.value), names[point.model]) for point in points])
    texts = ({"mode": "markers+text", "text": [figures.text(names[point.model])]} for point in points)
    return [{**trace, **name, "textposition": side} for trace, name, side in zip(drawn, texts, sides, strict=True)]


def _model(point: _Point, x: LogitScale, y: LogitScale, series: int) -> Trace:
    places = [[scale.place(end) for end in ends] for scale, ends in ((x, point.x), (y, point.y))]
    (across, left, right), (up, below, above) = places
    return figures.dots(
        [across],
        [up],
        [hover(point.result)],
        {"series": series, "outlined": True},
        error_x=figures.error_bars([(across, left, right)]),
        error_y=figures.error_bars([(up, below, above)]),
        marker={"size": 13, "line": {"width": 1.6}},
    )


def _edge(points: Sequence[_Point], pair: PublishedPair | None) -> str:
    accuracies = {point.model: (point.x.value, point.y.value) for point in points}
    accuracies |= {model.name: (model.reference_top1, model.shift_top1) for model in (pair.models if pair else ())}
    names = [name for name, values in accuracies.items() if {0.0, 1.0} & set(values)]
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _summary(points: Sequence[_Point], shift: Shift, line: bool) -> str:
    listed = "; ".join(
        f"{point.model} {numbers.with_unit(point.x.value)} and {numbers.with_unit(point.y.value)}"
        for point in points[:SERIES]
    )
    more = f"; and {len(points) - SERIES} more models" if len(points) > SERIES else ""
    baseline = "with the baseline" if line else "no baseline"
    listed = f": {listed}{more}" if points else ""
    return f"top-1 on {shift.about.reference} and on {shift.about.dataset}, {baseline}{listed}"


def positions(points: Sequence[tuple[float, float, str]]) -> tuple[str, ...]:
    """Place names so that they cover neither each other nor the points.

    Args:
        points: each with its x and y in [0, 1] from the lower left, and the name that stands beside it.

    Returns:
        For each point plotly's position of its name: the first that is free, else the one least covered.
    """
    places = np.array([point[:2] for point in points]) * _NAMES_AREA
    marks = np.column_stack([places, np.full_like(places, 2 * _MARK)])
    sizes = np.array([(_CHARACTER * len(name), _LINE) for _, _, name in points])
    shifts = np.array(list(_SIDES.values())) * (_MARK + sizes[:, None] / 2)
    boxes = np.concatenate([places[:, None] + shifts, np.broadcast_to(sizes[:, None], shifts.shape)], axis=-1)
    figure = np.array([*(side / 2 for side in _NAMES_AREA), *_NAMES_AREA])
    outside = sizes.prod(axis=1)[:, None] - _overlap(boxes, figure)
    chosen: dict[int, int] = {}
    # A name may move again once the later ones have found their place.
    for _ in range(_ROUNDS):
        for place in range(len(points)):
            names = [boxes[other, side] for other, side in chosen.items() if other != place]
            covered = _overlap(boxes[place][:, None], np.stack([*marks, *names])).sum(axis=1)
            chosen[place] = int(np.argmin(outside[place] + covered))
    return tuple(list(_SIDES)[chosen[place]] for place in range(len(points)))


def _overlap(first: Boxes, second: Boxes) -> Boxes:
    """Return the area that rectangles share; the last axis holds a centre, a width and a height in pixels."""
    lengths = (first[..., 2:] + second[..., 2:]) / 2 - np.abs(first[..., :2] - second[..., :2])
    smaller = np.minimum(first[..., 2:], second[..., 2:])
    area: Boxes = np.clip(lengths, 0, smaller).prod(axis=-1)
    return area
