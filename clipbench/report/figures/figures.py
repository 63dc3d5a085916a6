"""Figures as plotly specifications: plain data, which the page draws and colours for its theme.

A specification is `{"data": [...], "layout": {...}}` and is valid as `plotly.graph_objects.Figure(spec)`.
It holds no colours: `meta.series` numbers the models' colours, `meta.role` names other ones and `meta.hollow` marks
points without filling; the page puts in those of its theme, light or dark.
Plotly reads a subset of HTML in every text, so every text that comes from a data set is escaped here.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clipbench.report.averages import Average
from clipbench.report.leaderboard import Cell, Column
from clipbench.report.text import labels, numbers
from clipbench.report.text.labels import short_names

SERIES = 8
"""Colours in the palette. With more models than that all have the first one, and their labels tell them apart."""

MANY = 12
"""Above so many models dots stand for bars."""

_LABEL = 22
_WIDE_LABEL = 34


@dataclass(frozen=True)
class Figure:
    """A figure with what is said about it in words."""

    spec: dict[str, Any]
    height: int
    """In pixels; reserved in the page before the figure is drawn."""
    summary: str
    """For those who do not see it."""


def text(value: str) -> str:
    """Return a text that plotly shows as it is, on one line."""
    return html.escape(" ".join(value.split()), quote=False)


def series_of(models: Sequence[str]) -> dict[str, int]:
    """Return the number of each model's colour."""
    return {model: index if len(models) <= SERIES else 0 for index, model in enumerate(models)}


def bars(column: Column, models: Sequence[str]) -> Figure | None:
    """Draw the models' values on one data set, with their intervals; None where no model has a value.

    Args:
        column: of the leaderboard.
        models: in the order to draw them, from the top.
    """
    found = ((model, column.cells[model]) for model in models if model in column.cells)
    shown = {model: cell for model, cell in found if cell.value is not None}
    if not shown:
        return None
    series, names, cells = series_of(models), short_names(models, _LABEL), list(shown.values())
    many = len(shown) > MANY
    kind = {"type": "scatter", "mode": "markers"} if many else {"type": "bar", "orientation": "h", "width": 0.58}
    drawn = {
        **kind,
        "x": [cell.value for cell in cells],
        "y": list(range(len(cells))),
        "customdata": [_hover(model, cell) for model, cell in shown.items()],
        "hovertemplate": "%{customdata}<extra></extra>",
        "error_x": errors([cell.record for cell in cells]),
        "marker": {"opacity": [0.4 if cell.footnote else 1.0 for cell in cells]} | ({"size": 6} if many else {}),
        "meta": {"series": [series[model] for model in shown]},
        "showlegend": False,
    }
    ticks = [_marked(names[model], cell) for model, cell in shown.items()]
    values = [numbers.with_unit(cell.value, column.unit) for cell in cells]
    listed = [f"{model} {value}" for model, value in zip(shown, values, strict=True)][:MANY]
    listed += [f"and {len(shown) - MANY} more"] if many else []
    summary = f"{column.spec.label} on {column.name}: {'; '.join(listed)}"
    return row_figure(ticks, values, [drawn], _value_axis(column.unit), summary, 19 if many else 30)


def gap(pairs: Sequence[tuple[Average, Average]]) -> Figure:
    """Draw each model's mean over benchmark sets against its mean over shift sets.

    Args:
        pairs: for each model the two means, in the order to draw them, from the top.
    """
    traces = [_links(pairs), _means("benchmark", [b for b, _ in pairs]), _means("shift", [s for _, s in pairs])]
    names = short_names([benchmark.model for benchmark, _ in pairs], _WIDE_LABEL)
    values = [numbers.with_unit(b.value - s.value, "gap") for b, s in pairs]
    summary = "; ".join(
        f"{b.model}: {numbers.with_unit(b.value)} on benchmark sets, {numbers.with_unit(s.value)} on shift sets"
        for b, s in pairs[:MANY]
    )
    step, above = 32 if len(pairs) <= MANY else 20, 34
    ticks = [text(name) for name in names.values()]
    figure = row_figure(ticks, values, traces, _value_axis("fraction"), summary, step, above)
    figure.spec["layout"]["margin"] |= {"t": 38, "r": 84}
    figure.spec["layout"]["legend"] = {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "xanchor": "left"}
    return figure


def _links(pairs: Sequence[tuple[Average, Average]]) -> dict[str, Any]:
    x = [end for benchmark, shift in pairs for end in (shift.value, benchmark.value, None)]
    y = [end for row in range(len(pairs)) for end in (row, row, None)]
    return trace(x, y, (), mode="lines", line={"width": 5}, meta={"role": "link"}, hoverinfo="skip")


