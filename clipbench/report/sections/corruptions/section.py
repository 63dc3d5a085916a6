"""The section 'Corruptions': accuracy under noise, blur, weather and digital artefacts, in tables and figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from clipbench.datasets.corruptions.constants import EXTRA, STANDARD
from clipbench.report.figures import axes
from clipbench.report.figures.figures import SERIES, Figure, Trace, errors, hover, plane, series_of, trace
from clipbench.report.grids import Entry, Grid, Head
from clipbench.report.measured import Outcomes, Remark, conditions, outcomes, remarks, rows_of, table
from clipbench.report.sections.base import PageData
from clipbench.report.sections.corruptions.strip import Strip, find_strip
from clipbench.report.text import numbers
from clipbench.report.text.claims import chance
from clipbench.results.records import AnalysisResult, Record

Severities = dict[int, Record]
"""Accuracy by severity; 0 is the clean images."""

_HEIGHT = 178

_DODGE = 0.09
"""Between two models' places, so that their intervals do not hide each other."""


@dataclass(frozen=True)
class CorruptionPanel:
    """The figure of one corruption."""

    title: str
    kind: str
    figure: Figure


@dataclass(frozen=True)
class CorruptionChart:
    """One data set under one protocol."""

    dataset: str
    condition: str
    """Protocol, and prompts and subset as far as they need saying."""
    numbers: Grid
    facts: tuple[str, ...]
    remarks: tuple[Remark, ...]
    series: tuple[tuple[str, int], ...]
    """Models in the figures with the number of their colour."""
    left_out: int
    """Models for which there are no colours left."""
    panels: tuple[CorruptionPanel, ...]
    heats: tuple[Grid, ...]
    """Of each model; the darker a cell, the larger the share of the clean accuracy that is lost."""
    strip: Strip | None


@dataclass(frozen=True)
class Corruptions:
    """All that the page says of corruptions."""

    charts: tuple[CorruptionChart, ...]
    outcomes: Outcomes
    left_out: int
    """Figures for which there was no room."""


class CorruptionsSection:
    """Models under corruptions: a table, a figure and a picture of each corruption."""

    name: ClassVar[str] = "corruptions"
    title: ClassVar[str] = "Corruptions"
    order: ClassVar[int] = 20
    analyses: ClassVar[tuple[str, ...]] = ("corruption_error",)
    template: ClassVar[str] = "corruptions.html.j2"

    def show(self, data: PageData, figures: int) -> Corruptions | None:
        """Set out the results, with at most so many figures; the tables are all there."""
        results = data.results_of(*self.analyses)
        if not results:
            return None
        result, series = outcomes(results), series_of(data.leaderboard.models)
        jobs = {job.hash: job for job in data.jobs if job.view}
        charts, left, wanted = [], figures, 0
        for condition, models in gathered(result.measured):
            drawn = panels(models, series)
            wanted += len(drawn)
            # Half a set of panels cannot be compared with the other half.
            kept = drawn if len(drawn) <= left else ()
            left -= len(kept)
            strip = find_strip(models, list(kinds(models)), jobs, data)
            charts.append(_chart(condition, models, series, kept, strip))
        return Corruptions(tuple(charts), result, wanted - (figures - left))


def gathered(results: Sequence[AnalysisResult]) -> list[tuple[str, list[AnalysisResult]]]:
    """Gather the models on one data set that were corrupted alike, each group with its condition."""
    words_of = conditions(results)
    groups: dict[object, list[AnalysisResult]] = {}
    for result in results:
        groups.setdefault(replace(result.about, models=(), reference="", n=0), []).append(result)
    named = [(words_of[models[0].hash], models) for models in groups.values()]
    return sorted(named, key=lambda group: (group[1][0].about.dataset, group[0]))


def _chart(
    condition: str,
    models: Sequence[AnalysisResult],
    series: Mapping[str, int],
    drawn: tuple[CorruptionPanel, ...],
    strip: Strip | None,
) -> CorruptionChart:
    dataset, names = models[0].about.dataset, [result.about.model for result in models[:SERIES]]
    return CorruptionChart(
        dataset=dataset,
        condition=condition,
        numbers=table(f"{dataset}, {condition}", [(result, "") for result in models]),
        facts=tuple(facts(models)),
        remarks=remarks(models),
        series=tuple((name, series.get(name, 0)) for name in names),
        left_out=len(models) - len(names),
        panels=drawn,
        heats=tuple(map(_heat, models)),
        strip=strip,
    )


