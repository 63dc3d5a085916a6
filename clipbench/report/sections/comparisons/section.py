"""The section 'Comparisons': what analyses found of several jobs, one table an analysis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from clipbench.metrics.specs import MetricSpec
from clipbench.report import grids
from clipbench.report.figures.matrix import Matrix
from clipbench.report.grids import Entry, Grid, Head
from clipbench.report.measured import number
from clipbench.report.sections.base import PageData
from clipbench.report.sections.comparisons.rank_flips import matrix
from clipbench.report.sections.comparisons.sentences import sentences
from clipbench.report.text import labels
from clipbench.report.text.declared import heading, metric_of, task_label
from clipbench.results.records import AnalysisResult


@dataclass(frozen=True)
class Row:
    """One result."""

    result: AnalysisResult
    subset: str
    """Split and subset, as far as they need saying."""
    compared: str
    """What is compared: head and prompts, as far as there are several."""
    cells: tuple[Entry, ...]
    """As many as the table has heads."""
    sentences: tuple[str, ...]
    tables: tuple[Grid, ...]
    flips: Matrix | None = None
    """Which models change places, where the result is about that."""

    @property
    def models(self) -> str:
        """All models that it is about."""
        return " · ".join(self.result.about.models)


@dataclass(frozen=True)
class Part:
    """The results of one analysis."""

    title: str
    heads: tuple[Head, ...]
    """Of the metrics; model, data set and what is compared come before, sentences after."""
    rows: tuple[Row, ...]
    errors: tuple[str, ...]
    """Why the analysis broke, where it did."""


@dataclass(frozen=True)
class Comparisons:
    """All parts of the section; it has no figures."""

    parts: tuple[Part, ...]

    def __len__(self) -> int:
        return 0


class ComparisonsSection:
    """Shows every analysis that has no section of its own."""

    name: ClassVar[str] = "comparisons"
    title: ClassVar[str] = "Comparisons"
    order: ClassVar[int] = 30
    analyses: ClassVar[tuple[str, ...]] = ("probe_vs_zero_shot", "rank_stability", "expectations")
    template: ClassVar[str] = "comparisons.html.j2"

    def show(self, data: PageData, figures: int) -> Comparisons | None:
        """Set out the results by analysis, then by data set and in the leaderboard's order."""
        names = (*self.analyses, *dict.fromkeys(result.analysis for result in data.unclaimed))
        parts = tuple(_part(results, data) for name in names if (results := data.results_of(name)))
        return Comparisons(parts) if parts else None


def _part(results: Sequence[AnalysisResult], data: PageData) -> Part:
    done = [result for result in results if result.status == "done"]
    specs = {record.metric: metric_of(result, record) for result in done for record in result.records}
    regimes = {job.dataset: labels.regime_order(str(job.about.get("regime", ""))) for job in data.jobs}

    def place(result: AnalysisResult) -> tuple[object, ...]:
        about = result.about
        return (regimes.get(about.dataset, labels.regime_order("")), labels.natural(about.dataset), about.split)

    several_splits = len({result.about.split for result in done}) > 1
    return Part(
        title=labels.capitalised(task_label(results[0])),
        heads=tuple(Head(heading(spec), numeric=True) for spec in specs.values()),
        rows=tuple(_row(result, specs, several_splits) for result in sorted(done, key=place)),
        errors=tuple(result.error for result in results if result.status == "failed"),
    )


def _row(result: AnalysisResult, specs: dict[str, MetricSpec], several_splits: bool) -> Row:
    about = result.about
    subset = (f"split {about.split}" if several_splits and about.split else "", about.subset)
    prompts = f"prompts {about.prompts}" if about.prompts else ""
    return Row(
        result=result,
        subset=", ".join(part for part in subset if part),
        compared=", ".join(part for part in (*about.condition.words, prompts, about.protocol) if part),
        cells=tuple(number(result, metric) for metric in specs),
        sentences=(*sentences(result), *result.notes),
        tables=grids.of_result(result),
        flips=matrix(result),
    )
