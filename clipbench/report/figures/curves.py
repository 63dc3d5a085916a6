"""Curves of one job: the choice of C, neighbours, the way from zero-shot to fitted weights, the wording of prompts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from clipbench.report.figures import axes
from clipbench.report.figures.curve import Curve, errors_of, reach
from clipbench.report.figures.figures import Figure, text
from clipbench.report.leaderboard import Board
from clipbench.report.points import CAPTIONS, Row, known_rows
from clipbench.report.sections.prompts import effects as wording_effects
from clipbench.report.sections.prompts import variance as wording_variance
from clipbench.report.sections.prompts import wordings
from clipbench.report.text import labels, numbers
from clipbench.results.records import JobResult

HEIGHT = 270
"""Of a curve, in pixels."""

RING = {"size": 15, "symbol": "circle-open", "line": {"width": 2.2}}
DOTS = {"size": 7, "line": {"width": 1.6}}


def of_board(board: Board, limit: int) -> Mapping[str, Mapping[str, Curve]]:
    """Return at most `limit` curves in the board's order, by job hash and the name of their table."""
    found: dict[str, dict[str, Curve]] = {}
    for column in board.columns:
        for model in board.models:
            cell = column.cells.get(model)
            if cell is None or cell.job.hash in found:
                continue
            curves = dict(list(of_job(cell.job).items())[: max(0, limit)])
            limit -= len(curves)
            if curves:
                found[cell.job.hash] = curves
    return found


def of_job(job: JobResult) -> Mapping[str, Curve]:
    """Return the curves of a job, by the name of their table; none of fewer than two points."""
    found = (
        (name, draw(job, rows))
        for name, draw in _DRAWN.items()
        if len(rows := _positive(known_rows(job.tables, name))) > 1
    )
    return {name: curve for name, curve in found if curve is not None}


def _positive(rows: Sequence[Row]) -> Sequence[Row]:
    """Return no rows where one has no place on a logarithmic axis."""
    return () if any(row.get(name, 1) <= 0 for row in rows for name in ("C", "k")) else rows


def _choice_of_c(job: JobResult, rows: Sequence[Row]) -> Curve:
    rows = sorted(rows, key=lambda row: row["C"])
    metric = labels.metric(str(rows[0].get("metric") or "score"))
    hollow = [row.get("converged") is False for row in rows]
    line = _line([row["C"] for row in rows], [row["score"] for row in rows], [_hover_c(row, metric) for row in rows])
    line["meta"]["hollow"] = hollow
    chosen = [row for row in rows if row.get("chosen") is True]
    where = str(_params(job).get("chosen_on") or "validation data")
    legend = [f"{metric} on {where}"]
    if chosen:
        legend.append(f"ring: the C chosen, {_short(chosen[0]['C'])}")
    if any(hollow):
        legend.append("hollow: not converged")
    traces = [line, *(_ring(row["C"], row["score"]) for row in chosen)]
    layout = _layout(axes.decades([row["C"] for row in rows], "C"), [row["score"] for row in rows])
    at_edge = bool(chosen) and _params(job).get("at_edge") is True
    summary = f"{metric} on {where} for {len(rows)} values of C from {_short(rows[0]['C'])} to {_short(rows[-1]['C'])}"
    if chosen:
        summary += f"; chosen: {_short(chosen[0]['C'])} with {numbers.with_unit(chosen[0]['score'])}"
    return Curve(
        CAPTIONS["validation_curve"],
        Figure({"data": traces, "layout": layout}, HEIGHT, summary),
        "; ".join(legend),
        "best C at the edge of the grid" if at_edge else "",
    )


def _neighbours(job: JobResult, rows: Sequence[Row]) -> Curve:
    rows = sorted(rows, key=lambda row: row["k"])
    own = _params(job).get("k")
    line = _line([row["k"] for row in rows], [row["top1"] for row in rows], [_hover_top1(row, "k") for row in rows])
    line |= {"error_y": errors_of(rows, "top1")}
    rings = [_ring(row["k"], row["top1"]) for row in rows if row["k"] == own]
    layout = _layout(axes.counts([row["k"] for row in rows], "k"), reach(rows, "top1"))
    legend = "top-1 with intervals" + (f"; ring: k = {own}, which stands for the job" if rings else "")
    summary = "top-1 by the number of neighbours: " + "; ".join(
        f"{row['k']}: {numbers.with_unit(row['top1'])}" for row in rows
    )
    return Curve(CAPTIONS["k_curve"], Figure({"data": [line, *rings], "layout": layout}, HEIGHT, summary), legend)