def _heat(result: AnalysisResult) -> Grid:
    """Set out one model by corruption and severity, with the corruption errors where there is a reference model."""
    record, means = result.record("clean_top1"), rows_of(result, "corruptions")
    clean = record.value if record else None
    cells = {(row["corruption"], row["severity"]): _shaded(row, clean) for row in rows_of(result, "severities")}
    severities = sorted({severity for _, severity in cells})
    ratios = {"ce": "CE, %", "relative_ce": "relative CE, %"} if any(row["ce"] is not None for row in means) else {}
    heads = ("corruption", "kind", *map(str, severities), "mean", *ratios.values())
    rows = []
    for row in means:
        by_severity = [cells[row["corruption"], severity] for severity in severities]
        shares = [Entry(numbers.number(row[ratio])) for ratio in ratios]
        named = (Entry(words(row["corruption"])), Entry(row["kind"]))
        rows.append((*named, *by_severity, _shaded(row, clean), *shares))
    note = f"Top-1 in percent, {numbers.with_unit(clean)} on clean images"
    return Grid(result.about.model, tuple(Head(head, place > 1) for place, head in enumerate(heads)), tuple(rows), note)


def _shaded(row: Mapping[str, Any], clean: float | None) -> Entry:
    lost = min(max(1 - row["top1"] / clean, 0.0), 1.0) if clean else None
    return Entry(numbers.number(row["top1"]), numbers.ends(row["low"], row["high"]), lost)


def facts(models: Sequence[AnalysisResult]) -> Iterator[str]:
    """Say what the means are over, what is absent, and against which model mCE is."""
    measured = kinds(models)
    standard = [name for name in STANDARD if name in measured]
    if standard:
        absent = [words(name) for name in STANDARD if name not in measured]
        kept = f"{len(standard)} of the {len(STANDARD)}" if absent else f"all {len(STANDARD)}"
        without = f", without {', '.join(absent)}" if absent else ""
        yield f"Corrupted: the mean over {kept} standard corruptions{without}, at all severities measured."
    extra = [words(name) for name in EXTRA if name in measured]
    if extra and standard:
        yield f"Beside them, in no mean: {', '.join(extra)}."
    clean = models[0].record("clean_top1")
    if clean and (guess := chance(clean)):
        yield f"Without looking: {guess}."
    if clean and (family := _family(models[0])) > 1:
        yield f"All {family} intervals of the gap hold together."
    if references := sorted({result.about.reference for result in models} - {""}):
        yield f"mCE is against {', '.join(references)}: 100 % is as many errors."


def _family(result: AnalysisResult) -> int:
    record = result.record("corruption_gap")
    return record.family if record else 1


def panels(results: Sequence[AnalysisResult], series: Mapping[str, int]) -> tuple[CorruptionPanel, ...]:
    """Draw each corruption, at most as many models as there are colours; all panels share their axes."""
    points = {result.about.model: _points(result) for result in results[:SERIES]}
    whole = [point for by_name in points.values() for curve in by_name.values() for point in curve.items()]
    reached = [end for _, top1 in whole for end in (top1.low, top1.value, top1.high) if end is not None]
    xaxis, yaxis = axes.whole(sorted({severity for severity, _ in whole})), axes.percent(reached)
    drawn = []
    for name, kind in kinds(results).items():
        curves = {model: by_name[name] for model, by_name in points.items() if name in by_name}
        traces = [
            _trace(words(name), model, curve, series.get(model, 0), _DODGE * (place - (len(curves) - 1) / 2))
            for place, (model, curve) in enumerate(curves.items())
        ]
        figure = plane(traces, xaxis, yaxis, _HEIGHT, _summary(words(name), curves))
        drawn.append(CorruptionPanel(words(name), kind, figure))
    return tuple(drawn)


def words(name: str) -> str:
    """Return a corruption's name for readers: 'gaussian noise'."""
    return name.replace("_", " ")


def kinds(results: Sequence[AnalysisResult]) -> Mapping[str, str]:
    """Return the corruptions with their kinds, in the order of the tables."""
    return {row["corruption"]: row["kind"] for result in results for row in rows_of(result, "severities")}


def _points(result: AnalysisResult) -> dict[str, Severities]:
    """Return a model's points by corruption, the clean images first."""
    clean = result.record("clean_top1")
    assert clean is not None
    curves: dict[str, Severities] = {}
    for row in sorted(rows_of(result, "severities"), key=lambda row: row["severity"]):
        curve = curves.setdefault(row["corruption"], {0: clean})
        curve[row["severity"]] = Record("top1", row["top1"], low=row["low"], high=row["high"])
    return curves


def _trace(name: str, model: str, curve: Severities, series: int, dodge: float) -> Trace:
    hovers = [
        hover(model, f"{name}, severity {severity}" if severity else "clean images", numbers.with_interval(top1))
        for severity, top1 in curve.items()
    ]
    x, y = [round(severity + dodge, 3) for severity in curve], [top1.value for top1 in curve.values()]
    error_y = errors(list(curve.values())) | {"thickness": 1, "width": 0}
    return trace(x, y, hovers, error_y=error_y, marker={"size": 5}, meta={"series": series})


def _summary(name: str, curves: Mapping[str, Severities]) -> str:
    listed = "; ".join(
        f"{model} {', '.join(numbers.with_unit(top1.value) for top1 in curve.values())}"
        for model, curve in curves.items()
    )
    return f"top-1 by severity of {name}, clean images first: {listed}"
