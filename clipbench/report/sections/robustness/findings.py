"""Results of the robustness analysis, gathered by what one figure shows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from clipbench.report.figures import figures
from clipbench.report.measured import conditions, rows_of
from clipbench.report.text import numbers
from clipbench.report.text.claims import Claim, at_chance
from clipbench.report.text.declared import as_shown, metric_of
from clipbench.results.records import AnalysisResult, Record, Subject

_HOVER = (
    *("reference_top1", "shift_top1", "gap"),
    *("expected_top1", "effective_robustness", "relative_robustness"),
)


@dataclass(frozen=True)
class Shift:
    """The models on one shift, measured alike."""

    about: Subject
    """Without models."""
    condition: str
    """Prompts and subset, as far as they need saying."""
    results: tuple[AnalysisResult, ...]

    @property
    def line(self) -> Mapping[str, Any]:
        """The baseline of the first model that has one, as its table says; empty where there is none."""
        return next((row for result in self.results if (row := first_row(result, "baseline"))), {})

    @property
    def baseline(self) -> str:
        """The source of the line: a published one, `OF_THE_RUN`, or ''."""
        return str(self.line.get("source", ""))

    @property
    def alone(self) -> bool:
        """Whether it is one model that nothing stands beside: its numbers say all that a scatter would."""
        return len(self.results) == 1 and not self.baseline


@dataclass(frozen=True)
class Summary:
    """One model over all the shifts of one reference."""

    result: AnalysisResult
    condition: str
    """Prompts and subset, as far as they need saying."""
    shifts: tuple[AnalysisResult, ...]

    @property
    def on_shifts(self) -> float:
        """Mean top-1 on the shifts."""
        return estimate(self.result, "mean_shift_top1").value

    @property
    def on_reference(self) -> float:
        """Mean top-1 on the classes of the shifts on the reference."""
        return self.on_shifts + estimate(self.result, "mean_gap").value

    @property
    def at_chance(self) -> bool:
        """Whether it is no better than chance on the reference and on every shift."""
        known = (all_at_chance(shift, "reference_top1", "shift_top1") for shift in self.shifts)
        return bool(self.shifts) and all(known)

    @property
    def gap(self) -> Claim:
        """What is lost."""
        return Claim(record_of(self.result, "mean_gap"), self.at_chance)

    @property
    def effective(self) -> Claim | None:
        """Against what was expected; None without a baseline."""
        record = self.result.record("mean_effective_robustness")
        return Claim(record, self.at_chance) if record else None


class Estimate(NamedTuple):
    """A value with the ends of its interval, which are the value itself where it has none."""

    value: float
    low: float
    high: float


def gather(results: Sequence[AnalysisResult]) -> tuple[tuple[Shift, ...], tuple[Summary, ...]]:
    """Gather results by shift, and by model over its shifts."""
    words = conditions(results)
    single = [result for result in results if not result.about.averaged]
    groups: dict[tuple[Subject, int], list[AnalysisResult]] = defaultdict(list)
    times: Counter[Subject] = Counter()
    for result in single:
        # Where a study repeats another, a model is measured twice on one shift.
        about = replace(result.about, n=0)
        groups[replace(about, models=()), times[about]].append(result)
        times[about] += 1
    shifts = [Shift(about, words[members[0].hash], tuple(members)) for (about, _), members in groups.items()]
    summaries = [
        Summary(result, words[result.hash], tuple(other for other in single if _over(other) == _over(result)))
        for result in results
        if result.about.averaged
    ]
    shifts.sort(key=lambda shift: (shift.about.reference, shift.about.dataset, shift.condition))
    return tuple(shifts), tuple(summaries)


def _over(result: AnalysisResult) -> Subject:
    """Return what a result on one shift and that over all of them have in common."""
    return replace(result.about, datasets=(), averaged=False, n=0)


def first_row(result: AnalysisResult, table: str) -> Mapping[str, Any]:
    """Return the first row of a table; empty where there is none."""
    return next(iter(rows_of(result, table)), {})


def record_of(result: AnalysisResult, metric: str) -> Record:
    """Return the record of a metric that every result of the analysis has."""
    record = result.record(metric)
    assert record is not None
    return record


def all_at_chance(result: AnalysisResult, *metrics: str) -> bool:
    """Return whether none of these accuracies is above chance."""
    return all(at_chance(record_of(result, metric)) for metric in metrics)


def estimate(result: AnalysisResult, metric: str) -> Estimate:
    """Return a metric that every result of the analysis has."""
    record = record_of(result, metric)
    assert record.value is not None
    ends = (record.value if end is None else end for end in (record.low, record.high))
    return Estimate(record.value, *ends)


def hover(result: AnalysisResult) -> str:
    """Return both accuracies, what was expected, effective robustness and the numbers of images, escaped."""
    about = result.about
    names, lines = {"reference_top1": about.reference, "shift_top1": about.dataset}, []
    for metric in _HOVER:
        if record := result.record(metric):
            name = names.get(metric) or metric_of(result, record).label
            lines.append(f"{name}: {numbers.with_interval(as_shown(result, record))}")
    return figures.hover(about.model, *lines, f"n = {' and '.join(map(numbers.count, sizes(result)))}")


def sizes(result: AnalysisResult) -> tuple[int, int]:
    """Return the number of images of the reference and of the shift."""
    return record_of(result, "reference_top1").n, record_of(result, "shift_top1").n
