"""What analyses say of one model: its shifts, corruptions and what labels add, a row a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from clipbench.report.grids import Entry, Grid, Head
from clipbench.report.measured import Remark, conditions, outcomes, remarks, table
from clipbench.report.sections.robustness.findings import Summary, gather
from clipbench.report.site.pages.base import SiteData
from clipbench.report.text import labels, numbers
from clipbench.report.text.claims import at_chance, basis, chance, rests_on
from clipbench.report.text.declared import as_shown, heading, metric_of
from clipbench.results.records import AnalysisResult, JobResult, Record
from clipbench.tasks.prompt_sensitivity.prompt_sensitivity import PromptSensitivity

_WORDING = ("mean", "worst", "best", "template_spread", "flip_share")

_LEFT_OUT = ("relative_gap", "logit_gap")
"""What the page of all models says at length."""


@dataclass(frozen=True)
class FindingTable:
    """Results of one kind on this model's data sets."""

    grid: Grid | None
    """None where they have no number: the remarks say why."""
    remarks: tuple[Remark, ...]
    summary: Summary | None = None
    """Over all the shifts of a reference."""


class Findings:
    """The results of all models, gathered once for the pages of all of them."""

    def __init__(self, data: SiteData) -> None:
        self._measured: dict[str, tuple[AnalysisResult, ...]] = {}
        self._silent: dict[str, tuple[AnalysisResult, ...]] = {}
        self._words: dict[str, str] = {}
        for kind in ("robustness", "corruption_error", "probe_vs_zero_shot"):
            found = outcomes([result for result in data.analyses if result.analysis == kind])
            self._measured[kind], self._silent[kind] = found.measured, found.silent
            self._words |= conditions(found.measured)
        self._summaries = gather(self._measured["robustness"])[1]

    def shifts(self, model: str) -> tuple[FindingTable, ...]:
        """Return a table for each reference of its shifts, and one of its corruptions."""
        over = (summary for summary in self._summaries if summary.result.about.models == (model,))
        corrupted = _of(self._measured["corruption_error"], model)
        found = [replace(self._table(_over(summary), summary.shifts), summary=summary) for summary in over]
        return (*found, *([self._table("Corruptions, in the mean of all", corrupted)] if corrupted else []))

    def labels(self, model: str) -> tuple[FindingTable, ...]:
        """Return the fitted heads beside zero-shot."""
        fitted, silent = (_of(found["probe_vs_zero_shot"], model) for found in (self._measured, self._silent))
        tables = [self._table("Fitted heads beside zero-shot", fitted)] if fitted else []
        return (*tables, *([FindingTable(None, remarks(silent))] if silent else []))

    def _table(self, caption: str, results: Sequence[AnalysisResult]) -> FindingTable:
        made = _without_empty(table(caption, [(result, "") for result in results], without=_LEFT_OUT))
        rows = (
            (Entry(result.about.dataset, _told(result, self._words)), *row[1:])
            for result, row in zip(results, made.rows, strict=True)
        )
        grid = replace(made, heads=(Head("Data set"), *made.heads[1:]), rows=tuple(rows))
        return FindingTable(grid, remarks(results))


def wordings(jobs: Sequence[JobResult]) -> Grid | None:
    """Return how far a model's accuracy moves with the wording, a data set a row; None where that was not measured."""
    worded = [job for job in jobs if job.task == PromptSensitivity.name and "mean" in _known(job)]
    if not worded:
        return None
    specs = {metric: metric_of(worded[0], Record(metric, None)) for metric in _WORDING}
    heads = (Head("Data set"), *(Head(heading(spec), numeric=True) for spec in specs.values()))
    rows = ((_worded(job), *(_number(job, metric) for metric in _WORDING)) for job in worded)
    return _without_empty(Grid("The range over wordings", heads, tuple(rows)))


def _known(job: JobResult) -> Mapping[str, Record]:
    return {record.metric: as_shown(job, record) for record in job.records if record.value is not None}


def _worded(job: JobResult) -> Entry:
    mean = _known(job)["mean"]
    templates = labels.counted(int(mean.params.get("templates", 0)), "template")
    told = (job.prompts, templates, rests_on(mean, job.pedigree.subset), chance(mean))
    return Entry(job.dataset, ", ".join(part for part in told if part))


def _number(job: JobResult, metric: str) -> Entry:
    record = _known(job).get(metric)
    if record is None:
        return Entry(numbers.MISSING)
    return Entry(numbers.number(record.value, record.unit), numbers.interval(record), at_chance=at_chance(record))


def _over(summary: Summary) -> str:
    return ", ".join(part for part in (f"Shifts of {summary.result.about.reference}", summary.condition) if part)


def _of(results: Sequence[AnalysisResult], model: str) -> tuple[AnalysisResult, ...]:
    return tuple(result for result in results if result.about.models == (model,))


def _told(result: AnalysisResult, words: Mapping[str, str]) -> str:
    known = words[result.hash]
    return ", ".join(part for part in (known, basis(replace(result.about, subset=""))) if part)


def _without_empty(grid: Grid) -> Grid:
    """Leave out the columns in which nothing stands."""
    kept = [
        place
        for place in range(len(grid.heads))
        if place == 0 or any(row[place].text != numbers.MISSING for row in grid.rows)
    ]
    rows = tuple(tuple(row[place] for place in kept) for row in grid.rows)
    return replace(grid, heads=tuple(grid.heads[place] for place in kept), rows=rows)
