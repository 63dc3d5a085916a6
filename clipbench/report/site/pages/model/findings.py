"""What analyses say of one model: its shifts, corruptions and what labels add, a row a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from clipbench.report.grids import Entry, Grid, Head
from clipbench.report.measured import Remark, conditions, outcomes, remarks, table
from clipbench.report.sections.robustness.findings import Summary, gather
from clipbench.report.site.pages.base import SiteData
from clipbench.report.text import numbers
from clipbench.report.text.claims import basis
from clipbench.results.records import AnalysisResult

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
