"""The section 'Benchmark and reality': what is lost under shifts, and what fitting to the benchmark does there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from clipbench.report.figures import axes, figures
from clipbench.report.figures.figures import series_of
from clipbench.report.grids import Grid
from clipbench.report.measured import Outcomes, Remark, outcomes, remarks, table
from clipbench.report.sections.base import PageData
from clipbench.report.sections.robustness import baseline, scatter
from clipbench.report.sections.robustness.findings import Shift, Summary, estimate, gather, hover
from clipbench.report.sections.robustness.pairs import ShownPair, pairs
from clipbench.report.text import labels, numbers
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
    figure: figures.Figure


@dataclass(frozen=True)
class ShiftChart:
    """One shift: the scatter, the numbers beside it, and what must be said of both."""

    shift: Shift
    scatter: scatter.Scatter | None
    """None where a model stands alone, or there was no room for a figure."""
    caption: tuple[str, ...]
    counts: str
    numbers: Grid
    remarks: tuple[Remark, ...]
    credits: tuple[str, ...]
    """Where the published models are from; none where none are shown."""
    grids: tuple[Grid, ...]


@dataclass(frozen=True)
class Shifts:
    """All that the page says of shifts."""

    outcomes: Outcomes
    summaries: tuple[tuple[Summary, str], ...]
    """Models over their shifts, each with what tells it from the others of its model."""
    means: Grid
    remarks: tuple[Remark, ...]
    charts: tuple[ShiftChart, ...]
    panels: tuple[GapPanel, ...]
    left_out: int
    """Figures for which there was no room."""


@dataclass(frozen=True)
class BenchmarkAndReality:
    """What the template shows."""

    shifts: Shifts
    pairs: tuple[ShownPair, ...]
    errors: tuple[str, ...]


class RobustnessSection:
    """Shifts with their baselines, and zero-shot classifiers beside supervised ones."""

    name: ClassVar[str] = "robustness"
    title: ClassVar[str] = "Benchmark and reality"
    order: ClassVar[int] = 10
    analyses: ClassVar[tuple[str, ...]] = ("robustness", "robustness_pair", "published_pair")
    template: ClassVar[str] = "robustness.html.j2"

    def show(self, data: PageData, figures: int) -> BenchmarkAndReality | None:
        """Set out the results, with at most so many figures; the tables are all there."""
        if not data.results_of(*self.analyses):
            return None
        shown = shifts(data.results_of("robustness"), series_of(data.leaderboard.models), figures)
        beside = data.results_of("robustness_pair", "published_pair")
        left = figures - sum(chart.scatter is not None for chart in shown.charts) - len(shown.panels)
        return BenchmarkAndReality(shown, pairs(beside, left), outcomes(beside).errors)


def shifts(results: Sequence[AnalysisResult], series: Mapping[str, int], limit: int) -> Shifts:
    """Set out results of the analysis 'robustness', with at most `limit` figures."""
    result = outcomes(results)
    by_shift, summaries = gather(result.measured)
    wanted = [place for place, shift in enumerate(by_shift) if not shift.alone]
    charts = tuple(_chart(shift, series, place in wanted[:limit]) for place, shift in enumerate(by_shift))
    panels = _panels(summaries, series)
    kept = panels[: max(0, limit - len(wanted))]
    distinct = _distinct(summaries)
    counts = (labels.counted(len(summary.result.about.datasets), "shift") for summary in summaries)
    rows = [(summary.result, words or f"mean over {n}") for (summary, words), n in zip(distinct, counts, strict=True)]
    return Shifts(
        outcomes=result,
        summaries=distinct,
        means=table("Means over shifts", rows),
        remarks=remarks([summary.result for summary in summaries]),
        charts=charts,
        panels=kept,
        left_out=len(panels) - len(kept) + max(0, len(wanted) - limit),
    )


def _distinct(summaries: Sequence[Summary]) -> tuple[tuple[Summary, str], ...]:
    """Return each summary with what tells it from the others of its model; '' where there is one a model."""
    models = [summary.result.about.model for summary in summaries]
    several = len(set(models)) < len(models)
    parts = ((summary.result.about.reference, summary.condition) for summary in summaries)
    words = (", ".join(part for part in both if part) if several else "" for both in parts)
    return tuple(zip(summaries, words, strict=True))


def _chart(shift: Shift, series: Mapping[str, int], room: bool) -> ShiftChart:
    pair = baseline.pair_of(shift)
    names = {"reference_top1": f"{shift.about.reference}, %", "shift_top1": f"{shift.about.dataset}, %"}
    rows, caption = [(result, "") for result in shift.results], f"{shift.about.dataset} beside {shift.about.reference}"
    return ShiftChart(
        shift=shift,
        scatter=scatter.draw(shift, pair, series) if room else None,
        caption=tuple(baseline.caption(shift, pair, shift.line)),
        counts=baseline.counts(shift),
        numbers=table(caption, rows, without=baseline.FURTHER, names=names),
        remarks=remarks(shift.results),
        credits=baseline.credits_of(pair) if pair else (),
        grids=baseline.grids(shift),
    )


def _panels(summaries: Sequence[Summary], series: Mapping[str, int]) -> tuple[GapPanel, ...]:
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
            f"gaps of {about.model} from {about.reference}: {listed}",
            _STEP,
        ),
    )
