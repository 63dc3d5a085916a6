"""What is said of a baseline: what its line rests on, and the small tables behind a figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from clipbench.analyses.robustness.baseline import OF_THE_RUN
from clipbench.reference.published import PublishedPair
from clipbench.report.cells import Entry, Grid, Head
from clipbench.report.points import is_number
from clipbench.report.sections.robustness.findings import Measured, Shift
from clipbench.report.sections.robustness.scatter import Scatter
from clipbench.report.text import labels, numbers

_CLASSES = 40
"""Rows of the table of classes."""

_FURTHER = ("relative_gap", "logit_gap")


def caption(shift: Shift, pair: PublishedPair | None, scatter: Scatter | None) -> tuple[str, ...]:
    """Return the sentences under a figure.

    Args:
        shift: what is drawn.
        pair: the published models that are drawn.
        scatter: the figure; None where there was no room for one.
    """
    return tuple(_sentences(shift, pair, scatter))


def _sentences(shift: Shift, pair: PublishedPair | None, scatter: Scatter | None) -> Iterator[str]:
    if shift.baseline:
        yield _basis(shift, _line(shift))
    elif not any(note.startswith("No baseline") for one in shift.models for note in one.finding.notes):
        yield "There is no baseline for this shift, so the run's models stand alone."
    yield "Dashed: y = x, where nothing is lost."
    lines = {(_of(one, "slope"), _of(one, "intercept")) for one in shift.models if one.row("baseline")}
    if len(lines) > 1:
        first = next(one.model for one in shift.models if one.row("baseline"))
        yield f"The line is that of {first}; those of other models differ."
    if pair and any(not model.matched for model in pair.models):
        yield (
            f"Hollow: not class-matched, since their top-1 on {pair.reference} is over all its classes; "
            "they are no part of the baseline."
        )
    if scatter and scatter.at_edge:
        yield f"At the edge, since 0 and 100 % have no place on such an axis: {scatter.at_edge}."
    if scatter and scatter.outside:
        yield f"{scatter.outside} published models with less on {shift.reference} lie outside the figure."
    if counts := _counts(shift):
        yield counts


def _basis(shift: Shift, line: Mapping[str, Any]) -> str:
    models = f"{line['models']} " if isinstance(line.get("models"), int) else ""
    fitted = f"{models}{OF_THE_RUN}" if shift.baseline == OF_THE_RUN else f"{models}models of the {shift.baseline}"
    ends = [line.get(name) for name in ("lowest", "highest")]
    between = f" with {' to '.join(numbers.with_unit(end) for end in ends)} on the reference" if all(ends) else ""
    fit = f", R² {line['r2']:.2f}" if is_number(line.get("r2")) else ""
    return f"Line and band: what is expected of a model, fitted to {fitted}{between}{fit}."


def _counts(shift: Shift) -> str:
    params: Mapping[str, Any] = next(
        (record.params for measured in shift.models for record in measured.records.values() if record.params), {}
    )
    reference, of_shift, classes = (params.get(name) for name in ("n_reference", "n_shift", "classes"))
    if not (isinstance(reference, int) and isinstance(of_shift, int)):
        return ""
    on = f" of the same {numbers.count(classes)} classes" if isinstance(classes, int) else ""
    return f"{numbers.count(reference)} and {numbers.count(of_shift)} images{on}."


def grids(shift: Shift) -> tuple[Grid, ...]:
    """Return the tables behind a figure: the line, other forms of the gap, classes without a counterpart."""
    found = (_line_grid(shift), _further(shift), _classes(shift))
    return tuple(grid for grid in found if grid)


def _line_grid(shift: Shift) -> Grid | None:
    line = _line(shift)
    if not line:
        return None
    shares = {"lowest", "highest"}
    rows = tuple(
        (Entry(_WORDS.get(name, name.replace("_", " "))), Entry(_plain(value, share=name in shares)))
        for name, value in line.items()
        if value not in (None, "") and name != "outside"
    )
    outside = [measured.model for measured in shift.models if _of(measured, "outside") is True]
    note = f"Outside the range that the line was fitted on: {', '.join(outside)}." if outside else ""
    return Grid("Baseline", (Head("of the line"), Head("")), rows, note)


_WORDS = {
    "r2": "R²",
    "models": "models in the line",
    "lowest": "lowest on the reference",
    "highest": "highest on the reference",
    "slope": "slope, logit by logit",
    "intercept": "intercept, logit",
}


def _plain(value: object, *, share: bool) -> str:
    if isinstance(value, float):
        return numbers.with_unit(value) if share else f"{value:.4g}".replace("-", "−")
    return numbers.count(value) if isinstance(value, int) else str(value)


def _further(shift: Shift) -> Grid | None:
    shown = [name for name in _FURTHER if any(name in measured.records for measured in shift.models)]
    if not shown:
        return None
    heads = (Head("model"), *(Head(labels.metric(name), numeric=True) for name in shown))
    rows = tuple((Entry(measured.model), *(_entry(measured, name) for name in shown)) for measured in shift.models)
    return Grid("The gap in other terms", heads, rows)


def _entry(measured: Measured, name: str) -> Entry:
    record = measured.records.get(name)
    if record is None or record.value is None:
        return Entry(numbers.MISSING)
    unit = labels.shown_unit(name, record.unit)
    return Entry(numbers.with_unit(record.value, unit), numbers.interval(record))


def _classes(shift: Shift) -> Grid | None:
    found = (one.finding.tables.get("unmatched_classes") for one in shift.models)
    table = next((table for table in found if table and table.rows), None)
    if table is None:
        return None
    rows = tuple(tuple(Entry(str(value)) for value in row) for row in table.rows[:_CLASSES])
    left = len(table.rows) - len(rows)
    note = f"and {numbers.count(left)} more" if left else ""
    return Grid("Classes that only one of the two has", _heads(table.columns), rows, note)


def _heads(columns: Sequence[str]) -> tuple[Head, ...]:
    return tuple(Head(column.replace("_", " ")) for column in columns)


def _line(shift: Shift) -> Mapping[str, Any]:
    return next((row for measured in shift.models if (row := measured.row("baseline"))), {})


def _of(measured: Measured, name: str) -> Any:
    return measured.row("baseline").get(name)
