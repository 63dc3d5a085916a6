"""The scatter of shift accuracy against reference accuracy, on logit axes, with the baseline that is expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clipbench.reference.published import PublishedPair
from clipbench.report.figures.figures import SERIES, Figure, text
from clipbench.report.points import is_number
from clipbench.report.sections.robustness.axes import LogitScale, axis, bounded_logit, scale
from clipbench.report.sections.robustness.findings import Measured, Shift
from clipbench.report.sections.robustness.hover import hover
from clipbench.report.sections.robustness.names import NamedPoint, positions
from clipbench.report.sections.robustness.published import Mark, marks, traces
from clipbench.report.text import numbers
from clipbench.report.text.shortening import short_names

HEIGHT = 430

_AXES = ("reference_top1", "shift_top1")
_NAME, _TITLE = 15, 30
_LISTED = 4
"""Models at the edge that are named."""


@dataclass(frozen=True)
class Scatter:
    """The figure with what must be said of it."""

    figure: Figure
    marks: tuple[Mark, ...]
    """Of the published models that are drawn."""
    at_edge: str
    """Models at 0 or 100 %; '' where there are none."""
    outside: int
    """Published models that lie outside the figure."""


@dataclass(frozen=True)
class _Scales:
    x: LogitScale
    y: LogitScale


def draw(shift: Shift, pair: PublishedPair | None, series: Mapping[str, int]) -> Scatter | None:
    """Draw the models on one shift; None where no model has both accuracies.

    Args:
        shift: the models with their findings.
        pair: published models to draw behind them.
        series: the number of each model's colour.
    """
    shown = [measured for measured in shift.models if all(measured.value(name) is not None for name in _AXES)]
    if not shown:
        return None
    scales = _scales(shown, pair)
    data = [*_band(shown), _identity(scales), *_line(shown)]
    inside = _within(pair, scales.x) if pair else None
    data += traces(inside, scales.x, scales.y) if inside else []
    data += _models(shown, scales, shift, series)
    x_title, y_title = short_names([shift.reference, shift.dataset], _TITLE).values()
    layout = {
        "height": HEIGHT,
        "margin": {"l": 8, "r": 12, "t": 8, "b": 46},
        "hovermode": "closest",
        "dragmode": False,
        "xaxis": axis(scales.x, f"top-1 on {text(x_title)}", 0.12),
        "yaxis": axis(scales.y, f"top-1 on {text(y_title)}", 0.06) | {"automargin": True, "ticklabelstandoff": 4},
    }
    figure = Figure({"data": data, "layout": layout}, HEIGHT, _summary(shown, shift))
    outside = len(pair.models) - len(inside.models) if pair and inside else 0
    return Scatter(figure, marks(inside) if inside else (), _edge(shown, inside), outside)


def _scales(shown: Sequence[Measured], pair: PublishedPair | None) -> _Scales:
    """Hold the run's models with their intervals, the models of the baseline, and all that lies above both.

    Published models far below, such as linear ones, would take the room. The vertical axis also holds the stretch of
    y = x above the horizontal one.
    """
    published = pair.models if pair else ()
    line = [model for model in published if model.baseline] or published
    reach = {name: [end for measured in shown for end in _reach(measured, name)] for name in _AXES}
    highest = max((model.reference_top1 for model in published), default=0.0)
    x = scale([*reach["reference_top1"], *(model.reference_top1 for model in line), highest])
    inside = (model.shift_top1 for model in published if x.holds(model.reference_top1))
    y = scale([*reach["shift_top1"], *inside])
    return _Scales(x, LogitScale(min(y.low, x.low), max(y.high, x.high)))


def _within(pair: PublishedPair, x: LogitScale) -> PublishedPair:
    return replace(pair, models=tuple(model for model in pair.models if x.holds(model.reference_top1)))


def _reach(measured: Measured, name: str) -> list[float]:
    record = measured.records[name]
    return [end for end in (record.value, record.low, record.high) if end is not None]


def _identity(scales: _Scales) -> dict[str, Any]:
    ends = [scales.x.low, scales.x.high]
    return _stroke(ends, ends, "second", {"width": 1.4, "dash": "dash"})


def _band(shown: Sequence[Measured]) -> list[dict[str, Any]]:
    rows = _numbers(shown, "baseline_band", ("reference_top1", "low", "high"))
    if len(rows) < 2:
        return []
    x, low, high = ([bounded_logit(row[name]) for row in rows] for name in ("reference_top1", "low", "high"))
    return [_stroke([*x, *x[::-1]], [*high, *low[::-1]], "band", {"width": 0}) | {"fill": "toself"}]


def _line(shown: Sequence[Measured]) -> list[dict[str, Any]]:
    rows = _numbers(shown, "baseline_band", ("reference_top1", "expected"))
    x, y = ([bounded_logit(row[name]) for row in rows] for name in ("reference_top1", "expected"))
    return [_stroke(x, y, "baseline", {"width": 1.8})] if len(rows) > 1 else []


def _numbers(shown: Sequence[Measured], table: str, columns: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return the rows of a table of the first model that has it, within what has a place on the axes."""
    found = next((measured.finding.tables[table] for measured in shown if table in measured.finding.tables), None)
    if found is None:
        return []
    rows = [dict(zip(found.columns, row, strict=False)) for row in found.rows]
    return [row for row in rows if all(is_number(row.get(name)) for name in columns)]


