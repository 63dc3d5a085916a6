"""The section 'Benchmark and reality': what is lost under shifts, and what fitting to the benchmark does there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from clipbench.report.figures.figures import series_of
from clipbench.report.grids import Grid
from clipbench.report.measured import Outcomes, Remark, outcomes, remarks, table
from clipbench.report.sections.base import PageData
from clipbench.report.sections.robustness import baseline, gaps, scatter
from clipbench.report.sections.robustness.findings import Shift, Summary, gather
from clipbench.report.sections.robustness.pairs import ShownPair, pairs
from clipbench.report.text import labels
from clipbench.results.records import AnalysisResult


@dataclass(frozen=True)
class ShiftChart:
    """One shift: the scatter, the numbers beside it, and what must be said of both."""

    shift: Shift
    scatter: scatter.Scatter | None
    """None where there was no room for a figure."""
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
    panels: tuple[gaps.GapPanel, ...]
    left_out: int
    """Figures for which there was no room."""


@dataclass(frozen=True)
class BenchmarkAndReality:
    """What the template shows."""

    shifts: Shifts
    pairs: tuple[ShownPair, ...]
    errors: tuple[str, ...]
    """Why the analysis of a pair broke, where one did."""


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
        left = figures - len(shown.charts) - len(shown.panels)
        return BenchmarkAndReality(shown, pairs(beside, left), outcomes(beside).errors)


def shifts(results: Sequence[AnalysisResult], series: Mapping[str, int], limit: int) -> Shifts:
    """Set out results of the analysis 'robustness', with at most `limit` figures."""
    result = outcomes(results)
    by_shift, summaries = gather(result.measured)
    charts = tuple(_chart(shift, series, place < limit) for place, shift in enumerate(by_shift))
    panels = gaps.panels(summaries, series)
    kept = panels[: max(0, limit - len(charts))]
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
        left_out=len(panels) - len(kept) + max(0, len(charts) - limit),
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
        caption=tuple(baseline.caption(shift, pair)),
        counts=baseline.counts(shift),
        numbers=table(caption, rows, without=baseline.FURTHER, names=names),
        remarks=remarks(shift.results),
        credits=baseline.credits_of(pair) if pair else (),
        grids=baseline.grids(shift),
    )
