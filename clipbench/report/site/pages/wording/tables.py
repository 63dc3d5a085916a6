"""Tables of prompt sensitivity: a row a model, and what families and single templates do to each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from clipbench.analyses.base import verdict_of
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
from clipbench.report.text import numbers
from clipbench.report.text.claims import Claim, at_chance
from clipbench.results.records import JobResult, Record

Records = Mapping[str, Record]

_FAINT = 0.05
"""Share of a tint below which nobody sees it."""

_ROLES = {"control": "control, in no mean", "baseline": "baseline, in no mean"}


def wordings(jobs: Sequence[JobResult], data: SiteData) -> Listing:
    """Set out each model: the range over its templates, and what moves with them."""
    found = [_records(job) for job in jobs]
    gains = max((records["ensemble_gain"].family for records in found if "ensemble_gain" in records), default=1)
    shown = [records[name].value for records in found for name in ("worst", "best", "ensemble_top1") if name in records]
    ends = tens(shown)
    heads = (
        Head("mean of templates, %"),
        Head("worst to best", (told(ends), "dot: mean, tick: averaged")),
        Head("worst template, %"),
        Head("best template, %"),
        Head("range, points", ("on these images",)),
        Head("spread, points", ("without the images' noise",)),
        Head("images that flip, %"),
        Head("templates averaged, %"),
        Head("gain of averaging, points", (f"{gains} intervals together",) if gains > 1 else ()),
        Head("range over names, points", ("lists of class names",)),
        Head("gain of all names, points"),
    )
    rows = [_row(job, records, ends, data) for job, records in zip(jobs, found, strict=True)]
    return Listing(f"{jobs[0].dataset}: top-1 over wordings", *filled(heads, rows))


def _records(job: JobResult) -> Records:
    return {record.metric: record for record in job.records}


def _row(job: JobResult, records: Records, scale: tuple[float, float], data: SiteData) -> Row:
    href, mean = data.job_path(job.hash), records["mean"]
    best, worst, ensemble = map(records.get, ("best", "worst", "ensemble_top1"))
    nothing = all(record is not None and at_chance(record) for record in (mean, ensemble))
    gains = (records.get(name) for name in ("ensemble_gain", "averaged_names_gain"))
    of_averaging, of_names = (Claim(gain, nothing) if gain else None for gain in gains)
    cells = (
        number(mean, "fraction", href),
        _reach(mean, worst, best, ensemble, scale),
        _template(worst, href),
        _template(best, href),
        number(records.get("range"), "gap", href),
        number(records.get("template_spread"), "gap", href),
        number(records.get("flip_share"), "fraction", href),
        number(ensemble, "fraction", href),
        difference(of_averaging, "difference", href),
        number(records.get("names_range"), "gap", href),
        difference(of_names, "difference", href),
    )
    return Row(job.model, data.measured_path(job.model), cells)


def _reach(
    mean: Record, worst: Record | None, best: Record | None, ensemble: Record | None, scale: tuple[float, float]
) -> Number | Reach:
    ends = [record.value for record in (worst, best) if record and record.value is not None]
    if len(ends) < 2 or mean.value is None:
        return Number()
    said = f"{numbers.number(ends[0])} to {numbers.with_unit(ends[1])}, mean {numbers.with_unit(mean.value)}"
    return Reach(mean.value, ends[0], ends[1], ensemble.value if ensemble else None, said, scale)


def _template(record: Record | None, href: str) -> Number:
    return replace(number(record, "fraction", href), note=str(record.params.get("template", "")) if record else "")


def families(jobs: Sequence[JobResult], data: SiteData) -> Listing | None:
    """Set out what the wordings of each family do together, a model a row; None where there are no families."""
    by_model = {job.model: _by(job, "family_effects", "family") for job in jobs}
    names = {name: row for rows in by_model.values() for name, row in rows.items()}
    if not names:
        return None
    heads = [Head(name, (f"{row['others']} against {row['plain']}",)) for name, row in names.items()]
    rows = [
        Row(
            job.model,
            data.job_path(job.hash),
            tuple(_effect(job, by_model[job.model].get(name)) for name in names),
        )
        for job in jobs
    ]
    return Listing(f"{jobs[0].dataset}: what each kind of rewording does, points", tuple(heads), tuple(rows))


def _by(job: JobResult, table: str, key: str) -> dict[str, dict[str, Any]]:
    return {str(row[key]): row for row in job.tables[table].dicts()} if table in job.tables else {}


def _effect(job: JobResult, row: Mapping[str, Any] | None) -> Number:
    if row is None:
        return Number()
    value, low, high = (row[name] for name in ("difference", "low", "high"))
    nothing = all(at_chance(record) for record in job.records if record.metric in ("mean", "best"))
    clear = verdict_of(low, high, at_chance=nothing) in ("higher", "lower")
    text, small = numbers.number(value, "difference"), numbers.ends(low, high, "difference")
    return Number(text, small, round(value, 4), clear=clear)


def templates(jobs: Sequence[JobResult], data: SiteData) -> Listing | None:
    """Set out each template by model, the best in the mean over models first; None where none is told."""
    by_model = {job.model: _by(job, "templates", "template") for job in jobs}
    names = {name: row for rows in by_model.values() for name, row in rows.items()}
    values = {name: [rows[name]["top1"] for rows in by_model.values() if name in rows] for name in names}
    if not names:
        return None
    order = sorted(names, key=lambda name: -sum(values[name]) / len(values[name]))
    highest = {model: max((row["top1"] for row in rows.values()), default=0.0) for model, rows in by_model.items()}
    rows = [
        Row(
            name,
            "",
            tuple(_of_template(by_model[job.model].get(name), highest[job.model]) for job in jobs),
            _ROLES.get(names[name].get("role") or "", ""),
        )
        for name in order
    ]
    heads = tuple(Head(job.model) for job in jobs)
    return Listing(f"{jobs[0].dataset}: each template by model, %", heads, tuple(rows), "Template")


def _of_template(row: Mapping[str, Any] | None, highest: float) -> Number:
    """Set out one template; the darker, the larger the share of the best one's accuracy that it lacks."""
    if row is None:
        return Number()
    lost = min(max(1 - row["top1"] / highest, 0.0), 1.0) if highest else None
    return Number(
        numbers.number(row["top1"]), "", round(row["top1"], 4), heat=lost if lost and lost >= _FAINT else None
    )
