"""One benchmark beside its shifts: how much of it is left on each, and what was to be expected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from clipbench.report.figures import figures
from clipbench.report.figures.figures import Figure
from clipbench.report.measured import Remark, remarks
from clipbench.report.sections.robustness import baseline
from clipbench.report.sections.robustness.baseline import Training
from clipbench.report.sections.robustness.findings import (
    Shift,
    Summary,
    all_at_chance,
    record_of,
    sizes,
)
from clipbench.report.sections.robustness.scatter import Scatter
from clipbench.report.site.data.names import slugs
from clipbench.report.site.pages.base import SiteData
from clipbench.report.site.pages.listing import (
    Head,
    Listing,
    Number,
    Reach,
    Row,
    difference,
    filled,
    number,
    tens,
    told,
)
from clipbench.report.site.pages.robustness.figure import figure
from clipbench.report.site.pages.robustness.published import Published
from clipbench.report.text import numbers
from clipbench.report.text.claims import Claim, basis, chance
from clipbench.report.text.labels import counted
from clipbench.results.records import AnalysisResult, Record


@dataclass(frozen=True)
class ShiftView:
    """One shift: the figure, and the numbers below it."""

    slug: str
    """In the address, e.g. 'imagenet-v2'."""
    shift: Shift
    figure: Figure | None
    scatter: Scatter | None
    numbers: Listing | None
    told: tuple[str, ...]
    """What must be said of the figure and the numbers."""
    remarks: tuple[Remark, ...]
    credits: tuple[str, ...]

    @property
    def label(self) -> str:
        """The shift with how it was measured, as far as it needs saying."""
        return ", ".join(part for part in (self.shift.about.dataset, self.shift.condition) if part)

    @property
    def marks(self) -> tuple[tuple[Training, int], ...]:
        """Of the published models that are drawn."""
        return self.scatter.marks if self.scatter else ()


@dataclass(frozen=True)
class Tally:
    """How many models lose, gain, or do neither that could be told, from the benchmark to its shifts."""

    condition: str
    """How they were measured, where there are several ways."""
    shifts: tuple[str, ...]
    lost: int
    gained: int
    undecided: int
    gaps: str
    """The only gap with its interval, or the smallest and the largest one."""
    together: int
    """How many intervals hold at once."""
    basis: str
    """Images and chance, as far as they are the same for all."""

    @property
    def models(self) -> int:
        """Of how many."""
        return self.lost + self.gained + self.undecided


@dataclass(frozen=True)
class Benchmark:
    """What stands beside one reference."""

    name: str
    slug: str
    views: tuple[ShiftView, ...]
    summaries: tuple[tuple[Summary, str], ...]
    """Models over their shifts, each with its condition."""
    means: Listing | None
    tallies: tuple[Tally, ...]


def benchmark(
    name: str,
    slug: str,
    shifts: Sequence[tuple[Shift, Published | None]],
    summaries: Sequence[Summary],
    data: SiteData,
) -> Benchmark:
    """Set out one reference with the shifts that stand beside it."""
    series = figures.series_of(data.leaderboard.models)
    named = [(shift.about.dataset, shift.condition) for shift, _ in shifts]
    repeated = [named[:place].count(words) for place, words in enumerate(named)]
    labels = [" ".join(map(str, filter(None, (*words, again)))) for words, again in zip(named, repeated, strict=True)]
    addresses = slugs(labels)
    views = (_view(addresses[label], *found, series, data) for label, found in zip(labels, shifts, strict=True))
    return Benchmark(
        name=name,
        slug=slug,
        views=tuple(views),
        summaries=tuple((summary, summary.condition) for summary in summaries),
        means=_means(name, summaries, data),
        tallies=tuple(_tallies(summaries)),
    )


def _view(slug: str, shift: Shift, beside: Published | None, series: Mapping[str, int], data: SiteData) -> ShiftView:
    drawn = figure(shift, beside, series)
    return ShiftView(
        slug=slug,
        shift=shift,
        scatter=drawn[0] if drawn else None,
        figure=drawn[1] if drawn else None,
        numbers=_numbers(shift, data) if shift.results else None,
        told=tuple(_told(shift, beside)),
        remarks=remarks(shift.results),
        credits=baseline.credits_of(beside.shown) if beside else (),
    )


def _told(shift: Shift, beside: Published | None) -> Iterator[str]:
    fits = beside is not None and beside.fits(shift)
    line: Mapping[str, Any] = beside.line if beside and not shift.results else shift.line
    if beside and fits:
        on = f"{numbers.count(beside.whole.n_shift)} images"
        yield from baseline.caption(shift, beside.shown, line, f"where 95 % of other models as good would lie on {on}")
    else:
        yield from baseline.caption(shift, beside.shown if beside else None, line)
    if shift.results:
        yield baseline.counts(shift)
    elif beside:
        yield from _gaps(beside)
        if beside.whole.warning:
            yield beside.whole.warning


def _gaps(beside: Published) -> Iterator[str]:
    """Yield what published models leave on the way, as far as they are class-matched."""
    gaps = [model.reference_top1 - model.shift_top1 for model in beside.shown.models if model.matched]
    if gaps:
        yield (
            f"The gap (benchmark minus shift) of {counted(len(gaps), 'class-matched published model')} is "
            f"{numbers.with_unit(median(gaps), 'gap')} in the median, from {numbers.number(min(gaps), 'gap')} to "
            f"{numbers.number(max(gaps), 'gap')}."
        )


def _numbers(shift: Shift, data: SiteData) -> Listing:
    """Set out the measured models on one shift, each number beside its evidence."""
    about, first = shift.about, shift.results[0]
    images = [f"n = {numbers.count(n)}" for n in sizes(first)]
    known = [chance(record_of(first, metric)) for metric in ("reference_top1", "shift_top1")]
    below = [tuple(part for part in both if part) for both in zip(images, known, strict=True)]
    heads = (
        Head(f"{about.reference}, %", below[0]),
        Head(f"{about.dataset}, %", below[1]),
        Head("gap, points", ("same classes",), lower_first=True),
        Head("expected, %", ("by the line",)),
        Head("effective robustness, points", ("beyond the line",)),
        Head("relative robustness, points"),
    )
    rows = [_row(result, data) for result in shift.results]
    return Listing(f"{about.dataset} beside {about.reference}", *filled(heads, rows))


def _row(result: AnalysisResult, data: SiteData) -> Row:
    reference, shift = (data.job_path(job) for job in result.jobs[:2]) if len(result.jobs) > 1 else ("", "")
    at_chance = all_at_chance(result, "reference_top1", "shift_top1")
    gap, effective, relative = (
        Claim(record, at_chance) if (record := result.record(metric)) else None
        for metric in ("gap", "effective_robustness", "relative_robustness")
    )
    cells = (
        number(result.record("reference_top1"), "fraction", reference),
        number(result.record("shift_top1"), "fraction", shift),
        difference(gap, "gap", shift),
        number(result.record("expected_top1"), "fraction"),
        difference(effective, "difference", shift),
        difference(relative, "difference", shift),
    )
    return Row(result.about.model, data.measured_path(result.about.model), cells)


def _means(name: str, summaries: Sequence[Summary], data: SiteData) -> Listing | None:
    """Set out each model over all its shifts; None where there are none."""
    if not summaries:
        return None
    shown = [record_of(summary.result, "mean_shift_top1") for summary in summaries]
    values = [end for record in shown for end in (record.value, record.chance)]
    ends = tens([*values, *(summary.on_reference for summary in summaries)])
    heads = (
        Head(f"{name}, %", ("classes of the shifts",)),
        Head("what is left", (f"{told(ends)}, tick: chance",)),
        Head("mean over shifts, %"),
        Head("worst shift, %"),
        Head("mean gap, points", (), lower_first=True),
        Head("effective robustness, points", ("mean over shifts",)),
    )
    rows = [_mean(summary, ends, data) for summary in summaries]
    return Listing(f"{name} and the mean over its shifts", *filled(heads, rows))


def _mean(summary: Summary, scale: tuple[float, float], data: SiteData) -> Row:
    result, page = summary.result, data.measured_path(summary.result.about.model)
    left, worst = record_of(result, "mean_shift_top1"), record_of(result, "worst_shift_top1")
    ends = sorted((summary.on_shifts, summary.on_reference))
    said = f"{numbers.number(summary.on_reference)} to {numbers.with_unit(summary.on_shifts)}"
    several = len(result.about.datasets) > 1
    shifts = counted(len(result.about.datasets), "shift")
    cells = (
        number(Record("reference_top1", summary.on_reference), "fraction", page),
        Reach(summary.on_shifts, ends[0], ends[1], left.chance, said, scale),
        number(left, "fraction", page),
        # Of one shift that is the mean.
        number(worst, "fraction", page, note=str(worst.params.get("dataset", ""))) if several else Number(),
        difference(summary.gap, "gap", page),
        difference(summary.effective, "difference", page),
    )
    return Row(result.about.model, page, cells, ", ".join(part for part in (shifts, summary.condition) if part))


def _tallies(summaries: Sequence[Summary]) -> Iterator[Tally]:
    """Count what may be said of models over their shifts, those measured alike together."""
    conditions = dict.fromkeys(summary.condition for summary in summaries)
    for condition in conditions:
        alike = [summary for summary in summaries if summary.condition == condition]
        yield _tally(condition if len(conditions) > 1 else "", alike)


def _tally(condition: str, summaries: Sequence[Summary]) -> Tally:
    verdicts = [summary.gap.verdict for summary in summaries]
    gaps = sorted((summary.gap.record for summary in summaries), key=lambda record: record.value or 0.0)
    first, last = gaps[0], gaps[-1]
    only = numbers.with_ends(first.value, first.low, first.high, "gap")
    ends = f"{numbers.number(first.value, 'gap')} to {numbers.with_unit(last.value, 'gap')}"
    grounds = {(basis(s.result.about), chance(record_of(s.result, "mean_shift_top1"))) for s in summaries}
    lost, gained = verdicts.count("higher"), verdicts.count("lower")
    return Tally(
        condition=condition,
        shifts=tuple(dict.fromkeys(name for summary in summaries for name in summary.result.about.datasets)),
        lost=lost,
        gained=gained,
        undecided=len(verdicts) - lost - gained,
        gaps=only if len(summaries) == 1 else ends,
        together=first.family,
        basis="; ".join(part for part in grounds.pop() if part) if len(grounds) == 1 else "",
    )
