"""Small tables of a page, shown as their task or analysis declares them: text ready to be set out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clipbench.metrics.specs import ColumnSpec, CurveSpec, TableSpec
from clipbench.report.text import labels, numbers
from clipbench.report.text.claims import at_chance, chance
from clipbench.report.text.declared import as_shown, declared, metric_of
from clipbench.results.records import AnalysisResult, JobResult, Record, Table

Row = Mapping[str, Any]

SHOWN = 10
"""Of the worst and best classes and of the confusions."""

ALL_CLASSES = 2 * SHOWN
"""Up to so many classes one table shows them all."""

LISTED_CLASSES = 100
"""Rows of the full table of classes that the page holds."""

MOST_ROWS = 100
"""Of a declared table."""

OTHER_ROWS = 20
"""Rows of a table that nobody declared, and of each group."""

FEW_PARAMETERS = 3
"""Up to so many stand beside their metric, more of them below the table."""


@dataclass(frozen=True)
class Entry:
    """One cell: its text, an interval or a remark in smaller print, and a bar's length, or a shade, in [0, 1]."""

    text: str
    small: str = ""
    bar: float | None = None
    clear: bool = False
    """Whether it is a difference whose interval leaves out zero."""
    at_chance: bool = False
    """Whether it is not above chance."""


@dataclass(frozen=True)
class Head:
    """One column's heading."""

    text: str
    numeric: bool = False


@dataclass(frozen=True)
class Grid:
    """A small table; the first column heads its rows."""

    caption: str
    heads: tuple[Head, ...]
    rows: tuple[tuple[Entry, ...], ...]
    note: str = ""
    name: str = ""
    """Of the table that it shows, where a curve may be drawn of it too."""


def metrics(result: JobResult | AnalysisResult) -> Grid:
    """Show every metric with its parameters, its interval and the number of examples it rests on."""
    heads = [Head("metric"), Head("value", True), Head("n", True), Head("interval"), Head("chance", True)]
    if not any(chance(record) for record in result.records):
        heads.pop()
    main = next((record.params for record in result.records if record.main), {})
    many = len(main) > FEW_PARAMETERS
    rows = tuple(
        _metric(result, record, {} if record.main and not many else main)[: len(heads)] for record in result.records
    )
    return Grid("Metrics", tuple(heads), rows, _parameters(main) if many else "")


def _metric(result: JobResult | AnalysisResult, record: Record, elsewhere: Mapping[str, Any]) -> tuple[Entry, ...]:
    """Show one metric with its parameters, those left out that stand elsewhere."""
    shown, interval = as_shown(result, record), numbers.MISSING
    params = {name: value for name, value in record.params.items() if name not in elsewhere or elsewhere[name] != value}
    if numbers.interval(shown):
        interval = f"{numbers.percent_of_level(record.level)} {labels.short_interval(record.interval)}"
        interval += f", {numbers.count(record.family)} together" if record.family > 1 else ""
    commonest = numbers.with_unit(shown.commonest, shown.unit)
    return (
        Entry(metric_of(result, record).label, _parameters(params)),
        Entry(numbers.with_unit(shown.value, shown.unit), numbers.interval(shown)),
        Entry(numbers.count(record.n) if record.n else numbers.MISSING),
        Entry(interval),
        Entry(
            numbers.with_unit(shown.chance, shown.unit),
            "not above chance" if at_chance(shown) else f"commonest class {commonest}" if shown.commonest else "",
        ),
    )


def _parameters(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} = {numbers.cell(value)}" for name, value in sorted(params.items()))


def of_result(result: JobResult | AnalysisResult) -> tuple[Grid, ...]:
    """Show the tables of a result, declared ones first and in the order of their declarations, others as they are."""
    order = [spec.name for spec in declared(result).tables]
    grids: list[Grid] = []
    for name in sorted(result.tables, key=lambda name: order.index(name) if name in order else len(order)):
        rows = result.tables[name].dicts()
        spec = known_columns(declared(result).table(name), result.tables[name])
        if rows:
            layout = _LAYOUTS.get(name, _whole) if spec and len(spec.columns) > 2 else _whole
            grids += layout(spec, rows) if spec else [_other(name, result.tables[name])]
    return tuple(grids)


def known_columns(spec: TableSpec | None, table: Table) -> TableSpec | None:
    """Return a table's spec without the columns that it lacks or that say nothing; None where none is left."""
    if spec is None:
        return None
    filled = {name for place, name in enumerate(table.columns) if any(row[place] != "" for row in table.rows)}
    columns = tuple(column for column in spec.columns if column.name in filled)
    return replace(spec, columns=columns) if columns else None


def _whole(spec: TableSpec, rows: Sequence[Row]) -> list[Grid]:
    curve, by = spec.curve, spec.largest_by
    if curve is not None and all(numbers.is_number(row.get(curve.x)) for row in rows):
        rows = sorted(rows, key=lambda row: row[curve.x])
    which = f" with the largest {(spec.column(by) or ColumnSpec(by)).heading}" if by else ""
    if by:
        rows = sorted(rows, key=lambda row: -abs(row[by]) if numbers.is_number(row.get(by)) else 0.0)
    cells = tuple(_entries(row, spec.columns, spec.curve) for row in rows[:MOST_ROWS])
    note = " ".join(part for part in (spec.definition, _left_out(len(rows), MOST_ROWS, which)) if part)
    return [Grid(spec.caption, _heads(spec.columns), cells, note, spec.name)]


def _heads(columns: Sequence[ColumnSpec]) -> tuple[Head, ...]:
    """Return headings, an undeclared one with its unit; the first column heads the rows, so it stands on the left."""
    units = ["" if column.label or column.unit == "fraction" else numbers.suffix(column.unit) for column in columns]
    texts = [
        ", ".join(part for part in (column.heading, unit) if part) for column, unit in zip(columns, units, strict=True)
    ]
    return tuple(Head(text, place > 0 and columns[place].unit != "") for place, text in enumerate(texts))