def _stroke(x: Sequence[float], y: Sequence[float], role: str, line: Mapping[str, Any]) -> dict[str, Any]:
    trace = {"type": "scatter", "mode": "lines", "x": [round(at, 4) for at in x], "y": [round(at, 4) for at in y]}
    return trace | {"line": dict(line), "meta": {"role": role}, "hoverinfo": "skip", "showlegend": False}


def _models(
    shown: Sequence[Measured], scales: _Scales, shift: Shift, series: Mapping[str, int]
) -> list[dict[str, Any]]:
    names = short_names([measured.model for measured in shown], _NAME)
    named = [
        NamedPoint(
            scales.x.part(measured.records["reference_top1"].value or 0.0),
            scales.y.part(measured.records["shift_top1"].value or 0.0),
            names[measured.model],
        )
        for measured in shown
    ]
    sides = positions(named) if len(shown) <= SERIES else [""] * len(shown)
    return [
        _model(measured, scales, shift, series.get(measured.model, 0))
        | ({"mode": "markers+text", "text": [text(point.name)], "textposition": side} if side else {})
        for measured, point, side in zip(shown, named, sides, strict=True)
    ]


def _model(measured: Measured, scales: _Scales, shift: Shift, series: int) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [scales.x.place(measured.records["reference_top1"].value or 0.0)],
        "y": [scales.y.place(measured.records["shift_top1"].value or 0.0)],
        "error_x": _errors(measured, "reference_top1", scales.x),
        "error_y": _errors(measured, "shift_top1", scales.y),
        "customdata": [hover(measured, shift)],
        "hovertemplate": "%{customdata}<extra></extra>",
        "marker": {"size": 13, "line": {"width": 1.6}},
        "meta": {"series": series, "outlined": True},
        "cliponaxis": False,
        "showlegend": False,
    }


def _errors(measured: Measured, name: str, of: LogitScale) -> dict[str, Any]:
    record = measured.records[name]
    if record.value is None or record.low is None or record.high is None:
        return {"type": "data", "array": [None]}
    middle = of.place(record.value)
    below, above = middle - of.place(record.low), of.place(record.high) - middle
    sides = {"array": [max(0.0, above)], "arrayminus": [max(0.0, below)]}
    return {"type": "data", "symmetric": False, **sides, "thickness": 1.4, "width": 3}


def _edge(shown: Sequence[Measured], pair: PublishedPair | None) -> str:
    accuracies = {measured.model: [measured.value(name) for name in _AXES] for measured in shown}
    accuracies |= {model.name: [model.reference_top1, model.shift_top1] for model in (pair.models if pair else ())}
    found = [name for name, values in accuracies.items() if any(value in (0.0, 1.0) for value in values)]
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return ", ".join(found[:_LISTED]) + more


def _summary(shown: Sequence[Measured], shift: Shift) -> str:
    listed = "; ".join(
        f"{measured.model} {' and '.join(numbers.with_unit(measured.value(name)) for name in _AXES)}"
        for measured in shown[:SERIES]
    )
    more = f"; and {len(shown) - SERIES} more models" if len(shown) > SERIES else ""
    baseline = "with the baseline" if shift.baseline else "no baseline"
    return f"top-1 on {shift.reference} and on {shift.dataset}, {baseline}: {listed}{more}"
