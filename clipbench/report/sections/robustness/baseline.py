"""What stands behind a shift: the published models, what its line rests on, and the small tables of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from clipbench.analyses.robustness.baseline import OF_THE_RUN
from clipbench.reference.published import PublishedModel, PublishedPair, openclip_models, published_pair
from clipbench.reference.sources import sources
from clipbench.report.figures import figures
from clipbench.report.grids import Entry, Grid, Head, of_result
from clipbench.report.measured import number, rows_of
from clipbench.report.sections.robustness.axes import LogitScale
from clipbench.report.sections.robustness.findings import Shift, first_row, record_of, sizes
from clipbench.report.text import numbers
from clipbench.report.text.claims import chance
from clipbench.report.text.declared import declared, heading, metric_of

_NAMES = {
    "own": "Each set has its own class names.",
    "shift": "Both sets have the shift's class names; in published figures each has its own.",
}

FURTHER = ("relative_gap", "logit_gap")
"""Metrics that stand in a table of their own."""


@dataclass(frozen=True)
class Training:
    """A way of training with the mark that stands for it."""

    number: int
    label: str
    symbol: str


TRAININGS = {
    "": Training(5, "other or undeclared", "x"),
    "standard": Training(0, "standard", "circle"),
    "more_data": Training(1, "more data", "square"),
    "robust_intv": Training(2, "robust intervention", "triangle-up"),
    "lp_adv": Training(3, "adversarially trained", "triangle-down"),
    "zero_shot": Training(4, "zero-shot", "diamond"),
}
"""In the order in which they are drawn, the last one on top."""


def pair_of(shift: Shift) -> PublishedPair | None:
    """Return the published models for a shift whose baseline is a published one."""
    return None if shift.baseline in {"", OF_THE_RUN} else published_pair(shift.about.reference, shift.about.dataset)


def marks(pair: PublishedPair) -> tuple[tuple[Training, int], ...]:
    """Return ways of training with the numbers of models that were trained so, most models first."""
    legend = ((TRAININGS[name], len(models)) for name, models in by_training(pair).items())
    return tuple(sorted(legend, key=lambda mark: -mark[1]))


def credits_of(pair: PublishedPair) -> tuple[str, ...]:
    """Return where a pair's models are from, with the licence: the testbed, and open_clip's table where it is used."""
    tables = [(pair.source, pair.citation, pair.licence)]
    if {model.name for model in openclip_models()} & {model.name for model in pair.models}:
        source = sources()["open-clip"]
        tables.append((source.name, source.citation, source.licence))
    return tuple(f"{name}; {citation}; licence: {licence}" for name, citation, licence in tables)


def traces(pair: PublishedPair, x: LogitScale, y: LogitScale) -> list[figures.Trace]:
    """Return a trace for each way of training; models that are not class-matched are hollow."""
    drawn = []
    for name, models in by_training(pair).items():
        training = TRAININGS[name]
        across = [round(x.place(model.reference_top1), 4) for model in models]
        up = [round(y.place(model.shift_top1), 4) for model in models]
        meta = {"training": training.number, "hollow": [not model.matched for model in models]}
        marker = {"size": 6.5, "symbol": training.symbol, "opacity": 0.75, "line": {"width": 1.1}}
        drawn.append(
            figures.dots(across, up, [], meta, marker=marker)
            | {"customdata": [_told(model, pair) for model in models], "hovertemplate": _hover(training, pair)}
        )
    return drawn


def by_training(pair: PublishedPair) -> dict[str, list[PublishedModel]]:
    """Return models by how they were trained, in the order in which they are drawn."""
    groups: dict[str, list[PublishedModel]] = {name: [] for name in TRAININGS}
    for model in pair.models:
        groups[model.training if model.training in TRAININGS else ""].append(model)
    return {name: models for name, models in groups.items() if models}


def _told(model: PublishedModel, pair: PublishedPair) -> list[str]:
    """Return what the hover of a model has of its own."""
    top1 = (numbers.with_unit(share) for share in (model.reference_top1, model.shift_top1))
    unmatched = "" if model.matched else f"; {pair.reference} among all its classes"
    mark = ", in the baseline" if model.baseline else unmatched
    return [figures.text(model.name), *top1, figures.text(mark)]


def _hover(training: Training, pair: PublishedPair) -> str:
    """Return the form of what a pointer is shown: models are many, and most of it is the same for all."""
    name, reference, shift, mark = (f"%{{customdata[{place}]}}" for place in range(4))
    lines = (f"{figures.text(pair.reference)}: {reference}", f"{figures.text(pair.shift)}: {shift}")
    return "<br>".join((f"<b>{name}, published</b>", *lines, training.label + mark)) + "<extra></extra>"


def caption(
    shift: Shift, pair: PublishedPair | None, line: Mapping[str, Any], band: str = "how sure the line is"
) -> Iterator[str]:
    """Yield what must be said of a figure's line, of its band, and of the published models behind it."""
    if line:
        whose = f"{line['models']} {'' if line['source'] == OF_THE_RUN else 'models of the '}{line['source']}"
        ends = " to ".join(numbers.with_unit(line[end]) for end in ("lowest", "highest"))
        yield (
            f"Line and band: what is expected of a model, and {band}, fitted to {whose} with {ends} on "
            f"the reference, R² {line['r2']:.2f}."
        )
        if (spread := line.get("spread")) is not None:
            yield (
                f"Single models of other families lie {numbers.with_unit(spread, 'gap')} (standard deviation) about "
                "the line there, which the intervals of what is expected and of effective robustness hold."
            )
    rows = {result.about.model: row for result in shift.results if (row := first_row(result, "baseline"))}
    if len({(row["slope"], row["intercept"]) for row in rows.values()}) > 1:
        yield f"The line is that of {next(iter(rows))}; those of other models differ."
    if pair and any(not model.matched for model in pair.models):
        yield (
            f"Hollow: not class-matched, since their top-1 on {pair.reference} is over all its classes; "
            "they are no part of the baseline."
        )


