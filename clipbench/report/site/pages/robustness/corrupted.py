"""Accuracy under corruptions, a model a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clipbench.report.measured import Remark, outcomes, remarks, rows_of
from clipbench.report.sections.corruptions.section import facts, gathered, kinds, words
from clipbench.report.site.pages.base import SiteData
from clipbench.report.site.pages.listing import Head, Listing, Number, Row, difference, filled, number
from clipbench.report.text import numbers
from clipbench.report.text.claims import Claim, at_chance
from clipbench.report.text.declared import as_shown, metric_of
from clipbench.results.records import AnalysisResult, Record


@dataclass(frozen=True)
class Corrupted:
    """One data set under one protocol."""

    dataset: str
    condition: str
    numbers: Listing
    facts: tuple[str, ...]
    remarks: tuple[Remark, ...]


def corrupted(data: SiteData) -> tuple[Corrupted, ...]:
    """Set out each data set that was corrupted."""
    found = gathered(outcomes(data.as_report.results_of("corruption_error")).measured)
    return tuple(
        Corrupted(
            models[0].about.dataset,
            condition,
            _listing(f"{models[0].about.dataset}, {condition}", models, data),
            tuple(facts(models)),
            remarks(models),
        )
        for condition, models in found
    )


def _listing(caption: str, models: Sequence[AnalysisResult], data: SiteData) -> Listing:
    names = kinds(models)
    ratios = {record.metric: record for result in models for record in result.records if "mce" in record.metric}
    heads = (
        Head("clean, %"),
        Head("corrupted, %", ("mean over corruptions",)),
        Head("lost, points", (), lower_first=True),
        *(Head(f"{metric_of(models[0], record).label}, %", (), lower_first=True) for record in ratios.values()),
        *(Head(f"{words(name)}, %", (kind,)) for name, kind in names.items()),
    )
    rows = [_row(result, list(names), list(ratios), data) for result in models]
    return Listing(caption, *filled(heads, rows))


def _row(result: AnalysisResult, names: Sequence[str], ratios: Sequence[str], data: SiteData) -> Row:
    page = data.measured_path(result.about.model)
    clean, left, gap = (result.record(metric) for metric in ("clean_top1", "corrupted_top1", "corruption_gap"))
    nothing = all(record is not None and at_chance(record) for record in (clean, left))
    by_name = {row["corruption"]: row for row in rows_of(result, "corruptions")}
    cells = (
        number(clean, "fraction", page),
        number(left, "fraction", page),
        difference(Claim(gap, nothing) if gap else None, "gap", page),
        *(_ratio(result, ratio, page) for ratio in ratios),
        *(_shaded(by_name.get(name), clean) for name in names),
    )
    return Row(result.about.model, page, cells)


def _ratio(result: AnalysisResult, metric: str, href: str) -> Number:
    record = result.record(metric)
    return number(as_shown(result, record) if record else None, "fraction", href)


def _shaded(row: Mapping[str, Any] | None, clean: Record | None) -> Number:
    """Set out one corruption; the darker, the larger the share of the clean accuracy that is not left."""
    if row is None:
        return Number()
    before = clean.value if clean else None
    lost = min(max(1 - row["top1"] / before, 0.0), 1.0) if before else None
    small = numbers.ends(row["low"], row["high"])
    return Number(numbers.number(row["top1"]), small, round(row["top1"], 4), heat=lost)