def _means(role: str, means: Sequence[Average]) -> dict[str, Any]:
    return trace(
        [mean.value for mean in means],
        list(range(len(means))),
        [_hover_mean(mean) for mean in means],
        mode="markers",
        name=text(f"mean over {labels.sets(means[0].total, means[0].regime)}"),
        error_x=errors(means),
        marker={"size": 11, "symbol": "circle" if role == "benchmark" else "diamond"},
        meta={"role": role},
        showlegend=True,
    )


def trace(x: Sequence[float | None], y: Sequence[float | None], hover: Sequence[str], **more: Any) -> dict[str, Any]:
    """Return plotly's trace of a line with dots, or of what `more` makes of it."""
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": list(x),
        "y": list(y),
        "customdata": list(hover),
        "hovertemplate": "%{customdata}<extra></extra>",
        "line": {"width": 1.8},
        "marker": {"size": 7, "line": {"width": 1.6}},
        "cliponaxis": False,
        "meta": {"role": "curve"},
        "showlegend": False,
        **more,
    }


def errors(measured: Sequence[numbers.Measured | None]) -> dict[str, Any]:
    """Return plotly's error bars of some values, without one where there is no interval."""
    return error_bars([(item.value, item.low, item.high) if item else (None, None, None) for item in measured])


def error_bars(reaches: Sequence[tuple[float | None, float | None, float | None]]) -> dict[str, Any]:
    """Return plotly's error bars of (value, low, high), without one where an end is missing."""
    above = [None if value is None or high is None else high - value for value, _, high in reaches]
    below = [None if value is None or low is None else value - low for value, low, _ in reaches]
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "thickness": 1.3, "width": 3}


def _hover(model: str, cell: Cell) -> str:
    record = cell.record
    if record is None:
        return text(model)
    lines = [f"<b>{text(model)}</b>", f"{numbers.with_unit(record.value, record.unit)} {numbers.interval(record)}"]
    if record.n:
        lines.append(f"n = {numbers.count(record.n)}")
    if cell.footnote:
        lines.append(f"not ranked, see note {cell.footnote}")
    return "<br>".join(lines)


def _hover_mean(mean: Average) -> str:
    interval = numbers.interval(mean)
    return (
        f"<b>{text(mean.model)}</b><br>{numbers.with_unit(mean.value)} {interval}"
        f"<br>mean {text(mean.metric)} over {text(labels.sets(mean.total, mean.regime))}"
    )


def _marked(label: str, cell: Cell) -> str:
    return f"{text(label)} <sup>†{cell.footnote}</sup>" if cell.footnote else text(label)


def row_figure(
    ticks: Sequence[str],
    values: Sequence[str],
    traces: Sequence[dict[str, Any]],
    axis: dict[str, Any],
    summary: str,
    step: int,
    above: int = 0,
) -> Figure:
    """Return a figure with labelled rows from the top.

    Args:
        ticks: names of the rows, safe for plotly.
        values: beside the rows, on the right.
        traces: whose y is the place of a row, from 0.
        axis: the horizontal one.
        summary: for those who do not see the figure.
        step: of a row, in pixels.
        above: pixels for what stands over the rows.
    """
    height = row_height(len(ticks), step) + above
    return Figure(
        {"data": list(traces), "layout": row_layout(ticks, values, height) | {"xaxis": axis}}, height, summary
    )


def row_height(rows: int, step: int) -> int:
    """Return the height of a figure with labelled rows of `step` pixels each."""
    return 44 + rows * step


def row_layout(ticks: Sequence[str], values: Sequence[str], height: int) -> dict[str, Any]:
    """Return a layout with labelled rows on the left and their values in a column on the right."""
    rows = len(ticks)
    return {
        "height": height,
        "margin": {"l": 8, "r": 62, "t": 6, "b": 30},
        "bargap": 0.3,
        "hovermode": "closest",
        "dragmode": False,
        "yaxis": {
            "tickmode": "array",
            "tickvals": list(range(rows)),
            "ticktext": list(ticks),
            "range": [rows - 0.4, -0.6],
            "automargin": True,
            "fixedrange": True,
            "showgrid": False,
            "zeroline": False,
            "ticks": "",
            "ticklabelstandoff": 6,
        },
        "annotations": [
            {
                "text": value,
                "x": 1,
                "xref": "paper",
                "xanchor": "left",
                "xshift": 8,
                "y": row,
                "yref": "y",
                "yanchor": "middle",
                "showarrow": False,
            }
            for row, value in enumerate(values)
        ],
    }


def _value_axis(unit: str) -> dict[str, Any]:
    axis: dict[str, Any] = {"fixedrange": True, "zeroline": False, "rangemode": "tozero", "nticks": 5}
    if unit == "fraction":
        axis |= {"range": [0, 1], "tickmode": "array", "tickvals": [0, 0.25, 0.5, 0.75, 1]}
        axis |= {"ticktext": ["0", "", "50", "", "100\u202f%"], "tickangle": 0}
    return axis
