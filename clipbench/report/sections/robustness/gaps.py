"""Bars of what each model loses from its reference to each shift, one panel a model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clipbench.report.figures import axes
from clipbench.report.figures.figures import Figure, errors, row_height, row_layout, text
from clipbench.report.sections.robustness.findings import Robustness, Shift, Summary
from clipbench.report.sections.robustness.hover import hover
from clipbench.report.text import numbers
from clipbench.report.text.shortening import short_names
from clipbench.results.records import Record

_LABEL = 22
_STEP = 28


@dataclass(frozen=True)
class GapPanel:
    """One model's gaps, the largest first."""

    model: str
    against: str
    """The reference, with prompts and subset as far as they need saying."""
    legend: str
    figure: Figure


@dataclass(frozen=True)
class _Bar:
    name: str
    record: Record
    worst: bool
    hover: str


def panels(found: Robustness, series: Mapping[str, int]) -> tuple[GapPanel, ...]:
    """Draw every model that has a gap on several shifts; panels against one reference share an axis.

    Args:
        found: of the analysis.
        series: the number of each model's colour.
    """
    grouped: dict[tuple[str, ...], list[tuple[Shift, str]]] = defaultdict(list)
    for shift in found.shifts:
        for measured in shift.models:
            if measured.value("gap") is not None:
                grouped[measured.model, shift.reference, shift.condition].append((shift, measured.model))
    several = {key: members for key, members in grouped.items() if len(members) > 1}
    bars = {key: _bars(members, _summary(key, found.summaries)) for key, members in several.items()}
    extents: dict[str, list[float]] = defaultdict(list)
    for (_, reference, _), of_model in bars.items():
        extents[reference] += [end for bar in of_model for end in _ends(bar.record)]
    return tuple(
        _panel(key, of_model, _summary(key, found.summaries), extents[key[1]], series.get(key[0], 0))
        for key, of_model in bars.items()
    )


def _summary(key: tuple[str, ...], summaries: Sequence[Summary]) -> Summary | None:
    model, reference, condition = key
    fitting = [one for one in summaries if (one.finding.model, one.finding.dataset) == (model, reference)]
    alike = [one for one in fitting if one.condition == condition]
    return alike[0] if alike else None


def _bars(members: Sequence[tuple[Shift, str]], summary: Summary | None) -> list[_Bar]:
    worst = summary.worst if summary else ""
    names = [shift.dataset for shift, _ in members]
    bars = []
    for shift, model in members:
        measured = next(one for one in shift.models if one.model == model)
        name = shift.dataset if names.count(shift.dataset) == 1 else f"{shift.dataset} {shift.split}"
        bars.append(_Bar(name, measured.records["gap"], shift.dataset == worst, hover(measured, shift)))
    return sorted(bars, key=lambda bar: -(bar.record.value or 0.0))


def _ends(record: Record) -> list[float]:
    return [end for end in (record.value, record.low, record.high) if end is not None]


def _panel(
    key: tuple[str, ...], bars: Sequence[_Bar], summary: Summary | None, extent: Sequence[float], series: int
) -> GapPanel:
    model, reference, condition = key
    names = short_names([bar.name for bar in bars], _LABEL)
    ticks = [f"<b>{text(names[bar.name])}</b>" if bar.worst else text(names[bar.name]) for bar in bars]
    values = [numbers.number(bar.record.value, "gap") for bar in bars]
    mean = summary.records.get("mean_gap") if summary else None
    height = row_height(len(bars), _STEP)
    layout = row_layout(ticks, values, height) | {"xaxis": axes.differences(extent)}
    layout["margin"] |= {"r": 48}
    return GapPanel(
        model=model,
        against=", ".join(part for part in (reference, condition) if part),
        legend=_legend(mean, any(bar.worst for bar in bars)),
        figure=Figure({"data": _traces(bars, mean, series), "layout": layout}, height, _words(model, reference, bars)),
    )


def _traces(bars: Sequence[_Bar], mean: Record | None, series: int) -> list[dict[str, Any]]:
    drawn: list[dict[str, Any]] = [
        {
            "type": "bar",
            "orientation": "h",
            "width": 0.58,
            "x": [bar.record.value for bar in bars],
            "y": list(range(len(bars))),
            "error_x": errors([bar.record for bar in bars]),
            "customdata": [bar.hover for bar in bars],
            "hovertemplate": "%{customdata}<extra></extra>",
            "marker": {},
            "meta": {"series": series},
            "showlegend": False,
        }
    ]
    if mean is not None and mean.value is not None:
        drawn.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": [mean.value, mean.value],
                "y": [-0.5, len(bars) - 0.5],
                "line": {"width": 1.6, "dash": "dash"},
                "meta": {"role": "baseline"},
                "hoverinfo": "skip",
                "showlegend": False,
            }
        )
    return drawn


def _legend(mean: Record | None, worst: bool) -> str:
    parts = []
    if mean is not None and mean.value is not None:
        parts.append(f"dashed: mean {numbers.with_unit(mean.value, 'gap')} {numbers.ends(mean.low, mean.high, 'gap')}")
    parts += ["bold: the shift with the lowest top-1"] if worst else []
    return "; ".join(part.rstrip() for part in parts)


def _words(model: str, reference: str, bars: Sequence[_Bar]) -> str:
    listed = "; ".join(f"{bar.name} {numbers.with_unit(bar.record.value, 'gap')}" for bar in bars)
    return f"what {model} loses from {reference}: {listed}"