def _entries(
    row: Row, columns: Sequence[ColumnSpec], curve: CurveSpec | None = None, *, bars: bool = False
) -> tuple[Entry, ...]:
    """Show a row, with bars as long as its fractions; the one that is chosen in a curve says so."""
    entries = []
    for column in columns:
        value = row.get(column.name)
        chosen = curve is not None and column.name == curve.x and row.get(curve.chosen) is True
        small = ends(row, column) or ("chosen" if chosen else "")
        bar = min(max(value, 0.0), 1.0) if bars and column.unit == "fraction" and numbers.is_number(value) else None
        entries.append(Entry(numbers.cell(value, column.unit), small, bar))
    return tuple(entries)


def ends(row: Row, column: ColumnSpec) -> str:
    """Return the interval of a row's value as '[89.9, 92.4]'; '' where it has none."""
    low, high = row.get(column.low), row.get(column.high)
    return numbers.ends(low, high, column.unit) if numbers.is_number(low) and numbers.is_number(high) else ""


def _classes(spec: TableSpec, rows: Sequence[Row]) -> list[Grid]:
    heads, ordered = _heads(spec.columns), _worst_first(spec, rows)
    if len(ordered) <= ALL_CLASSES:
        parts = {"Classes, worst first": ordered}
    else:
        parts = {"Worst classes": ordered[:SHOWN], "Best classes": ordered[: -SHOWN - 1 : -1]}
    return [
        Grid(caption, heads, tuple(_entries(row, spec.columns, bars=True) for row in part), spec.definition)
        for caption, part in parts.items()
    ]


def _measure(spec: TableSpec) -> ColumnSpec:
    """Return the column that a table of classes is about."""
    return next((column for column in spec.columns if column.unit == "fraction"), spec.columns[-1])


def _worst_first(spec: TableSpec, rows: Sequence[Row]) -> list[Row]:
    """Order by the measure, of equal ones first what rests on more examples; undefined ones are left out."""
    name, measure = spec.columns[0].name, _measure(spec).name
    known = [row for row in rows if numbers.is_number(row[measure])]
    return sorted(known, key=lambda row: (row[measure], -(row.get("n") or 0), str(row[name])))


def listed_classes(result: JobResult) -> Grid | None:
    """Show the classes, worst first, to be searched; None where `of_result` already shows them all."""
    table = result.tables.get("per_class")
    spec = known_columns(declared(result).table("per_class"), table) if table else None
    if table is None or spec is None or len(table.rows) <= ALL_CLASSES:
        return None
    ordered = _worst_first(spec, table.dicts())
    rows = tuple(_entries(row, spec.columns) for row in ordered[:LISTED_CLASSES])
    left = f"the table of all classes is in jobs/{result.hash}.json." if len(ordered) > LISTED_CLASSES else ""
    note = f"The {LISTED_CLASSES} worst are listed here; {left}" if left else ""
    return Grid(f"All {numbers.count(len(table.rows))} classes", _heads(spec.columns), rows, note)


def failures(result: JobResult, most: int) -> tuple[Grid, ...]:
    """Show the worst classes and the most frequent confusions, so many of each, without classes that are all right."""
    found = []
    for name in ("per_class", "confusions"):
        table = result.tables.get(name)
        spec = known_columns(declared(result).table(name), table) if table else None
        if table is None or spec is None or len(spec.columns) < 2:
            continue
        rows: Sequence[Row] = table.dicts()
        if name == "per_class":
            rows = [row for row in _worst_first(spec, rows) if row[_measure(spec).name] < 1]
        caption = "Worst classes" if name == "per_class" else spec.caption
        cells = tuple(_entries(row, spec.columns, bars=True) for row in rows[:most])
        found += [Grid(caption, _heads(spec.columns), cells)] if cells else []
    return tuple(found)


def _confusions(spec: TableSpec, rows: Sequence[Row]) -> list[Grid]:
    cells = tuple(_entries(row, spec.columns, bars=True) for row in rows[:SHOWN])
    return [Grid(spec.caption, _heads(spec.columns), cells)]


def _groups(spec: TableSpec, rows: Sequence[Row]) -> list[Grid]:
    """Show each group as a table of its own, headed by the group's name."""
    grids = []
    group, value, *others = spec.columns
    for name in dict.fromkeys(str(row[group.name]) for row in rows):
        members = [row for row in rows if str(row[group.name]) == name]
        columns = (replace(value, label=name), *others)
        shown = tuple(_entries(row, columns, bars=True) for row in members[:OTHER_ROWS])
        grids.append(Grid(f"By {name}", _heads(columns), shown, _left_out(len(members))))
    return grids


_LAYOUTS = {"per_class": _classes, "confusions": _confusions, "per_group": _groups}


def _other(name: str, table: Table) -> Grid:
    """Show a table that nobody declared."""
    columns = list(zip(*table.rows, strict=False)) or [()] * len(table.columns)
    numeric = [all(value is None or numbers.is_number(value) for value in column) for column in columns]
    heads = tuple(Head(label.replace("_", " "), known) for label, known in zip(table.columns, numeric, strict=False))
    rows = tuple(tuple(Entry(numbers.cell(value)) for value in row) for row in table.rows[:OTHER_ROWS])
    return Grid(labels.capitalised(name.replace("_", " ")), heads, rows, _left_out(len(table.rows)))


def _left_out(total: int, most: int = OTHER_ROWS, which: str = "") -> str:
    if total <= most:
        return ""
    return f"{most} of {numbers.count(total)} rows{which}; the others are in the results folder."
