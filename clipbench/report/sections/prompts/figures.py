"""Figures of prompt sensitivity, each with a row for a wording: templates, families, names, choices, components."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from clipbench.analyses.base import verdict_of
from clipbench.report.figures import axes, figures
from clipbench.report.figures.curve import Curve, errors_of, reach
from clipbench.report.figures.figures import Figure, Trace
from clipbench.report.text import numbers
from clipbench.report.text.claims import at_chance, chance
from clipbench.report.text.declared import declared
from clipbench.report.text.labels import cut
from clipbench.results.records import JobResult

Row = Mapping[str, Any]
Drawn = tuple[Figure, str] | None
"""A figure and what its marks mean."""

_LABEL = 34
_HOVER = 90
"""Characters of a row's name, and of what was chosen."""

_STEP, _WIDE_STEP = 22, 26

_TICKS = 4
"""With more than that every second one has a label, so that they fit a phone."""

_ROLES = {"control": "hollow: controls, meant to be worse", "baseline": "diamonds: baselines"}
"""What a template is that counts in no mean, and how it is marked."""


def prompt_curves(job: JobResult) -> dict[str, Curve]:
    """Return the figures of a job's tables, by table; none of fewer than two rows, or of rows without their numbers."""
    found = {}
    for name, (draw, label, value) in _DRAWN.items():
        table, spec = job.tables.get(name), declared(job).table(name)
        if table is None or spec is None or not {label, value} <= set(table.columns):
            continue
        rows = table.dicts()
        drawn = draw(job, rows) if len(rows) > 1 and all(numbers.is_number(row[value]) for row in rows) else None
        if drawn:
            found[name] = Curve(spec.caption, *drawn)
    return found


def _templates(job: JobResult, rows: Sequence[Row]) -> Drawn:
    """Draw each template's top-1 with its interval, best first, beside the ensemble of those that count."""
    rows = sorted(rows, key=lambda row: -row["top1"])
    ensemble = [record.value for record in job.records if record.metric == "ensemble_top1" and record.value is not None]
    hover = [_hover(row["template"], _measured(row, "top1"), row.get("family"), row.get("role")) for row in rows]
    points = _dots(rows, "top1", hover, hollow=[row.get("role") == "control" for row in rows])
    points["marker"]["symbol"] = ["diamond" if row.get("role") == "baseline" else "circle" for row in rows]
    upright = [figures.upright(value, len(rows), "second") for value in ensemble]
    counted = [row for row in rows if not row.get("role")] or rows
    others = len(rows) - len(counted)
    summary = f"top-1 of {len(counted)} templates, from {_share(counted[0])} to {_share(counted[-1])}"
    summary += f"; beside them {others} that count in no mean" if others else ""
    axis = _percent([*reach(rows, "top1"), *ensemble])
    marked = [how for role, how in _ROLES.items() if any(row.get("role") == role for row in rows)]
    legend = ["Best first: top-1 of each template alone, with intervals", *_chance(job)]
    legend += ["dashed: all of them averaged"] if upright else []
    figure = _figure([row["template"] for row in rows], _values(rows, "top1"), [points, *upright], axis, summary)
    return figure, "; ".join([*legend, *marked]) + (". These count in no mean and no ensemble" if marked else "")


def _gains(job: JobResult, rows: Sequence[Row]) -> Drawn:
    """Draw what a photo gains over the bare name, the ensemble over that, and a choice over the mean."""
    return _effects(job, rows, [row["gain"] for row in rows], _together("Points of top-1 on the same images", rows))


def _family_effects(job: JobResult, rows: Sequence[Row]) -> Drawn:
    """Draw what the wordings of each family do together against its plain one."""
    names = [f"{row['family']} ({row.get('others')})" for row in rows]
    against = "Points of top-1: the mean of a family's other templates (how many) against its plain one"
    return _effects(job, rows, names, _together(against, rows))


def _families(job: JobResult, rows: Sequence[Row]) -> Drawn:
    """Draw each template's difference from the plain one of its family, with its interval."""
    plain = {row.get("plain") for row in rows}
    against = f"'{next(iter(plain))}'" if len(plain) == 1 else "the plain one of its family"
    clear = sum(_is_clear(job, row) for row in rows)
    summary = f"differences of {len(rows)} wordings from the plain one of their family, {clear or 'none'} beyond chance"
    names = [f"{row.get('family')}: {row['template']}" for row in rows]
    return _effects(job, rows, names, _together(f"Points of top-1 against {against}", rows), summary)


def _names(job: JobResult, rows: Sequence[Row]) -> Drawn:
    """Draw what other names of the classes do against the canonical ones; None where there is no other."""
    others = [row for row in rows if numbers.is_number(row.get("difference"))]
    canonical = [f"{row['how']} ({_share(row)})" for row in rows if row.get("difference") is None]
    if not others:
        return None
    against = f"Points of top-1 against {''.join(canonical[:1])}, each with all templates averaged"
    return _effects(job, others, [row["how"] for row in others], _together(against, others))


def _choice(job: JobResult, rows: Sequence[Row]) -> Drawn:
    """Draw the ways to come from many templates to one number; hollow is what was chosen on the images reported on."""
    optimistic = [row.get("chosen_on") == job.split for row in rows]
    hover = []
    for row in rows:
        chosen_on = f"chosen on {row['chosen_on']}" if row.get("chosen_on") else ""
        hover.append(_hover(row["how"], _measured(row, "top1"), cut(str(row.get("templates")), _HOVER), chosen_on))
    points = _dots(rows, "top1", hover, hollow=optimistic)
    summary = "top-1: " + "; ".join(f"{row['how']} {_share(row)}" for row in rows)
    legend = "; ".join(["Top-1 with intervals", *_chance(job)])
    legend += "; hollow: chosen on the images it is reported on, so optimistic" if any(optimistic) else ""
    axis, names = _percent(reach(rows, "top1")), [row["how"] for row in rows]
    return _figure(names, _values(rows, "top1"), [points], axis, summary, _WIDE_STEP), legend


