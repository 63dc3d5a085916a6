"""Small tables of a page: a job's metrics, classes, confusions and groups as text ready to be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from clipbench.report import points
from clipbench.report.cells import Entry, Grid, Head
from clipbench.report.text import labels, numbers
from clipbench.results.records import JobResult, Record, Table

SHOWN = 10
"""Of the worst and best classes and of the confusions."""

ALL_CLASSES = 2 * SHOWN
"""Up to so many classes one table shows them all."""

LISTED_CLASSES = 100
"""Rows of the full table of classes that the page holds."""

OTHER_ROWS = 20
"""Rows of a table that this module does not know."""

FEW_PARAMETERS = 3
"""Up to so many stand beside their metric, more of them below the table."""

_FRACTIONS = {"accuracy", "recall", "precision", "average_precision", "share", "low", "high", "f1"}
_HEADS = {"n": "n", "average_precision": "average precision", "mean": "mean over templates [lowest, highest]"}


def metrics(records: Sequence[Record]) -> Grid:
    """Show every metric with its parameters, its interval and the number of examples it rests on."""
    heads = (Head("metric"), Head("value", True), Head("n", True), Head("interval"))
    main = next((record.params for record in records if record.main), {})
    many = len(main) > FEW_PARAMETERS
    rows = tuple(_metric(record, {} if record.main and not many else main) for record in records)
    return Grid("Metrics", heads, rows, _parameters(main) if many else "")


def _metric(record: Record, said: Mapping[str, Any]) -> tuple[Entry, ...]:
    """Show one metric with its parameters, those left out that are said elsewhere."""
    shown = replace(record, unit=labels.shown_unit(record.metric, record.unit))
    own = {name: value for name, value in record.params.items() if name not in said or said[name] != value}
    return (
        Entry(labels.metric(record.metric), _parameters(own)),
        Entry(numbers.with_unit(shown.value, shown.unit), numbers.interval(shown)),
        Entry(numbers.count(record.n) if record.n else numbers.MISSING),
        Entry(_interval_kind(record)),
    )


def of_job(job: JobResult) -> tuple[Grid, ...]:
    """Show a job's tables, known ones as suits them, others as they are; those that curves are drawn of first."""
    grids = list(points.grids(job.tables))
    for name, table in sorted(job.tables.items(), key=lambda item: _ORDER.get(item[0], len(_ORDER))):
        rows = [dict(zip(table.columns, row, strict=False)) for row in table.rows]
        if not rows or points.known_rows(job.tables, name):
            continue
        measure = _measure(table)
        if name == "per_class" and "class" in table.columns and measure:
            grids += _classes(rows, measure)
        elif name == "confusions" and {"true", "predicted", "count"} <= set(table.columns):
            grids.append(_confusions(rows))
        elif name == "per_group" and {"group", "value"} <= set(table.columns) and measure:
            grids += _groups(rows, measure)
        else:
            grids.append(_other(name, table))
    return tuple(grids)


def full_classes(job: JobResult) -> list[list[Any]] | None:
    """Return the classes, worst first, for the page's searchable list: name, n, value, low, high.

    None where `of_job` already shows them all. At most `LISTED_CLASSES` rows.
    """
    table = job.tables.get("per_class")
    measure = _measure(table) if table else None
    if table is None or measure is None or "class" not in table.columns or len(table.rows) <= ALL_CLASSES:
        return None
    rows = [dict(zip(table.columns, row, strict=False)) for row in table.rows]
    shown = _worst_first(rows, measure)[:LISTED_CLASSES]
    return [[str(row["class"]), *map(_rounded, (row.get("n"), row[measure], *_ends(row)))] for row in shown]


