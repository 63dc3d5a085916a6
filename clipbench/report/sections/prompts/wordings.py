"""Figures of prompt sensitivity: every template sorted, ways to come from many to one, and ensembles by their size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clipbench.report.figures import axes
from clipbench.report.figures.curve import Curve, errors_of, reach
from clipbench.report.figures.figures import Figure, text
from clipbench.report.points import CAPTIONS, Row
from clipbench.report.sections.prompts.rows import dots, row_figure, row_names
from clipbench.report.text import numbers
from clipbench.report.text.shortening import cut
from clipbench.results.records import JobResult

_ROLES = {"control": "hollow: controls, meant to be worse", "baseline": "diamonds: baselines"}
"""What a template is that counts in no mean, and how it is marked."""

_HOVER = 90
"""Characters of an ensemble's templates that a pointer is shown."""


def templates(job: JobResult, rows: Sequence[Row]) -> Curve:
    """Draw each template's top-1 with its interval, best first, beside the ensemble of those that count."""
    rows = sorted(rows, key=lambda row: -row["top1"])
    ensemble = next((record.value for record in job.records if record.metric == "ensemble_top1"), None)
    points = dots(rows, "top1", [_hover(row) for row in rows])
    points["meta"]["hollow"] = [row.get("role") == "control" for row in rows]
    points["marker"]["symbol"] = ["diamond" if row.get("role") == "baseline" else "circle" for row in rows]
    upright = [] if ensemble is None else [_upright(ensemble, len(rows))]
    figure = row_figure(
        row_names([str(row.get("template", row["position"])) for row in rows]),
        [numbers.number(row["top1"]) for row in rows],
        [points, *upright],
        _percent([*reach(rows, "top1"), *([] if ensemble is None else [ensemble])]),
        _summary(rows),
    )
    marked = [how for role, how in _ROLES.items() if any(row.get("role") == role for row in rows)]
    parts = ["Top-1 of each template alone, with intervals", *(["dashed: all of them averaged"] if upright else [])]
    legend = "; ".join([*parts, *marked]) + (". These count in no mean and no ensemble" if marked else "")
    return Curve(f"{CAPTIONS['templates']}, best first", figure, legend)


def choice(job: JobResult, rows: Sequence[Row]) -> Curve:
    """Draw the ways to come from many templates to one number; hollow is what was chosen on the images reported on."""
    optimistic = [row.get("chosen_on") == job.split for row in rows]
    points = dots(rows, "top1", [_hover_way(row) for row in rows])
    points["meta"]["hollow"] = optimistic
    names = [str(row["how"]) for row in rows]
    shares = [numbers.with_unit(row["top1"]) for row in rows]
    figure = row_figure(
        row_names(names),
        [numbers.number(row["top1"]) for row in rows],
        [points],
        _percent(reach(rows, "top1")),
        "top-1: " + "; ".join(f"{name} {share}" for name, share in zip(names, shares, strict=True)),
        26,
    )
    legend = "Top-1 with intervals"
    legend += "; hollow: chosen on the images it is reported on, so optimistic" if any(optimistic) else ""
    return Curve(CAPTIONS["choice"], figure, legend)


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


def _summary(rows: Sequence[Row]) -> str:
    """Say the ends of the templates that count, best first, and how many others there are."""
    counted = [row for row in rows if not row.get("role")] or rows
    ends = [numbers.with_unit(row["top1"]) for row in (counted[0], counted[-1])]
    others = len(rows) - len(counted)
    beside = f"; beside them {others} that count in no mean" if others else ""
    return f"top-1 of {len(counted)} templates, from {ends[0]} to {ends[1]}{beside}"


def _percent(values: Sequence[float]) -> dict[str, Any]:
    return axes.percent(values) | {"automargin": False}


def _upright(at: float, rows: int) -> dict[str, Any]:
    trace = {"type": "scatter", "mode": "lines", "x": [at, at], "y": [-0.5, rows - 0.5], "hoverinfo": "skip"}
    return trace | {"line": {"width": 1.4, "dash": "dash"}, "meta": {"role": "second"}, "showlegend": False}


def _measured(row: Row) -> str:
    return f"<b>{numbers.with_unit(row['top1'])}</b> {numbers.ends(row.get('low'), row.get('high'))}".rstrip()


def _hover(row: Row) -> str:
    told = [text(str(row.get(name) or "")) for name in ("family", "role")]
    return "<br>".join(
        part for part in (text(str(row.get("template", row["position"]))), _measured(row), *told) if part
    )


def _hover_way(row: Mapping[str, Any]) -> str:
    which, on = (str(row.get(name) or "") for name in ("templates", "chosen_on"))
    parts = (text(str(row["how"])), _measured(row), text(cut(which, _HOVER)), f"chosen on {text(on)}" if on else "")
    return "<br>".join(part for part in parts if part)
