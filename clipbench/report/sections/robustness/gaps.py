"""Bars of what each model loses from its reference to each shift, one panel a model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clipbench.report.figures import axes
from clipbench.report.figures.figures import Figure, errors, row_height, row_layout, text
from clipbench.report.sections.robustness.findings import Summary, estimate, hover
from clipbench.report.text import numbers
from clipbench.report.text.labels import short_names
from clipbench.results.records import AnalysisResult

_LABEL = 22
_STEP = 28


@dataclass(frozen=True)
class GapPanel:
    """One model's gaps, the largest first."""

    model: str
    against: str
    """The reference, with prompts and subset as far as they need saying."""
    mean: str
    """The mean gap with its interval."""
    figure: Figure


def panels(summaries: Sequence[Summary], series: Mapping[str, int]) -> tuple[GapPanel, ...]:
    """Draw every model that has several shifts; panels against one reference share an axis.

    Args:
        summaries: models over their shifts.
        series: the number of each model's colour.
    """
    several = [summary for summary in summaries if len(summary.shifts) > 1]
    extents: dict[str, list[float]] = defaultdict(list)
    for summary in several:
        for shift in summary.shifts:
            gap = estimate(shift, "gap")
            extents[summary.result.about.reference] += [gap.low, gap.value, gap.high]
    return tuple(
        _panel(summary, extents[summary.result.about.reference], series.get(summary.result.about.model, 0))
        for summary in several
    )


def _panel(summary: Summary, extent: Sequence[float], series: int) -> GapPanel:
    about, mean = summary.result.about, estimate(summary.result, "mean_gap")
    shifts = sorted(summary.shifts, key=lambda shift: -estimate(shift, "gap").value)
    lowest = summary.result.record("worst_shift_top1")
    worst = lowest.params.get("dataset") if lowest else None
    names = short_names([shift.about.dataset for shift in shifts], _LABEL)
    ticks = [
        f"<b>{text(names[name])}</b>" if name == worst else text(names[name])
        for name in (shift.about.dataset for shift in shifts)
    ]
    gaps = [estimate(shift, "gap").value for shift in shifts]
    height = row_height(len(shifts), _STEP)
    layout = row_layout(ticks, [numbers.number(gap, "gap") for gap in gaps], height)
    layout |= {"xaxis": axes.differences(extent)}
    layout["margin"] |= {"r": 48}
    listed = "; ".join(
        f"{shift.about.dataset} {numbers.with_unit(gap, 'gap')}" for shift, gap in zip(shifts, gaps, strict=True)
    )
    words = f"what {about.model} loses from {about.reference}: {listed}"
    return GapPanel(
        model=about.model,
        against=", ".join(part for part in (about.reference, summary.condition) if part),
        mean=f"{numbers.with_unit(mean.value, 'gap')} {numbers.ends(mean.low, mean.high, 'gap')}",
        figure=Figure({"data": _traces(shifts, gaps, mean.value, series), "layout": layout}, height, words),
    )


def _traces(shifts: Sequence[AnalysisResult], gaps: Sequence[float], mean: float, series: int) -> list[dict[str, Any]]:
    bars = {
        "type": "bar",
        "orientation": "h",
        "width": 0.58,
        "x": list(gaps),
        "y": list(range(len(shifts))),
        "error_x": errors([shift.record("gap") for shift in shifts]),
        "customdata": [hover(shift) for shift in shifts],
        "hovertemplate": "%{customdata}<extra></extra>",
        "marker": {},
        "meta": {"series": series},
        "showlegend": False,
    }
    line = {
        "type": "scatter",
        "mode": "lines",
        "x": [mean, mean],
        "y": [-0.5, len(shifts) - 0.5],
        "line": {"width": 1.6, "dash": "dash"},
        "meta": {"role": "baseline"},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    return [bars, line]
