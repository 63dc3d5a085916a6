"""A line through the rows of a table, drawn as the table's task declares it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clipbench.metrics.specs import ColumnSpec, CurveSpec, TableSpec
from clipbench.report.figures import axes
from clipbench.report.figures.figures import Figure, Trace, dots, error_bars, hover, plane, stroke, text, trace
from clipbench.report.grids import Row, ends
from clipbench.report.text import numbers
from clipbench.report.text.labels import capitalised

HEIGHT = 270
"""Of a curve, in pixels."""

_LISTED = 12
"""Points that the summary names."""


@dataclass(frozen=True)
class Curve:
    """A figure of one job's table."""

    title: str
    figure: Figure
    legend: str
    flag: str = ""


def draw(spec: TableSpec, rows: Sequence[Row], chosen_x: object = None) -> Curve | None:
    """Draw the curve that a table declares; None where it declares none, or fewer than two rows have their place in it.

    Args:
        spec: of the table.
        rows: in any order.
        chosen_x: the row to ring, where the table does not say it itself.
    """
    curve = spec.curve
    if curve is None:
        return None
    x, y = _column(spec, curve.x), _column(spec, curve.y)
    rows = sorted((row for row in rows if _has_place(row, curve)), key=lambda row: row[curve.x])
    if len(rows) < 2:
        return None
    chosen = [row for row in rows if row.get(curve.chosen) is True or row[curve.x] == chosen_x]
    second = [row for row in rows if numbers.is_number(row.get(curve.second))]
    hollow = [row.get(curve.hollow_unless) is False for row in rows]
    line = trace(
        [row[curve.x] for row in rows],
        [row[curve.y] for row in rows],
        [_hover(row, spec, x, y) for row in rows],
        error_y=errors_of(rows, curve.y, y.low, y.high),
    )
    line["meta"]["hollow"] = hollow
    traces = [_dashed(second, curve)] if second else []
    traces += [line, *(_ring(row, curve) for row in chosen)]
    xaxis = _axis(rows, x, log=curve.log_x)
    figure = plane(traces, xaxis, _heights(rows, curve, y), HEIGHT, _summary(rows, chosen, x, y))
    at_end = any(row is rows[0] or row is rows[-1] for row in chosen)
    flag = f"best {x.heading} at the edge of the grid" if curve.open_ended and at_end else ""
    return Curve(spec.caption, figure, _legend(rows, chosen, spec, curve), flag)


def _column(spec: TableSpec, name: str) -> ColumnSpec:
    return spec.column(name) or ColumnSpec(name)


def _has_place(row: Row, curve: CurveSpec) -> bool:
    x, y = row.get(curve.x), row.get(curve.y)
    return numbers.is_number(x) and numbers.is_number(y) and (x > 0 or not curve.log_x)


def _dashed(rows: Sequence[Row], curve: CurveSpec) -> Trace:
    return stroke([row[curve.x] for row in rows], [row[curve.second] for row in rows], "second", 1.5, dash="dash")


def _ring(row: Row, curve: CurveSpec) -> Trace:
    marker = {"size": 15, "symbol": "circle-open", "line": {"width": 2.2}}
    return dots([row[curve.x]], [row[curve.y]], (), {"role": "chosen"}, marker=marker, hoverinfo="skip")


def errors_of(rows: Sequence[Row], column: str, low: str = "low", high: str = "high") -> dict[str, Any]:
    """Return plotly's error bars of a column from the columns of its ends."""
    return error_bars([(row[column], row.get(low), row.get(high)) for row in rows])


def reach(rows: Sequence[Row], column: str, low: str = "low", high: str = "high") -> list[float]:
    """Return all values of a column with the ends of their intervals."""
    return [row[name] for row in rows for name in (column, low, high) if row.get(name) is not None]


def _heights(rows: Sequence[Row], curve: CurveSpec, y: ColumnSpec) -> dict[str, Any]:
    values = reach(rows, curve.y, y.low, y.high) + reach(rows, curve.second, "", "")
    return axes.percent(values) if y.unit == "fraction" else axes.plain("")


def _axis(rows: Sequence[Row], x: ColumnSpec, *, log: bool) -> dict[str, Any]:
    values = [row[x.name] for row in rows]
    if not log:
        return axes.plain(text(x.heading))
    counted = all(isinstance(value, int) for value in values)
    return axes.counts(values, text(x.heading)) if counted else axes.decades(values, text(x.heading))


def _legend(rows: Sequence[Row], chosen: Sequence[Row], spec: TableSpec, curve: CurveSpec) -> str:
    x, y = _column(spec, curve.x), _column(spec, curve.y)
    intervals = ", with intervals" if any(ends(row, y) for row in rows) else ""
    parts = [f"{capitalised(curve.legend or y.heading)}{intervals}"]
    if reach(rows, curve.second, "", ""):
        parts.append(f"dashed: {curve.second_label or curve.second}")
    label = f", {curve.chosen_label}" if curve.chosen_label else ""
    parts += [f"ring: {_at(row, x)}{label}" for row in chosen]
    if any(row.get(curve.hollow_unless) is False for row in rows):
        parts.append(f"hollow: not {_column(spec, curve.hollow_unless).heading}")
    return "; ".join(parts)


def _at(row: Row, x: ColumnSpec) -> str:
    """Return where on the axis a row stands: 'C = 0.316'."""
    value = row[x.name]
    return f"{x.heading} = {value:.3g}" if isinstance(value, float) else f"{x.heading} = {value:,}"


def _measured(row: Row, y: ColumnSpec) -> str:
    return numbers.with_unit(row[y.name], y.unit)


def _hover(row: Row, spec: TableSpec, x: ColumnSpec, y: ColumnSpec) -> str:
    """Return all that the table shows of a row."""
    others = (column for column in spec.columns if column.name not in {x.name, y.name} and column.name in row)
    lines = (f"{column.heading}: {numbers.cell(row[column.name], column.unit)}" for column in others)
    return hover(_at(row, x), f"{_measured(row, y)} {ends(row, y)}", *lines)


def _summary(rows: Sequence[Row], chosen: Sequence[Row], x: ColumnSpec, y: ColumnSpec) -> str:
    """Say the first points in words, or of many the two ends, and which is chosen."""
    named = rows if len(rows) <= _LISTED else (rows[0], rows[-1])
    listed = "; ".join(f"{_at(row, x)}: {_measured(row, y)}" for row in named)
    ring = "".join(f"; chosen: {_at(row, x)} with {_measured(row, y)}" for row in chosen)
    return f"{y.heading} at {len(rows)} points of {x.heading}: {listed}{ring}"
