"""Bars of what each model loses from its reference to each shift, one panel a model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clipbench.report.figures import axes, figures
from clipbench.report.sections.robustness.findings import Summary, estimate, hover
from clipbench.report.text import numbers
from clipbench.report.text.labels import short_names

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
    figure: figures.Figure


def panels(summaries: Sequence[Summary], series: Mapping[str, int]) -> tuple[GapPanel, ...]:
    """Draw every model that has several shifts; panels against one reference share an axis."""
    several = [summary for summary in summaries if len(summary.shifts) > 1]
    extents: dict[str, list[float]] = defaultdict(list)
    for summary in several:
        for shift in summary.shifts:
            extents[summary.result.about.reference] += estimate(shift, "gap")
    return tuple(
        _panel(summary, extents[summary.result.about.reference], series.get(summary.result.about.model, 0))
        for summary in several
    )


def _panel(summary: Summary, extent: Sequence[float], series: int) -> GapPanel:
    about, mean = summary.result.about, estimate(summary.result, "mean_gap")
    shifts = sorted(summary.shifts, key=lambda shift: -estimate(shift, "gap").value)
    lowest = summary.result.record("worst_shift_top1")
    worst = lowest.params.get("dataset") if lowest else None
    gaps = {shift.about.dataset: estimate(shift, "gap") for shift in shifts}
    short = {name: figures.text(label) for name, label in short_names(list(gaps), _LABEL).items()}
    ticks = [f"<b>{label}</b>" if name == worst else label for name, label in short.items()]
    values = [gap.value for gap in gaps.values()]
    errors = figures.error_bars(list(gaps.values()))
    bars = figures.bars(values, list(map(hover, shifts)), {"series": series}, errors)
    listed = "; ".join(f"{name} {numbers.with_unit(gap.value, 'gap')}" for name, gap in gaps.items())
    return GapPanel(
        model=about.model,
        against=", ".join(part for part in (about.reference, summary.condition) if part),
        mean=numbers.with_ends(*mean, "gap"),
        figure=figures.rows(
            ticks,
            [numbers.number(value, "gap") for value in values],
            [bars, figures.upright(mean.value, len(gaps), "baseline")],
            axes.differences(extent),
            f"what {about.model} loses from {about.reference}: {listed}",
            _STEP,
        ),
    )
