"""The board as a table: heads, and of each model its entries and numbers, ready to be written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clipbench.report import marks
from clipbench.report.site.data.board import Cell, Column, Model
from clipbench.report.site.pages.base import SiteData
from clipbench.report.site.pages.index.entries import Entry, Head, entries_of
from clipbench.report.site.pages.index.robustness import Robustness
from clipbench.report.text import labels, numbers
from clipbench.report.text.claims import basis, chances
from clipbench.results.records import Record, Subject

_SIZES = ((1e8, "up to 100 M"), (3e8, "100 to 300 M"), (1e9, "300 M to 1 B"), (float("inf"), "more than 1 B"))


@dataclass(frozen=True)
class Number:
    """What stands in a set's column: marks behind the number, its interval on a second line."""

    text: str
    href: str
    state: str


@dataclass(frozen=True)
class Row:
    """A model."""

    place: int
    model: Model
    href: str
    remark: str
    size: str
    entries: tuple[Entry, ...]
    numbers: tuple[Number | None, ...]


@dataclass(frozen=True)
class Filter:
    """Of rows or columns, by one of their properties; '' as a value is what is not known."""

    key: str
    label: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """What the template shows."""

    heads: tuple[Head, ...]
    rows: tuple[Row, ...]
    preset: str
    """That is chosen at first."""
    filters: tuple[Filter, ...]

    @property
    def ranked(self) -> bool:
        """Whether its first column is that of the ranks."""
        return self.heads[0].key == "rank"


def size_of(model: Model) -> str:
    """Return the class of a model's size; '' where that is not known."""
    return next(label for end, label in _SIZES if model.parameters <= end) if model.parameters else ""


def table_of(data: SiteData, shifts: Sequence[Robustness]) -> Table:
    """Set out a site's board; a column that nothing fills is left out."""
    board = data.board
    shown = next((preset for preset in board.presets if preset.slug == "measured"), None)
    shown = shown or max(board.presets, key=lambda preset: len(preset.columns), default=None)
    columns = [
        (head, entries)
        for head, entries in entries_of(board, shifts, shown)
        if any(entry.text != numbers.MISSING for entry in entries.values())
    ]
    mixed = len({model.origin for model in board.models}) > 1
    cells = [{cell.model: _number(data, column, cell) for cell in column.cells} for column in board.columns]
    rows = tuple(
        Row(
            place,
            model,
            data.model_path(place),
            _remark(model) if mixed else "",
            size_of(model),
            tuple(entries.get(place, Entry()) for _, entries in columns),
            tuple(of_column.get(place) for of_column in cells),
        )
        for place, model in enumerate(board.models)
    )
    heads = (*(head for head, _ in columns), *(_head(column) for column in board.columns))
    return Table(heads, rows, shown.slug if shown else "", tuple(_filters(heads, rows)))


def _filters(heads: Sequence[Head], rows: Sequence[Row]) -> Iterator[Filter]:
    """Yield the filters that tell something apart."""
    sizes = [label for _, label in _SIZES]
    declared = any(row.model.trained_on is not None for row in rows)
    found = (
        ("task", "Task", [head.about["task"] for head in heads if "task" in head.about]),
        (
            "regime",
            "Regime",
            sorted({h.about["regime"] for h in heads if "regime" in h.about}, key=labels.regime_order),
        ),
        ("limit", "Images", sorted(head.about["limit"] for head in heads if "limit" in head.about)),
        ("origin", "Origin", [row.model.origin for row in rows]),
        ("size", "Size", sorted((row.size for row in rows), key=[*sizes, ""].index)),
        ("family", "Family", sorted((row.model.family or "" for row in rows), key=lambda name: (not name, name))),
        ("trained", "Training data", ["declared", "not declared", "undeclared"] if declared else []),
    )
    for key, label, values in found:
        if len(known := tuple(dict.fromkeys(values))) > 1:
            yield Filter(key, label, known)


def _remark(model: Model) -> str:
    return "measured here" if model.origin == "measured" else "published"


def _head(column: Column) -> Head:
    suffix = numbers.suffix(column.unit)
    guess = Record(column.metric, None, column.unit, chance=column.chance, commonest=column.commonest)
    lines = (
        ", ".join(part for part in ("" if column.task == "zero_shot" else column.task_label, column.setting) if part),
        ", ".join(part for part in (column.metric_label, suffix) if part),
        basis(Subject(n=column.n or 0, subset=column.limit or "")),
        *chances(guess),
    )
    return Head(
        column.slug,
        column.dataset,
        tuple(line for line in lines if line),
        column.regime,
        "set",
        "ascending" if column.higher_is_better is False else "descending",
        {"task": column.task_label, "regime": column.regime, "limit": "limited" if column.limit else "full"},
    )


def _number(data: SiteData, column: Column, cell: Cell) -> Number:
    states = {"b": "best", "c": "chance", "f": "flagged"}
    state = " ".join(name for mark, name in states.items() if mark in cell.marks)
    href = data.evidence_path(column, cell)
    if cell.value is None:
        return Number("failed" if "x" in cell.marks else "undefined", href, "why")
    seen = marks.SEEN if "s" in cell.marks else ""
    note = f"†{cell.footnote}" if cell.footnote else ""
    ends = numbers.ends(cell.low, cell.high, column.unit) if cell.job else ""
    return Number(f"{numbers.number(cell.value, column.unit)}{seen}{note}\n{ends}".rstrip(), href, state)
