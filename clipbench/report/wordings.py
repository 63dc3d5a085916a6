"""Figures of prompt sensitivity: every template sorted, what families of wording do, and ensembles by their size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clipbench.records import JobResult
from clipbench.report import axes, labels, numbers
from clipbench.report.curve import Curve, errors_of, reach
from clipbench.report.figures import Figure, row_height, row_layout, text
from clipbench.report.points import CAPTIONS, Row
from clipbench.report.shortening import cut

_LABEL = 34
_STEP = 22


def templates(job: JobResult, rows: Sequence[Row]) -> Curve:
    """Draw each template's top-1 with its interval, best first; ringed is the ensemble of all beside them."""
    rows = sorted(rows, key=lambda row: -row["top1"])
    names = _names([str(row.get("template", row["position"])) for row in rows])
    height = row_height(len(rows), _STEP)
    layout = row_layout(names, [numbers.number(row["top1"]) for row in rows], height)
    values = reach(rows, "top1")
    ensemble = next((record.value for record in job.records if record.metric == "ensemble_top1"), None)
    layout["xaxis"] = axes.percent([*values, *([ensemble] if ensemble is not None else [])]) | {"automargin": False}
    points = _points(rows, "top1", [_hover(name, row) for name, row in zip(names, rows, strict=True)])
    data = [points, *(_upright(ensemble, len(rows)) if ensemble is not None else ())]
    best, worst = rows[0], rows[-1]
    summary = (
        f"top-1 of {len(rows)} templates, from {numbers.with_unit(best['top1'])} to {numbers.with_unit(worst['top1'])}"
    )
    legend = "Top-1 of each template alone, with intervals"
    legend += "; dashed: all of them averaged" if ensemble is not None else ""
    return Curve(CAPTIONS["templates"], Figure({"data": data, "layout": layout}, height, summary), legend)


def families(job: JobResult, rows: Sequence[Row]) -> Curve:
    """Draw each template's difference from the plain one of its family, with its interval."""
    names = _names([f"{row['family']}: {row['template']}" for row in rows])
    height = row_height(len(rows), _STEP)
    layout = row_layout(names, [numbers.number(row["difference"], "difference") for row in rows], height)
    layout["xaxis"] = axes.differences(reach(rows, "difference"))
    points = _points(rows, "difference", [_hover_family(row) for row in rows])
    clear = [row for row in rows if row.get("p_holm") is not None and row["p_holm"] < 0.05]
    points["meta"]["hollow"] = [row not in clear for row in rows]
    plain = text(str(rows[0].get("plain", "the plain template")))
    legend = f"Points of top-1 against '{plain}'; filled: p < 0.05 after Holm's correction for all {len(rows)}"
    summary = f"differences of {len(rows)} wordings from the plain one of their family; {len(clear)} are clear"
    return Curve(CAPTIONS["families"], Figure({"data": [points], "layout": layout}, height, summary), legend)


def ensembles(job: JobResult, rows: Sequence[Row]) -> Curve:
    """Draw the mean top-1 of ensembles by their size."""
    rows = sorted(rows, key=lambda row: row["size"])
    sizes, top1 = [row["size"] for row in rows], [row["top1"] for row in rows]
    line: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": sizes,
        "y": top1,
        "error_y": errors_of(rows, "top1"),
        "customdata": [f"{row['size']:,} templates<br><b>{numbers.with_unit(row['top1'])}</b>" for row in rows],
        "hovertemplate": "%{customdata}<extra></extra>",
        "line": {"width": 1.8},
        "marker": {"size": 7, "line": {"width": 1.6}},
        "cliponaxis": False,
        "meta": {"role": "curve"},
        "showlegend": False,
    }
    layout = {
        "height": 270,
        "margin": {"l": 8, "r": 14, "t": 8, "b": 46},
        "hovermode": "closest",
        "dragmode": False,
        "xaxis": axes.counts([float(size) for size in sizes], "templates in the ensemble"),
        "yaxis": axes.percent(reach(rows, "top1")),
    }
    summary = "top-1 by the size of the ensemble: " + "; ".join(
        f"{row['size']}: {numbers.with_unit(row['top1'])}" for row in rows
    )
    legend = "Mean top-1 of subsets of that size; bars hold 95 % of the subsets"
    return Curve(CAPTIONS["ensemble_curve"], Figure({"data": [line], "layout": layout}, 270, summary), legend)


def _names(full: Sequence[str]) -> list[str]:
    return [text(cut(" ".join(name.split()), _LABEL)) for name in full]


def _points(rows: Sequence[Row], column: str, hover: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [row[column] for row in rows],
        "y": list(range(len(rows))),
        "error_x": errors_of(rows, column),
        "customdata": list(hover),
        "hovertemplate": "%{customdata}<extra></extra>",
        "marker": {"size": 8, "line": {"width": 1.6}},
        "cliponaxis": False,
        "meta": {"role": "curve"},
        "showlegend": False,
    }


def _upright(at: float, rows: int) -> list[dict[str, Any]]:
    trace = {"type": "scatter", "mode": "lines", "x": [at, at], "y": [-0.5, rows - 0.5], "hoverinfo": "skip"}
    return [trace | {"line": {"width": 1.4, "dash": "dash"}, "meta": {"role": "second"}, "showlegend": False}]


def _hover(name: str, row: Row) -> str:
    measured = f"<b>{numbers.with_unit(row['top1'])}</b> {numbers.ends(row.get('low'), row.get('high'))}".rstrip()
    family = text(str(row.get("family") or ""))
    return "<br>".join(part for part in (text(str(row.get("template", name))), measured, family) if part)


def _hover_family(row: Row) -> str:
    points = numbers.number(row["difference"], "difference")
    ends = numbers.ends(row.get("low"), row.get("high"), "difference")
    return f"{text(str(row['template']))}<br><b>{points} points</b> {ends} of {labels.metric('top1')}"
