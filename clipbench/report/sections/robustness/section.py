"""The section 'Benchmark and reality': what the robustness analysis found, in words, tables and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clipbench.report.cells import Grid
from clipbench.report.figures.figures import series_of
from clipbench.report.leaderboard import Board
from clipbench.report.measured import MeasuredTable, Remark, remarks, table
from clipbench.report.sections.robustness import baseline as shift_baseline
from clipbench.report.sections.robustness import gaps as shift_gaps
from clipbench.report.sections.robustness import scatter as shift_scatter
from clipbench.report.sections.robustness.findings import Shift, Summary, gather
from clipbench.report.sections.robustness.published import credits_of, pair_of
from clipbench.results.records import JobResult

_ON_SHIFT = ("reference_top1", "shift_top1", "gap", "expected_top1", "effective_robustness", "relative_robustness")
_OVER_SHIFTS = ("mean_shift_top1", "mean_gap", "worst_shift_top1", "mean_effective_robustness")


@dataclass(frozen=True)
class Sentence:
    """What was found of one model, in words."""

    model: str
    condition: str
    """Reference, prompts and subset, where there are several."""
    text: str


@dataclass(frozen=True)
class ShiftChart:
    """One shift: the scatter, the numbers beside it, and what must be said of both."""

    reference: str
    dataset: str
    condition: str
    scatter: shift_scatter.Scatter | None
    """None where there was no room for a figure."""
    caption: tuple[str, ...]
    numbers: MeasuredTable
    remarks: tuple[Remark, ...]
    credits: tuple[str, ...]
    """Where the published models are from; none where none are shown."""
    grids: tuple[Grid, ...]


@dataclass(frozen=True)
class ShiftSection:
    """All that the page says of shifts."""

    sentences: tuple[Sentence, ...]
    summary: MeasuredTable | None
    remarks: tuple[Remark, ...]
    charts: tuple[ShiftChart, ...]
    panels: tuple[shift_gaps.GapPanel, ...]
    silent: tuple[JobResult, ...]
    errors: tuple[str, ...]
    left_out: int
    """Figures for which there was no room."""

    def __len__(self) -> int:
        """Return how many figures it has."""
        return len(self.panels) + sum(chart.scatter is not None for chart in self.charts)

    def __bool__(self) -> bool:
        """Return whether there is anything to show."""
        return bool(self.summary or self.charts or self.silent or self.errors)


def section(findings: Sequence[JobResult], board: Board, limit: int) -> ShiftSection:
    """Set out the findings of task 'robustness'.

    Args:
        findings: of all analyses.
        board: whose order and colours the models have.
        limit: most figures; the tables are all there.
    """
    found = gather(findings, board)
    series = series_of(board.models)
    drawn = [_chart(shift, series, place < limit) for place, shift in enumerate(found.shifts)]
    panels = shift_gaps.panels(found, series)
    kept = panels[: max(0, limit - len(drawn))]
    return ShiftSection(
        sentences=_sentences(found.summaries),
        summary=_summary(found.summaries),
        remarks=remarks([summary.finding for summary in found.summaries], after=1),
        charts=tuple(drawn),
        panels=kept,
        silent=found.silent,
        errors=found.errors,
        left_out=len(panels) - len(kept) + max(0, len(drawn) - limit),
    )


def _sentences(summaries: Sequence[Summary]) -> tuple[Sentence, ...]:
    told = _told_apart(summaries)
    return tuple(
        Sentence(summary.finding.model, told[summary.finding.hash], _without_name(summary))
        for summary in summaries
        if summary.sentence
    )


def _without_name(summary: Summary) -> str:
    """Return the sentence without the model's name, beside which it stands."""
    sentence = summary.sentence.removeprefix(f"{summary.finding.model}: ")
    return sentence[:1].upper() + sentence[1:]


def _told_apart(summaries: Sequence[Summary]) -> Mapping[str, str]:
    """Return what tells each summary from the others of its model, by hash; '' where there is one a model."""
    models = [summary.finding.model for summary in summaries]
    if len(set(models)) == len(models):
        return {summary.finding.hash: "" for summary in summaries}
    return {
        summary.finding.hash: ", ".join(part for part in (summary.finding.dataset, summary.condition) if part)
        for summary in summaries
    }


def _summary(summaries: Sequence[Summary]) -> MeasuredTable | None:
    if not summaries:
        return None
    told = _told_apart(summaries)
    rows = [
        (summary.finding.model, told[summary.finding.hash] or summary.finding.variant, summary.records)
        for summary in summaries
    ]
    return table("Means over shifts", rows, _OVER_SHIFTS)


def _chart(shift: Shift, series: Mapping[str, int], room: bool) -> ShiftChart:
    pair = pair_of(shift)
    scatter = shift_scatter.draw(shift, pair, series) if room else None
    rows = [(measured.model, "", measured.records) for measured in shift.models]
    names = {"reference_top1": f"{shift.reference}, %", "shift_top1": f"{shift.dataset}, %"}
    own = remarks([measured.finding for measured in shift.models])
    warned = bool(pair and pair.warning and all(pair.warning not in remark.text for remark in own))
    return ShiftChart(
        reference=shift.reference,
        dataset=shift.dataset,
        condition=shift.condition,
        scatter=scatter,
        caption=shift_baseline.caption(shift, pair, scatter),
        numbers=table(f"{shift.dataset} beside {shift.reference}", rows, _ON_SHIFT, names),
        remarks=(Remark(pair.warning, ()), *own) if pair and warned else own,
        credits=credits_of(pair) if pair else (),
        grids=shift_baseline.grids(shift),
    )
