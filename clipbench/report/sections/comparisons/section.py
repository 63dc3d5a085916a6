"""What analyses found, set out as one table an analysis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from clipbench.report import grids
from clipbench.report.cells import Grid, Head
from clipbench.report.leaderboard import Board
from clipbench.report.sections.comparisons import rank_flips
from clipbench.report.text import labels, numbers
from clipbench.results.records import JobResult, Record

IN_OWN_SECTIONS = frozenset({"robustness", "corruption_error", "robustness_pair", "published_pair"})
"""Analyses whose findings the page shows in a section made for them."""


@dataclass(frozen=True)
class Number:
    """One number of a finding."""

    text: str
    interval: str = ""
    clear: bool = False
    """Whether it is a difference whose interval leaves out zero."""


@dataclass(frozen=True)
class Comparison:
    """One finding."""

    finding: JobResult
    on: str
    """Split and subset, as far as they need saying."""
    cells: tuple[Number, ...]
    """As many as the section has heads."""
    tables: tuple[Grid, ...]
    flips: rank_flips.FlipMatrix | None = None
    """Which models change places, where the finding is about that."""


@dataclass(frozen=True)
class Section:
    """The findings of one analysis."""

    title: str
    heads: tuple[Head, ...]
    """Of the metrics; model, data set and what is compared come before, notes after."""
    rows: tuple[Comparison, ...]
    errors: tuple[str, ...]
    """Why the analysis broke, where it did."""


def sections(findings: Sequence[JobResult], board: Board) -> tuple[Section, ...]:
    """Set out the findings that have no section of their own, by data set and then in the leaderboard's order."""
    analyses = dict.fromkeys(finding.task for finding in findings if finding.task not in IN_OWN_SECTIONS)
    return tuple(_section([finding for finding in findings if finding.task == name], board) for name in analyses)


def _section(findings: Sequence[JobResult], board: Board) -> Section:
    done = [finding for finding in findings if finding.status == "done"]
    metrics = {record.metric: record for finding in done for record in finding.records}
    regimes = {column.dataset: labels.regime_order(column.regime) for column in board.columns}
    ranks = {model: rank for rank, model in enumerate(board.models)}

    def place(finding: JobResult) -> tuple[object, ...]:
        regime = regimes.get(finding.dataset, labels.regime_order(""))
        rank = ranks.get(finding.model, len(ranks))
        return (regime, labels.natural(finding.dataset), finding.split, rank, finding.model)

    splits = {finding.split for finding in done}
    title = labels.task(findings[0].task)
    return Section(
        title=title[:1].upper() + title[1:],
        heads=tuple(Head(heading(record), numeric=True) for record in metrics.values()),
        rows=tuple(_comparison(finding, list(metrics), len(splits) > 1) for finding in sorted(done, key=place)),
        errors=tuple(finding.error for finding in findings if finding.status == "failed"),
    )


def _comparison(finding: JobResult, metrics: Sequence[str], tell_split: bool) -> Comparison:
    records = {record.metric: record for record in finding.records}
    on = (f"split {finding.split}" if tell_split and finding.split else "", finding.pedigree.subset)
    return Comparison(
        finding=finding,
        on=", ".join(part for part in on if part),
        cells=tuple(number(records.get(metric)) for metric in metrics),
        tables=grids.of_job(finding),
        flips=rank_flips.matrix(finding),
    )


def heading(record: Record) -> str:
    """Return a metric with the unit it is shown in, e.g. 'gap, points'."""
    unit = numbers.suffix(labels.shown_unit(record.metric, record.unit))
    return ", ".join(part for part in (labels.metric(record.metric), unit) if part)


def number(record: Record | None) -> Number:
    """Set out a record in the unit it is shown in; a dash where there is none, or no value."""
    if record is None or record.value is None:
        return Number(numbers.MISSING)
    shown = replace(record, unit=labels.shown_unit(record.metric, record.unit))
    within = shown.low is None or shown.high is None or shown.low <= 0 <= shown.high
    clear = shown.unit == "difference" and not within
    return Number(numbers.number(shown.value, shown.unit), numbers.interval(shown), clear)
