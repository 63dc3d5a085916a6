"""Tables of points that a curve is drawn through, and of repeated fits, as text ready to be shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from clipbench.records import Table
from clipbench.report import labels, numbers
from clipbench.report.cells import Entry, Grid, Head

Row = Mapping[str, Any]

CAPTIONS = {
    "validation_curve": "Choice of C",
    "k_curve": "Number of neighbours",
    "alpha_curve": "From zero-shot to fitted weights",
    "templates": "Templates, best first",
    "families": "What a change of the wording does",
    "ensemble_curve": "Ensembles by their size",
    "seeds": "Draws of the training examples",
    "shots_curve": "Accuracy by labelled examples",
}

_NEEDED = {
    "validation_curve": ("C", "score"),
    "k_curve": ("k", "top1"),
    "alpha_curve": ("alpha", "top1", "validation"),
    "templates": ("position", "top1"),
    "families": ("difference",),
    "ensemble_curve": ("size", "top1"),
    "seeds": ("seed", "top1"),
    "shots_curve": ("examples_per_class", "top1"),
}
"""Columns of numbers without which a table of that name is another one."""

_ENDS = ("low", "high", "seeds_low", "seeds_high")
_SHARES = {"score", "top1", "mean_per_class_recall", "validation"}


def known_rows(tables: Mapping[str, Table], name: str) -> Sequence[Row]:
    """Return the rows of the table of this name; none where it lacks the columns or numbers that it should hold."""
    table = tables.get(name)
    if table is None or name not in _NEEDED or any(len(row) != len(table.columns) for row in table.rows):
        return ()
    rows: list[Row] = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    sound = all(
        all(is_number(row.get(column)) for column in _NEEDED[name])
        and all(row.get(end) is None or is_number(row[end]) for end in _ENDS)
        for row in rows
    )
    return rows if sound else ()


def grids(tables: Mapping[str, Table]) -> tuple[Grid, ...]:
    """Show the tables that this module knows; ends of intervals stand beside their value, other columns as they are."""
    found = ((name, known_rows(tables, name)) for name in CAPTIONS)
    return tuple(_grid(name, rows) for name, rows in found if rows)


def _grid(name: str, rows: Sequence[Row]) -> Grid:
    shown = [column for column in rows[0] if column not in {"metric", "chosen", *_ENDS}]
    columns: list[tuple[Head, Callable[[Row], Entry]]] = [_column(column, rows) for column in shown]
    if any(row.get("seeds_low") is not None for row in rows):
        columns.append(
            (
                Head("interval over draws", True),
                lambda row: Entry(numbers.ends(row.get("seeds_low"), row.get("seeds_high"))),
            )
        )
    if name == "validation_curve":
        rows = sorted(rows, key=lambda row: row["C"])
    cells = tuple(tuple(show(row) for _, show in columns) for row in rows)
    # The first column heads the rows, so it stands on the left.
    heads = (Head(columns[0][0].text), *(head for head, _ in columns[1:]))
    return Grid(CAPTIONS[name], heads, cells, name=name)


def _column(name: str, rows: Sequence[Row]) -> tuple[Head, Callable[[Row], Entry]]:
    if name in _SHARES:
        metric = str(rows[0].get("metric") or name) if name == "score" else name
        return Head(labels.metric(metric), True), lambda row: _share(row, name)
    if name == "what":
        return Head("classifier"), lambda row: Entry(labels.task(str(row[name])))
    heading, values = name.replace("_", " "), [row[name] for row in rows]
    if any(isinstance(value, bool) for value in values):
        return Head(heading), lambda row: Entry("yes" if row[name] else "no")
    numeric = all(value is None or is_number(value) for value in values)
    return Head(heading, numeric), lambda row: Entry(_plain(row[name]), "chosen" if _is_chosen(row, name) else "")


def _is_chosen(row: Row, name: str) -> bool:
    return name == "C" and row.get("chosen") is True


def _share(row: Row, name: str) -> Entry:
    value = row[name]
    if not is_number(value):
        return Entry(_plain(value))
    return Entry(numbers.with_unit(value), numbers.ends(row.get("low"), row.get("high")) if name == "top1" else "")


def _plain(value: object) -> str:
    if value is None:
        return numbers.MISSING
    if isinstance(value, int):
        return numbers.count(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def is_number(value: object) -> bool:
    """Return whether a cell of a table holds a number; a truth value is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)
