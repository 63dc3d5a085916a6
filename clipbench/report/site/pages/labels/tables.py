"""Tables of fitted heads, a model a row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from clipbench.report.leaderboard import Cell, Column
from clipbench.report.measured import conditions, outcomes
from clipbench.report.site.pages.base import SiteData
from clipbench.report.site.pages.listing import Head, Listing, Number, Row, difference, filled, number
from clipbench.report.text import labels, numbers
from clipbench.report.text.claims import Claim, basis
from clipbench.results.records import AnalysisResult

FITTED = ("knn", "few_shot", "linear_probe", "wise_ft")
_ORDER = ("zero_shot", *FITTED)
_GAINS = ("mean_per_class_recall_difference", "top1_difference")
"""That of the data set's main metric first."""


def heads(columns: Sequence[Column], data: SiteData) -> Listing:
    """Set out zero-shot and fitted heads of a data set, by how many labels they need."""
    ordered = sorted(columns, key=lambda column: (_ORDER.index(column.task), column.measurement.order))
    names = tuple(Head(_name(column), _about(column)) for column in ordered)
    rows = [
        Row(model, data.measured_path(model), tuple(_cell(column.cells.get(model), data) for column in ordered))
        for model in data.leaderboard.models
        if any(model in column.cells for column in ordered if column.task in FITTED)
    ]
    return Listing(f"{columns[0].dataset}: zero-shot beside fitted heads", *filled(names, rows))


def _name(column: Column) -> str:
    return f"{column.measurement.words if column.task == 'few_shot' else column.measurement.label}, %"


def _about(column: Column) -> tuple[str, ...]:
    """Say what tells a column from others of its task, what it shows, and what its numbers rest on."""
    setting = "" if column.task == "few_shot" else column.setting
    metric = "" if column.spec.name == "top1" else column.spec.label
    return tuple(part for part in (setting, metric, column.basis, *column.chances) if part)


def _cell(cell: Cell | None, data: SiteData) -> Number:
    if cell is None:
        return Number()
    href = data.job_path(cell.job.hash)
    if cell.record is None:
        return Number("failed" if cell.job.status == "failed" else numbers.MISSING, href=href)
    return number(cell.record, "fraction", href, note=f"†{cell.footnote}" if cell.footnote else "")


def gain_of(result: AnalysisResult) -> Claim | None:
    """Return a probe's difference from zero-shot in the data set's main metric; None where there is none."""
    record = next((found for name in _GAINS if (found := result.record(name))), None)
    return Claim(record, record.params.get("at_chance") is True) if record else None


def gains(results: Sequence[AnalysisResult], data: SiteData) -> Listing | None:
    """Set out each probe's difference from zero-shot, and the labels that match it; None where there are none."""
    if not results:
        return None
    family = max((record.family for result in results for record in result.records), default=1)
    claims = [gain_of(result) for result in results]
    of_recall = any(claim and claim.record.metric == _GAINS[0] for claim in claims)
    names = (
        Head(
            "linear probe minus zero-shot, points",
            ("mean per-class recall" if of_recall else "top-1", f"{family} intervals together" if family > 1 else ""),
        ),
        Head("labels to match zero-shot", ("examples a class",)),
    )
    words = conditions(results)
    several = len({words[result.hash] for result in results}) > 1
    rows = [
        Row(
            result.about.model,
            data.measured_path(result.about.model),
            (difference(claim, "difference", _probe(result, data)), _labels(result, data)),
            ", ".join(part for part in (words[result.hash] if several else "", basis(result.about)) if part),
        )
        for result, claim in zip(results, claims, strict=True)
    ]
    shown = (replace(head, sub=tuple(filter(None, head.sub))) for head in names)
    return Listing(f"{results[0].about.dataset}: what labels add", *filled(tuple(shown), rows))


def _probe(result: AnalysisResult, data: SiteData) -> str:
    """Return where the fitted head is shown: zero-shot is the first of the jobs."""
    return data.job_path(result.jobs[1]) if len(result.jobs) > 1 else ""


def _labels(result: AnalysisResult, data: SiteData) -> Number:
    """Set out how many labelled examples a class match zero-shot; where it is bounded on one side, that bound."""
    need = result.record("shots_to_match")
    if need is None:
        return Number()
    href = data.job_path(result.jobs[-1])
    if need.value is not None:
        return number(need, need.unit, href)
    least, most = need.params.get("at_least"), need.params.get("at_most")
    bound = least if least is not None else most
    text = f"{'>' if least is not None else '<'} {numbers.number(bound, need.unit)}" if bound else "cannot be told"
    return Number(text, value=bound, href=href)


def fitting(data: SiteData) -> tuple[Listing, ...]:
    """Set out what fitting to a benchmark gains there and on its shifts, a table a benchmark."""
    found = outcomes(data.as_report.results_of("robustness_pair")).measured
    words = conditions(found)
    by_reference: dict[str, list[AnalysisResult]] = defaultdict(list)
    for result in found:
        by_reference[result.about.reference].append(result)
    return tuple(
        _fitting(reference, by_reference[reference], words, data)
        for reference in sorted(by_reference, key=labels.natural)
    )


def _fitting(reference: str, results: Sequence[AnalysisResult], words: Mapping[str, str], data: SiteData) -> Listing:
    names = (
        Head(f"gain on {reference}, points", ("fitted minus zero-shot",)),
        Head("mean gain on shifts, points", ("the same images",)),
    )
    rows = []
    for result in results:
        over, page = result.about.datasets, data.measured_path(result.about.model)
        told = (words[result.hash], over[0] if len(over) == 1 else labels.counted(len(over), "shift"))
        gained = (result.record(metric) for metric in ("reference_gain", "mean_shift_gain"))
        cells = tuple(difference(Claim(record) if record else None, "difference", page) for record in gained)
        rows.append(Row(result.about.model, page, cells, ", ".join(filter(None, (*told, basis(result.about))))))
    return Listing(f"{reference}: a head fitted there, there and under shift", *filled(names, rows))
