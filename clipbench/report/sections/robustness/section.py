"""The section 'Benchmark and reality': what is lost under shifts, and what fitting to the benchmark does there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from clipbench.report.cells import Grid
from clipbench.report.figures.figures import series_of
from clipbench.report.measured import Change, MeasuredTable, Outcomes, Remark, change, outcomes, remarks, table
from clipbench.report.sections.base import PageData
from clipbench.report.sections.robustness import baseline, gaps, scatter
from clipbench.report.sections.robustness.findings import Shift, Summary, estimate, gather
from clipbench.report.sections.robustness.pairs import Pairs, pairs
from clipbench.results.records import AnalysisResult


@dataclass(frozen=True)
class Sentence:
    """What is said of one model over the shifts of a reference; its template puts it into words."""

    model: str
    condition: str
    """Reference, prompts and subset, where a model has several sentences."""
    reference: str
    shifts: tuple[str, ...]
    on_reference: float
    on_shifts: float
    gap: Change
    effective: Change | None
    """Against what was expected; None without a baseline."""


@dataclass(frozen=True)
class ShiftChart:
    """One shift: the scatter, the numbers beside it, and what must be said of both."""

    shift: Shift
    scatter: scatter.Scatter | None
    """None where there was no room for a figure."""
    caption: tuple[str, ...]
    counts: str
    numbers: MeasuredTable
    remarks: tuple[Remark, ...]
    credits: tuple[str, ...]
    """Where the published models are from; none where none are shown."""
    grids: tuple[Grid, ...]


@dataclass(frozen=True)
class Shifts:
    """All that the page says of shifts."""

    outcomes: Outcomes
    sentences: tuple[Sentence, ...]
    summary: MeasuredTable | None
    remarks: tuple[Remark, ...]
    charts: tuple[ShiftChart, ...]
    panels: tuple[gaps.GapPanel, ...]
    left_out: int
    """Figures for which there was no room."""

    def __len__(self) -> int:
        """Return how many figures it has."""
        return len(self.panels) + sum(chart.scatter is not None for chart in self.charts)


@dataclass(frozen=True)
class BenchmarkAndReality:
    """What the template shows."""

    shifts: Shifts
    pairs: Pairs

    def __len__(self) -> int:
        """Return how many figures it has."""
        return len(self.shifts) + len(self.pairs)


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
        shown = shifts(data.results_of("robustness"), series_of(data.board.models), figures)
        beside = data.results_of("robustness_pair", "published_pair")
        return BenchmarkAndReality(shown, pairs(beside, figures - len(shown)))


def shifts(results: Sequence[AnalysisResult], series: Mapping[str, int], limit: int) -> Shifts:
    """Set out results of the analysis 'robustness', with at most `limit` figures."""
    found = outcomes(results)
    by_shift, summaries = gather(found.measured)
    charts = tuple(_chart(shift, series, place < limit) for place, shift in enumerate(by_shift))
    panels = gaps.panels(summaries, series)
    kept = panels[: max(0, limit - len(charts))]
    names = _distinctions(summaries)
    rows = [
        (summary.result, name or f"mean over {_count(summary.result.about.datasets)}")
        for summary, name in zip(summaries, names, strict=True)
    ]
    return Shifts(
        outcomes=found,
        sentences=tuple(_sentence(summary, name) for summary, name in zip(summaries, names, strict=True)),
        summary=table("Means over shifts", rows) if rows else None,
        remarks=remarks([summary.result for summary in summaries]),
        charts=charts,
        panels=kept,
        left_out=len(panels) - len(kept) + max(0, len(charts) - limit),
    )


def _distinctions(summaries: Sequence[Summary]) -> list[str]:
    """Return what tells each summary from the others of its model; '' where there is one a model."""
    times = Counter(summary.result.about.model for summary in summaries)
    if max(times.values(), default=1) == 1:
        return [""] * len(summaries)
    return [
        ", ".join(part for part in (summary.result.about.reference, summary.condition) if part) for summary in summaries
    ]


def _count(names: Sequence[str]) -> str:
    return "1 shift" if len(names) == 1 else f"{len(names)} shifts"


def _sentence(summary: Summary, condition: str) -> Sentence:
    result = summary.result
    on_shifts, gap = estimate(result, "mean_shift_top1").value, result.record("mean_gap")
    effective = result.record("mean_effective_robustness")
    assert gap is not None
    return Sentence(
        result.about.model,
        condition,
        result.about.reference,
        result.about.datasets,
        on_reference=on_shifts + (gap.value or 0.0),
        on_shifts=on_shifts,
        gap=change(gap),
        effective=change(effective) if effective else None,
    )


def _chart(shift: Shift, series: Mapping[str, int], room: bool) -> ShiftChart:
    pair = baseline.pair_of(shift)
    names = {"reference_top1": f"{shift.reference}, %", "shift_top1": f"{shift.dataset}, %"}
    rows = [(result, "") for result in shift.results]
    return ShiftChart(
        shift=shift,
        scatter=scatter.draw(shift, pair, series) if room else None,
        caption=tuple(baseline.caption(shift, pair)),
        counts=baseline.counts(shift),
        numbers=table(f"{shift.dataset} beside {shift.reference}", rows, without=baseline.FURTHER, names=names),
        remarks=remarks(shift.results),
        credits=baseline.credits_of(pair) if pair else (),
        grids=baseline.grids(shift),
    )
