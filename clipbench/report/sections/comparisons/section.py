"""The section 'Comparisons': what analyses found of several jobs, one table an analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from clipbench.analyses.base import verdict_of
from clipbench.metrics.specs import MetricSpec
from clipbench.report import grids
from clipbench.report.figures.matrix import MOST, Matrix, MatrixCell, make_matrix, short_model_names
from clipbench.report.grids import Entry, Grid, Head
from clipbench.report.measured import number, rows_of
from clipbench.report.sections.base import PageData
from clipbench.report.text import labels, numbers
from clipbench.report.text.claims import basis
from clipbench.report.text.declared import heading, metric_of, task_label
from clipbench.results.records import AnalysisResult

_FEWEST = 3
"""With fewer models there is one number, which the table of findings has."""

_EVEN = 0.5
"""Share at which either model is ahead as often, so that a cell has its full shade."""


@dataclass(frozen=True)
class Row:
    """One result."""

    result: AnalysisResult
    subset: str
    """Split, as far as it needs saying, and what the numbers rest on."""
    compared: str
    """What is compared: head and prompts, as far as there are several."""
    cells: tuple[Entry, ...]
    """As many as the table has heads."""
    tables: tuple[Grid, ...]
    flips: Matrix | None = None

    @property
    def datasets(self) -> str:
        """The data set that it is about, or how many there are."""
        names = self.result.about.datasets
        return names[0] if len(names) == 1 else f"{len(names)} data sets" if names else ""

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


class ComparisonsSection:
    """Shows every analysis that has no section of its own."""

    name: ClassVar[str] = "comparisons"
    title: ClassVar[str] = "Comparisons"
    order: ClassVar[int] = 30
    analyses: ClassVar[tuple[str, ...]] = ("probe_vs_zero_shot", "rank_stability", "expectations")
    template: ClassVar[str] = "comparisons.html.j2"

    def show(self, data: PageData, figures: int) -> tuple[Part, ...] | None:
        """Set out the results by analysis, then by data set and in the leaderboard's order."""
        names = (*self.analyses, *dict.fromkeys(result.analysis for result in data.unclaimed))
        return tuple(_part(results, data) for name in names if (results := data.results_of(name))) or None


def _part(results: Sequence[AnalysisResult], data: PageData) -> Part:
    done = [result for result in results if result.status == "done"]
    specs = {record.metric: metric_of(result, record) for result in done for record in result.records}
    families = {record.metric: record.family for result in done for record in result.records if record.low is not None}
    regimes = {job.dataset: labels.regime_order(str(job.about.get("regime", ""))) for job in data.jobs}

    def place(result: AnalysisResult) -> tuple[object, ...]:
        about = result.about
        return (regimes.get(about.dataset, labels.regime_order("")), labels.natural(about.dataset), about.split)

    several_splits = len({result.about.split for result in done}) > 1
    return Part(
        title=labels.capitalised(task_label(results[0])),
        heads=tuple(Head(_heading(spec, families.get(name, 1)), numeric=True) for name, spec in specs.items()),
        rows=tuple(_row(result, specs, several_splits) for result in sorted(done, key=place)),
        errors=tuple(result.error for result in results if result.status == "failed"),
    )


def _heading(spec: MetricSpec, family: int) -> str:
    """Return a metric's heading, which says where its intervals hold together with others."""
    return f"{heading(spec)}; {numbers.count(family)} intervals together" if family > 1 else heading(spec)


def _row(result: AnalysisResult, specs: dict[str, MetricSpec], several_splits: bool) -> Row:
    about = result.about
    subset = (f"split {about.split}" if several_splits and about.split else "", basis(about))
    prompts = f"prompts {about.prompts}" if about.prompts else ""
    return Row(
        result=result,
        subset=", ".join(part for part in subset if part),
        compared=", ".join(part for part in (*about.condition.words, prompts, about.protocol) if part),
        cells=tuple(number(result, metric) for metric in specs),
        tables=grids.of_result(result),
        flips=matrix(result),
    )


def matrix(result: AnalysisResult, most: int = MOST) -> Matrix | None:
    """Set out a result's table `rank_flips`, best model first; None where it has none, or fewer than three models.

    Of more than `most` models the first ones are shown.
    Bold are pairs of which one model is ahead with every template, and whose interval with the first leaves out zero.
    """
    rows = rows_of(result, "rank_flips")
    pairs = {(str(row["first"]), str(row["second"])): row for row in rows}
    # Every pair stands in the models' order, so that the last model is the second one of all its pairs.
    models = tuple(dict.fromkeys(name for pair in pairs for name in pair))
    if len(models) < _FEWEST:
        return None
    short = short_model_names(models)
    return make_matrix(
        models,
        lambda model, other: _cell(pairs.get((model, other)) or pairs[other, model], short),
        _sentence(rows, short),
        most,
    )


def _cell(row: Mapping[str, Any], short: Mapping[str, str]) -> MatrixCell:
    share = row["flip_share"]
    known = row["survives"] == "yes" and row["low"] is not None
    firm = known and verdict_of(row["low"], row["high"]) != "not_distinguishable"
    first, second = (f"{short[str(row[name])]} ahead with {row[f'{name}_ahead']}" for name in ("first", "second"))
    significant = f"beyond chance with {row['first_significant']} and {row['second_significant']}"
    hover = f"{numbers.with_unit(share)}: {first} templates, {second}, equal with {row['ties']}; {significant}"
    return MatrixCell(numbers.number(share), min(share / _EVEN, 1.0), hover, firm)


def _sentence(rows: Sequence[Mapping[str, Any]], short: Mapping[str, str]) -> str:
    most, pairs = max(rows, key=lambda row: row["flip_share"]), numbers.count(len(rows))
    if most["flip_share"] == 0:
        return f"None of {pairs} pairs changes places."
    first, second = (short[str(most[name])] for name in ("first", "second"))
    never = sum(row["flip_share"] == 0 for row in rows)
    share, changes = numbers.with_unit(most["flip_share"]), "changes" if never == 1 else "change"
    return f"Most often {first} and {second}: {share}; {numbers.count(never)} of {pairs} pairs never {changes} places."