def _variance(job: JobResult, rows: Sequence[Row]) -> Drawn:
    """Draw each component as a share of their sum, those of the wording with intervals over images.

    None where the sum is not above zero. An estimate below zero is drawn as it is: it says that the component is too
    small to be told from none.
    """
    total = sum(row["value"] for row in rows)
    if total <= 0:
        return None
    names = [str(row["component"]).replace(" x ", " × ") for row in rows]
    shares = [_shares(row, total) for row in rows]
    hover = [_hover(name, _measured(row, "value")) for name, row in zip(names, shares, strict=True)]
    trace = _dots(shares, "value", hover, hollow=[False] * len(rows))
    listed = "; ".join(f"{name} {numbers.with_unit(row['value'])}" for name, row in zip(names, shares, strict=True))
    summary = f"variance of right and wrong answers: {listed}"
    figure = _figure(names, _values(shares, "value"), [trace], _signed_percent(reach(shares, "value")), summary)
    return figure, "Components as shares of their sum, with intervals over images where these cover"


def _shares(row: Row, total: float) -> Row:
    ends = {name: row.get(name) for name in ("value", "low", "high")}
    return {name: None if end is None else end / total for name, end in ends.items()}


_DRAWN: Mapping[str, tuple[Callable[[JobResult, Sequence[Row]], Drawn], str, str]] = {
    "templates": (_templates, "template", "top1"),
    "gains": (_gains, "gain", "difference"),
    "family_effects": (_family_effects, "family", "difference"),
    "families": (_families, "template", "difference"),
    "names": (_names, "how", "top1"),
    "choice": (_choice, "how", "top1"),
    "variance": (_variance, "component", "value"),
}
"""By table: how it is drawn, and the columns of the rows' names and of numbers without which it is not."""


def _effects(job: JobResult, rows: Sequence[Row], names: Sequence[str], legend: str, summary: str = "") -> Drawn:
    """Draw differences; those that may be chance are hollow, and all where no wording is above chance."""
    hover = [_hover(name, _measured(row, "difference")) for row, name in zip(rows, names, strict=True)]
    points = (numbers.with_unit(row["difference"], "difference") for row in rows)
    listed = "; ".join(f"{name} {value}" for name, value in zip(names, points, strict=True))
    trace = _dots(rows, "difference", hover, hollow=[not _is_clear(job, row) for row in rows])
    axis = axes.differences(reach(rows, "difference"))
    return _figure(names, _values(rows, "difference"), [trace], axis, summary or f"differences: {listed}"), legend


def _together(against: str, rows: Sequence[Row]) -> str:
    return f"{against}; filled: the interval leaves out zero, with intervals that hold for all {len(rows)} together"


def _chance(job: JobResult) -> list[str]:
    said = (chance(record) for record in job.records if record.metric == "mean")
    return [words for words in said if words]


def _is_clear(job: JobResult, row: Row) -> bool:
    low, high = row.get("low"), row.get("high")
    if all(at_chance(record) for record in job.records if record.metric in ("mean", "best")):
        return False
    return numbers.is_number(low) and numbers.is_number(high) and verdict_of(low, high) != "not_distinguishable"


def _dots(rows: Sequence[Row], column: str, hovers: Sequence[str], *, hollow: Sequence[bool]) -> Trace:
    """Return one dot a row with its interval, from the columns `low` and `high`."""
    x, marker = [row[column] for row in rows], {"size": 8, "line": {"width": 1.6}}
    meta = {"role": "curve", "hollow": list(hollow)}
    return figures.dots(x, range(len(rows)), hovers, meta, error_x=errors_of(rows, column), marker=marker)


def _figure(
    names: Sequence[str],
    values: Sequence[str],
    traces: Sequence[Trace],
    axis: dict[str, Any],
    summary: str,
    step: int = _STEP,
) -> Figure:
    """Return a figure with named rows; a name too long loses its middle."""
    ticks = [figures.text(cut(" ".join(str(name).split()), _LABEL)) for name in names]
    return figures.rows(ticks, values, traces, axis, summary, step)


def _hover(name: object, measured: str, *more: object) -> str:
    return figures.hover(str(name), measured, *(str(line) for line in more if line))


def _measured(row: Row, column: str) -> str:
    return numbers.with_ends(row[column], row.get("low"), row.get("high"), _unit(column))


def _unit(column: str) -> str:
    return "difference" if column == "difference" else "fraction"


def _share(row: Row) -> str:
    return numbers.with_unit(row["top1"])


def _percent(values: Sequence[float]) -> dict[str, Any]:
    return axes.percent(values) | {"automargin": False}


def _signed_percent(values: Sequence[float]) -> dict[str, Any]:
    axis = axes.differences(values)
    ticks: list[str] = axis["ticktext"]
    if len(ticks) > _TICKS:
        zero = axis["tickvals"].index(0)
        ticks = [tick if (place - zero) % 2 == 0 else "" for place, tick in enumerate(ticks)]
    last = max(place for place, tick in enumerate(ticks) if tick)
    ticks[last] += "\u202f%"
    return axis | {"ticktext": ticks}


def _values(rows: Sequence[Row], column: str) -> list[str]:
    return [numbers.number(row[column], _unit(column)) for row in rows]
