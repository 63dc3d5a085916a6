"""Figures as plotly specifications: the one way to draw lines, dots and bars, in a plane or in labelled rows.

A specification is `{"data": [...], "layout": {...}}` and is valid as `plotly.graph_objects.Figure(spec)`.
It holds no colours: `meta.series` numbers the models' colours, `meta.role` names other ones and `meta.hollow` marks
points without filling; the page puts in those of its theme, light or dark.
Plotly reads a subset of HTML in every text, so every text that comes from a data set is escaped here.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clipbench.report.figures import axes
from clipbench.report.text import numbers

SERIES = 8
"""Colours in the palette. With more models than that all have the first one, and their labels tell them apart."""

_SIDES = (("benchmark", "circle"), ("shift", "diamond"))
"""Roles and symbols of the two marks of a row."""

Trace = dict[str, Any]
Line = Sequence[float | None]


@dataclass(frozen=True)
class Figure:
    """A figure with what is said about it in words."""

    spec: dict[str, Any]
    height: int
    """In pixels; reserved in the page before the figure is drawn."""
    summary: str


def text(value: str) -> str:
    """Return a text that plotly shows as it is, on one line."""
    return html.escape(" ".join(value.split()), quote=False)


def hover(name: str, *lines: str) -> str:
    """Return what a pointer is shown: a name in bold above lines of text, empty ones left out."""
    return "<br>".join([f"<b>{text(name)}</b>", *(text(line) for line in lines if line)])


def series_of(models: Sequence[str]) -> dict[str, int]:
    """Return the number of each model's colour."""
    return {model: index if len(models) <= SERIES else 0 for index, model in enumerate(models)}


def trace(x: Line, y: Line, hovers: Sequence[str], **more: Any) -> Trace:
    """Return plotly's trace of a line with dots, or of what `more` makes of it."""
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": list(x),
        "y": list(y),
        "customdata": list(hovers),
        "hovertemplate": "%{customdata}<extra></extra>",
        "line": {"width": 1.8},
        "marker": {"size": 7, "line": {"width": 1.6}},
        "cliponaxis": False,
        "meta": {"role": "curve"},
        "showlegend": False,
        **more,
    }


def dots(x: Line, y: Line, hovers: Sequence[str], meta: Mapping[str, Any], **more: Any) -> Trace:
    """Return plotly's trace of dots alone."""
    return trace(x, y, hovers, **{"mode": "markers", "meta": dict(meta), **more})


def stroke(x: Line, y: Line, role: str, width: float, **more: Any) -> Trace:
    """Return plotly's trace of a line that a pointer passes over; None ends a piece of it."""
    line = {"width": width, **more}
    shape = {"type": "scatter", "mode": "lines", "x": list(x), "y": list(y), "line": line}
    return {**shape, "meta": {"role": role}, "hoverinfo": "skip", "showlegend": False}


def upright(value: float, rows: int, role: str) -> Trace:
    """Return a dashed line across all rows."""
    return stroke([value, value], [-0.5, rows - 0.5], role, 1.5, dash="dash")


def bars(x: Line, hovers: Sequence[str], meta: Mapping[str, Any], errors: Mapping[str, Any], **marker: Any) -> Trace:
    """Return plotly's trace of a bar a row."""
    drawn = trace(x, range(len(x)), hovers, meta=dict(meta), error_x=errors, marker=marker)
    shape = {"type": "bar", "orientation": "h", "width": 0.58}
    return {name: value for name, value in drawn.items() if name not in {"mode", "line"}} | shape


def errors(measured: Sequence[numbers.Measured | None]) -> dict[str, Any]:
    """Return plotly's error bars of some values, without one where there is no interval."""
    return error_bars([(item.value, item.low, item.high) if item else (None, None, None) for item in measured])


def error_bars(reaches: Sequence[tuple[float | None, float | None, float | None]]) -> dict[str, Any]:
    """Return plotly's error bars of (value, low, high), without one where an end is missing."""
    above = [None if value is None or high is None else high - value for value, _, high in reaches]
    below = [None if value is None or low is None else value - low for value, low, _ in reaches]
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "thickness": 1.3, "width": 3}


def plane(traces: Sequence[Trace], xaxis: dict[str, Any], yaxis: dict[str, Any], height: int, summary: str) -> Figure:
    """Return a figure with two axes.

    Args:
        traces: in the order in which they are drawn.
        xaxis: the horizontal axis; room is left for its title, if it has one.
        yaxis: the vertical axis.
        height: in pixels.
        summary: for those who do not see the figure.
    """
    below = 46 if "title" in xaxis else 24
    layout = {
        "height": height,
        "margin": {"l": 8, "r": 14, "t": 8, "b": below},
        "hovermode": "closest",
        "dragmode": False,
        "xaxis": xaxis,
        "yaxis": yaxis,
    }
    return Figure({"data": list(traces), "layout": layout}, height, summary)


def rows(
    ticks: Sequence[str],
    values: Sequence[str],
    traces: Sequence[Trace],
    axis: dict[str, Any],
    summary: str,
    step: int,
) -> Figure:
    """Return a figure with labelled rows from the top, and a legend above them where a trace has a name.

    Args:
        ticks: names of the rows, safe for plotly.
        values: beside the rows, on the right.
        traces: whose y is the place of a row, from 0.
        axis: the horizontal one.
        summary: for those who do not see the figure.
        step: of a row, in pixels.
    """
    named = any("name" in drawn for drawn in traces)
    rail = axes.ticked([len(ticks) - 0.4, -0.6], range(len(ticks)), ticks)
    rail |= {"automargin": True, "showgrid": False, "ticks": "", "ticklabelstandoff": 6}
    figure = plane(traces, axis, rail, 44 + step * len(ticks) + (34 if named else 0), summary)
    figure.spec["layout"] |= {
        "margin": {"l": 8, "r": 14 + 7 * max(map(len, values)), "t": 38 if named else 6, "b": 30},
        "bargap": 0.3,
        "annotations": [_beside(place, value) for place, value in enumerate(values)],
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "xanchor": "left"},
    }
    return figure


def _beside(row: int, value: str) -> dict[str, Any]:
    place = {"x": 1, "xref": "paper", "xanchor": "left", "xshift": 8, "y": row, "yref": "y", "yanchor": "middle"}
    return {"text": value, "showarrow": False, **place}


def pairs(names: Sequence[str], x: Sequence[Line], hovers: Sequence[Sequence[str]], **more: Any) -> list[Trace]:
    """Return two marks a row, of a benchmark and of a shift, and the lines that link them.

    Args:
        names: of the two sides, for the legend.
        x: of each side the values, row by row.
        hovers: of each side what a pointer is shown.
        more: properties of the traces, each for both sides.
    """
    count = len(x[0])
    ends = [end for both in zip(*x, strict=True) for end in (*both, None)]
    links = stroke(ends, [row for place in range(count) for row in (place, place, None)], "link", 5)
    marks = [
        dots(
            x[side],
            range(count),
            hovers[side],
            {"role": role},
            name=text(names[side]),
            marker={"size": 11, "symbol": symbol},
            showlegend=True,
            **{name: values[side] for name, values in more.items()},
        )
        for side, (role, symbol) in enumerate(_SIDES)
    ]
    return [links, *marks]