def _ends(row: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return the ends of a measure's interval, or of its reach over templates."""
    return row.get("low", row.get("lowest")), row.get("high", row.get("highest"))


def _rounded(value: float | None) -> float | None:
    return round(value, 4) if isinstance(value, float) else value


_ORDER = {"per_class": 0, "confusions": 1, "per_group": 2}


def _measure(table: Table) -> str | None:
    """Return the column that a table of classes or groups is about."""
    known = ("accuracy", "recall", "average_precision", "f1", "mean")
    return next((name for name in known if name in table.columns), None)


def _classes(rows: Sequence[Mapping[str, Any]], measure: str) -> list[Grid]:
    heads = (Head("class"), Head("n", True), Head(_head(measure), True))
    ordered = _worst_first(rows, measure)
    if len(ordered) <= ALL_CLASSES:
        return [Grid("Classes, worst first", heads, tuple(_class_row(row, measure) for row in ordered))]
    worst = tuple(_class_row(row, measure) for row in ordered[:SHOWN])
    best = tuple(_class_row(row, measure) for row in ordered[: -SHOWN - 1 : -1])
    return [Grid("Worst classes", heads, worst), Grid("Best classes", heads, best)]


def _worst_first(rows: Sequence[Mapping[str, Any]], measure: str) -> list[Mapping[str, Any]]:
    """Order by the measure, of equal ones first what rests on more examples; undefined ones are left out."""
    known = [row for row in rows if row.get(measure) is not None]
    return sorted(known, key=lambda row: (row[measure], -(row.get("n") or 0), str(row.get("class"))))


def _class_row(row: Mapping[str, Any], measure: str) -> tuple[Entry, ...]:
    return (Entry(str(row["class"])), Entry(_cell("n", row.get("n"))), _measured(row, measure))


def _measured(row: Mapping[str, Any], measure: str) -> Entry:
    value = row.get(measure)
    return Entry(
        numbers.with_unit(value),
        numbers.ends(*_ends(row)),
        None if value is None else min(max(value, 0.0), 1.0),
    )


def _confusions(rows: Sequence[Mapping[str, Any]]) -> Grid:
    ordered = sorted(rows, key=lambda row: -(row["count"] or 0))
    shown = tuple(
        (
            Entry(str(row["true"])),
            Entry(str(row["predicted"])),
            Entry(_cell("count", row["count"])),
            Entry(_cell("share", row.get("share")), bar=row.get("share")),
        )
        for row in ordered[:SHOWN]
    )
    heads = (Head("is"), Head("taken for"), Head("images", True), Head("of the class", True))
    return Grid("Most confused", heads, shown)


def _groups(rows: Sequence[Mapping[str, Any]], measure: str) -> list[Grid]:
    grids = []
    for group in dict.fromkeys(str(row["group"]) for row in rows):
        members = [row for row in rows if str(row["group"]) == group]
        heads = (Head(group), Head("n", True), Head(_head(measure), True))
        shown = tuple(
            (Entry(str(row["value"])), Entry(_cell("n", row.get("n"))), _measured(row, measure))
            for row in members[:OTHER_ROWS]
        )
        grids.append(Grid(f"By {group}", heads, shown, _left_out(len(members), OTHER_ROWS)))
    return grids


def _other(name: str, table: Table) -> Grid:
    numeric = [all(_is_number(row[i]) for row in table.rows if i < len(row)) for i in range(len(table.columns))]
    heads = tuple(Head(_head(column), is_number) for column, is_number in zip(table.columns, numeric, strict=True))
    rows = tuple(
        tuple(Entry(_cell(column, value)) for column, value in zip(table.columns, row, strict=False))
        for row in table.rows[:OTHER_ROWS]
    )
    caption = name.replace("_", " ").capitalize()
    return Grid(caption, heads, rows, _left_out(len(table.rows), OTHER_ROWS))


def _left_out(total: int, shown: int) -> str:
    if total <= shown:
        return ""
    return f"{shown} of {numbers.count(total)} rows; the others are in the results folder."


def _head(column: str) -> str:
    return _HEADS.get(column, column.replace("_", " "))


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(column: str, value: object) -> str:
    if value is None:
        return numbers.MISSING
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if column in _FRACTIONS:
        return numbers.with_unit(float(value))
    return numbers.count(value) if isinstance(value, int) else f"{value:.4g}"


def _parameters(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} = {_cell('', _word(value))}" for name, value in sorted(params.items()))


def _word(value: object) -> object:
    return ("yes" if value else "no") if isinstance(value, bool) else value


def _interval_kind(record: Record) -> str:
    if not numbers.interval(record):
        return numbers.MISSING
    return f"{numbers.percent_of_level(record.level)} {labels.short_interval(record.interval)}".strip()
