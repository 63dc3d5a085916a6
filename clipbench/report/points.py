"""Tables of points that a curve is drawn through, and of repeated fits, as text ready to be shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from clipbench.report.cells import Entry, Grid, Head
from clipbench.report.text import labels, numbers
from clipbench.results.records import Table

Row = Mapping[str, Any]

CAPTIONS = {
    "validation_curve": "Choice of C",
    "k_curve": "Number of neighbours",
    "alpha_curve": "From zero-shot to fitted weights",
    "templates": "Templates",
    "gains": "Gains of a photo and of the ensemble",
    "family_effects": "What each family of wordings does",
    "families": "What a change of the wording does",
    "names": "What other names of the classes do",
    "synonyms": "One class renamed at a time",
    "choice": "From many templates to one number",
    "ensemble_curve": "Ensembles by their size",
    "variance": "Where the variance comes from",
    "rank_flips": "Pairs of models",
    "seeds": "Draws of the training examples",
    "shots_curve": "Accuracy by labelled examples",
}

_NEEDED = {
    "validation_curve": ("C", "score"),
    "k_curve": ("k", "top1"),
    "alpha_curve": ("alpha", "top1", "validation"),
    "templates": ("position", "top1"),
    "gains": ("difference",),
    "family_effects": ("difference", "others"),
    "families": ("difference",),
    "names": ("top1",),
    "synonyms": ("difference",),
    "choice": ("top1",),
    "ensemble_curve": ("size", "top1"),
    "variance": ("value",),
    "rank_flips": ("first_ahead", "second_ahead", "ties", "flip_share"),
    "seeds": ("seed", "top1"),
    "shots_curve": ("examples_per_class", "top1"),
}
"""Columns of numbers without which a table of that name is another one."""

_NAMED = {
    "gains": ("gain",),
    "family_effects": ("family", "plain"),
    "families": ("family", "template"),
    "names": ("how",),
    "synonyms": ("class", "name"),
    "choice": ("how",),
    "variance": ("component",),
    "rank_flips": ("first", "second"),
}
"""Other columns without which it is."""

_BESIDE = {
    "interval over draws": ("seeds_low", "seeds_high"),
    "interval over templates": ("low_over_templates", "high_over_templates"),
}
"""Second intervals, each in a column of its own."""

_ALL_ENDS = ("low", "high", *(end for ends in _BESIDE.values() for end in ends))
_SHARES = {"score", "top1", "mean_per_class_recall", "validation", "flip_share"}
_SHARES |= {"class_top1_before", "class_top1"}
_HEADS = {
    "p_holm": "p, Holm",
    "difference": "difference, points",
    "class_top1_before": "top-1 of the class before",
    "class_top1": "after",
    "value": "variance × 1,000",
    "flip_share": "order flips",
}

MOST_ROWS = 100
"""Of a table with a row for each class or each pair of models; those with the largest numbers are shown."""

_MOST_BY = {"synonyms": "difference", "rank_flips": "flip_share"}

_SMALL_P = 0.001


def known_rows(tables: Mapping[str, Table], name: str) -> Sequence[Row]:
    """Return the rows of the table of this name; none where it lacks the columns or numbers that it should hold."""
    table = tables.get(name)
    if table is None or name not in _NEEDED or any(len(row) != len(table.columns) for row in table.rows):
        return ()
    rows: list[Row] = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    sound = set(_NAMED.get(name, ())) <= set(table.columns) and all(
        all(is_number(row.get(column)) for column in _NEEDED[name])
        and all(row.get(end) is None or is_number(row[end]) for end in _ALL_ENDS)
        for row in rows
    )
    return rows if sound else ()


def grids(tables: Mapping[str, Table]) -> tuple[Grid, ...]:
    """Show the tables that this module knows; ends of intervals stand beside their value, other columns as they are."""
    found = ((name, known_rows(tables, name)) for name in CAPTIONS)
    return tuple(_grid(name, rows) for name, rows in found if rows)


def _grid(name: str, rows: Sequence[Row]) -> Grid:
    beside = {"metric", "chosen", *_ALL_ENDS}
    shown = [column for column in rows[0] if column not in beside and any(row[column] != "" for row in rows)]
    columns: list[tuple[Head, Callable[[Row], Entry]]] = [_column(column, rows) for column in shown]
    columns += [
        (Head(heading, True), partial(_ends, low=low, high=high, value=_owner(rows)))
        for heading, (low, high) in _BESIDE.items()
        if any(row.get(low) is not None for row in rows)
    ]
    if name == "validation_curve":
        rows = sorted(rows, key=lambda row: row["C"])
    kept, note = _largest(name, rows)
    cells = tuple(tuple(show(row) for _, show in columns) for row in kept)
    # The first column heads the rows, so it stands on the left.
    heads = (Head(columns[0][0].text), *(head for head, _ in columns[1:]))
    return Grid(CAPTIONS[name], heads, cells, note, name=name)


def _largest(name: str, rows: Sequence[Row]) -> tuple[Sequence[Row], str]:
    """Return the rows with the largest numbers first, and what is left out; in their order where none are largest."""
    if name not in _MOST_BY:
        return rows, ""
    by = _MOST_BY[name]
    kept = sorted(rows, key=lambda row: -abs(row[by]))[:MOST_ROWS]
    if len(kept) == len(rows):
        return kept, ""
    largest = f"The {MOST_ROWS} of {numbers.count(len(rows))} rows with the largest {by.replace('_', ' ')}"
    return kept, f"{largest}; the others are in the results folder."


def _owner(rows: Sequence[Row]) -> str:
    """Return the column whose intervals `low` and `high` are."""
    return next((name for name in ("difference", "value") if name in rows[0]), "top1")


def _column(name: str, rows: Sequence[Row]) -> tuple[Head, Callable[[Row], Entry]]:
    owns = name == _owner(rows)
    if name in _SHARES:
        metric = str(rows[0].get("metric") or name) if name == "score" else name
        return Head(_HEADS.get(name) or labels.metric(metric), True), lambda row: _share(row, name, owns)
    if name == "what":
        return Head("classifier"), lambda row: Entry(labels.task(str(row[name])))
    heading, values = _HEADS.get(name) or name.replace("_", " "), [row[name] for row in rows]
    if any(isinstance(value, bool) for value in values):
        return Head(heading), lambda row: Entry("yes" if row[name] else "no")
    numeric = all(value is None or is_number(value) for value in values)
    if numeric and name in {"difference", "value"}:
        return Head(heading, True), lambda row: Entry(_number(row[name], name), _ends(row, "low", "high", name).text)
    if numeric and name in {"p", "p_holm"}:
        return Head(heading, True), lambda row: Entry(_probability(row[name]))
    return Head(heading, numeric), lambda row: Entry(_plain(row[name]), "chosen" if _is_chosen(row, name) else "")


def _ends(row: Row, low: str, high: str, value: str) -> Entry:
    """Return the ends of an interval as text, in the unit of the column that it belongs to."""
    if row.get(low) is None or row.get(high) is None:
        return Entry("")
    return Entry(f"[{_number(row[low], value)}, {_number(row[high], value)}]")


def _number(value: float | None, column: str) -> str:
    if column == "value" and value is not None:
        return numbers.number(1000 * value, "points").replace("-", "−")
    return numbers.number(value, "difference" if column == "difference" else "fraction")


def _probability(value: float | None) -> str:
    return numbers.MISSING if value is None else f"{value:.3f}" if value >= _SMALL_P else f"< {_SMALL_P}"


def _is_chosen(row: Row, name: str) -> bool:
    return name == "C" and row.get("chosen") is True


def _share(row: Row, name: str, owns: bool) -> Entry:
    value = row[name]
    if not is_number(value):
        return Entry(_plain(value))
    return Entry(numbers.with_unit(value), _ends(row, "low", "high", name).text if owns else "")


def _plain(value: object) -> str:
    if value is None:
        return numbers.MISSING
    if isinstance(value, int):
        return numbers.count(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def is_number(value: object) -> bool:
    """Return whether a cell of a table holds a number; a truth value is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)