def counts(shift: Shift) -> str:
    """Say how many images the numbers rest on, among how many classes."""
    record = shift.results[0].record("gap")
    classes = record.params.get("classes") if record else None
    images = " and ".join(map(numbers.count, sizes(shift.results[0])))
    counted = f"{images} images of the same {numbers.count(classes)} classes." if classes else f"{images} images."
    named = str(record.params.get("class_names", "")) if record else ""
    parts = (counted, _NAMES.get(named, ""), *_chance(shift), *_together(shift))
    return " ".join(part for part in parts if part)


def _chance(shift: Shift) -> Iterator[str]:
    """Yield what guessing gives on both sets."""
    records = (record_of(shift.results[0], metric) for metric in ("reference_top1", "shift_top1"))
    names = (shift.about.reference, shift.about.dataset)
    told = [f"{words} on {name}" for name, record in zip(names, records, strict=True) if (words := chance(record))]
    if told:
        yield f"Without looking: {'; '.join(told)}."


def _together(shift: Shift) -> Iterator[str]:
    """Yield how many intervals of the study hold together."""
    for metric in ("gap", "effective_robustness", "relative_robustness"):
        record = shift.results[0].record(metric)
        if record and record.family > 1:
            label = metric_of(shift.results[0], record).label
            yield f"All {numbers.count(record.family)} intervals of {label} in this study hold together."


def grids(shift: Shift) -> tuple[Grid, ...]:
    """Return the tables behind a figure: the line, other forms of the gap, classes without a counterpart."""
    tables = (_line(shift), _further(shift), _classes(shift))
    return tuple(table for table in tables if table)


def _line(shift: Shift) -> Grid | None:
    """Set out the line with a row for each column of its table."""
    result = shift.results[0]
    spec = declared(result).table("baseline")
    if not shift.line or spec is None:
        return None
    rows = tuple(
        (Entry(column.heading), Entry(numbers.cell(shift.line[column.name], column.unit)))
        for column in spec.columns
        if shift.line.get(column.name) not in (None, "")
    )
    outside = [result.about.model for result in shift.results if first_row(result, "baseline").get("outside")]
    note = f"Outside the range that the line was fitted on: {', '.join(outside)}." if outside else ""
    return Grid(spec.caption, (Head("of the line"), Head("")), rows, note)


def _further(shift: Shift) -> Grid:
    specs = [declared(shift.results[0]).metric(name) for name in FURTHER]
    heads = (Head("model"), *(Head(heading(spec), numeric=True) for spec in specs))
    rows = ((Entry(result.about.model), *(number(result, name) for name in FURTHER)) for result in shift.results)
    return Grid("The gap in other terms", heads, tuple(rows))


def _classes(shift: Shift) -> Grid | None:
    name = "unmatched_classes"
    tables = next((result.tables for result in shift.results if rows_of(result, name)), None)
    return of_result(replace(shift.results[0], tables={name: tables[name]}))[0] if tables else None