def _interpolation(job: JobResult, rows: Sequence[Row]) -> Curve:
    rows = sorted(rows, key=lambda row: row["alpha"])
    alphas = [row["alpha"] for row in rows]
    chosen = next((record for record in job.records if record.metric == "top1_at_chosen_alpha"), None)
    ringed = [row for row in rows if chosen and row["alpha"] == chosen.params.get("alpha")]
    validation = [row["validation"] for row in rows]
    traces = [_dashed(alphas, validation), _test(rows), *(_ring(row["alpha"], row["top1"]) for row in ringed)]
    ticks, texts = [0, 0.25, 0.5, 0.75, 1], ["0<br>zero-shot", "0.25", "0.5", "0.75", "1<br>fitted"]
    layout = _layout(axes.shares(ticks, texts, "alpha"), [*reach(rows, "top1"), *validation])
    layout["margin"] |= {"r": 26, "b": 58}
    legend = "Line: top-1 on test, with intervals; dashed: validation; diamonds: zero-shot and fitted"
    legend += "".join(f"; ring: alpha = {_short(row['alpha'])}, best on validation" for row in ringed)
    summary = "top-1 by alpha: " + "; ".join(
        f"{_short(row['alpha'])}: {numbers.with_unit(row['top1'])}" for row in rows
    )
    return Curve(CAPTIONS["alpha_curve"], Figure({"data": traces, "layout": layout}, HEIGHT, summary), legend)


def _test(rows: Sequence[Row]) -> dict[str, Any]:
    ends = [row["alpha"] in (0, 1) for row in rows]
    hover = [_hover_top1(row, "alpha") for row in rows]
    line = _line([row["alpha"] for row in rows], [row["top1"] for row in rows], hover)
    line["marker"] |= {
        "opacity": 1,
        "size": [12 if end else 6 for end in ends],
        "symbol": ["diamond" if end else "circle" for end in ends],
    }
    return line | {"error_y": errors_of(rows, "top1")}


def _dashed(x: list[float], y: list[float]) -> dict[str, Any]:
    trace = {"type": "scatter", "mode": "lines", "x": x, "y": y, "line": {"width": 1.4, "dash": "dash"}}
    return trace | {"meta": {"role": "second"}, "hoverinfo": "skip", "showlegend": False}


_DRAWN: Mapping[str, Callable[[JobResult, Sequence[Row]], Curve | None]] = {
    "validation_curve": _choice_of_c,
    "k_curve": _neighbours,
    "alpha_curve": _interpolation,
    "templates": wordings.templates,
    "gains": wording_effects.gains,
    "family_effects": wording_effects.family_effects,
    "families": wording_effects.families,
    "names": wording_effects.names,
    "choice": wordings.choice,
    "ensemble_curve": wordings.ensembles,
    "variance": wording_variance.variance,
}


def _line(x: list[float], y: list[float], hover: list[str]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": x,
        "y": y,
        "customdata": hover,
        "hovertemplate": "%{customdata}<extra></extra>",
        "line": {"width": 1.8},
        "marker": dict(DOTS),
        "cliponaxis": False,
        "meta": {"role": "curve"},
        "showlegend": False,
    }


def _ring(x: float, y: float) -> dict[str, Any]:
    trace = {"type": "scatter", "mode": "markers", "x": [x], "y": [y], "marker": dict(RING), "cliponaxis": False}
    return trace | {"meta": {"role": "chosen"}, "hoverinfo": "skip", "showlegend": False}


def _layout(xaxis: dict[str, Any], values: Sequence[float]) -> dict[str, Any]:
    return {
        "height": HEIGHT,
        "margin": {"l": 8, "r": 14, "t": 8, "b": 46},
        "hovermode": "closest",
        "dragmode": False,
        "xaxis": xaxis,
        "yaxis": axes.percent(values),
    }


def _hover_c(row: Row, metric: str) -> str:
    lines = [f"C = {_short(row['C'])}", f"<b>{numbers.with_unit(row['score'])}</b> {text(metric)}"]
    if isinstance(row.get("iterations"), int):
        how = "not converged after" if row.get("converged") is False else "converged after"
        lines.append(f"{how} {numbers.count(row['iterations'])} iterations")
    return "<br>".join(lines)


def _hover_top1(row: Row, name: str) -> str:
    measured = f"<b>{numbers.with_unit(row['top1'])}</b> {numbers.ends(row.get('low'), row.get('high'))}".rstrip()
    return f"{name} = {_short(row[name])}<br>{measured}"


def _short(value: float) -> str:
    return f"{value:.3g}" if isinstance(value, float) else f"{value:,}"


def _params(job: JobResult) -> Mapping[str, Any]:
    return job.main.params if job.main else {}
