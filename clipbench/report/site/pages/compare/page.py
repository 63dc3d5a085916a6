"""Two models side by side, and all pairs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, groupby
from typing import Any, ClassVar

from clipbench.report.figures.matrix import NUMBERED, Matrix, MatrixCell, make_matrix, short_model_names
from clipbench.report.site.data.files import script
from clipbench.report.site.data.names import without_paths
from clipbench.report.site.data.pairs import Comparison, Difference, Outcome, comparisons, document
from clipbench.report.site.pages.base import DataFile, Document, SiteData
from clipbench.report.site.pages.compare import pictures, wordings
from clipbench.report.text import labels, numbers

_SAYS: Mapping[int, Mapping[Outcome, str]] = {
    sign: {
        "higher": f"{('A', 'B')[sign < 0]} is {word}",
        "lower": f"{('B', 'A')[sign < 0]} is {word}",
        "not_distinguishable": "cannot be told apart",
        "chance": "neither is above chance",
        "undefined": "no interval would cover",
    }
    for sign, word in ((1, "better"), (-1, "better"), (0, "higher"))
}
"""What is said of A and B, by which end is better."""


@dataclass(frozen=True)
class Row:
    """One measurement, with what it says of the two models that the page shows first."""

    comparison: Comparison
    of: str
    """What it is on: a data set, or how many."""
    remarks: tuple[str, ...]
    path: str
    """Of the data set's page; '' of a mean."""
    difference: Difference | None
    evidence: tuple[str, str]
    """Where the two values have their evidence; '' of a mean."""

    @property
    def says(self) -> Mapping[Outcome, str]:
        """The words for each outcome."""
        return _SAYS[self.comparison.better]


@dataclass(frozen=True)
class Group:
    """Measurements of one task and regime, or the means."""

    title: str
    rows: tuple[Row, ...]

    @property
    def shown(self) -> bool:
        """Whether the two models share one of them."""
        return any(row.difference for row in self.rows)


@dataclass(frozen=True)
class Content:
    """What the template shows."""

    pair: tuple[int, int]
    """Places of the two models that it shows first."""
    models: tuple[int, ...]
    """Places of all that share a measurement with another."""
    groups: tuple[Group, ...]
    matrix: Matrix
    choices: tuple[tuple[Comparison, str], ...]
    """What the matrix may show, each with its name."""
    family: int
    """The most intervals that hold together."""
    pictures: Sequence[Mapping[str, Any]]
    wordings: Sequence[Mapping[str, Any]]
    most: int
    """Images of a data set that may be shown."""
    given: Mapping[str, Any]
    """To the script."""

    @property
    def counts(self) -> Mapping[str, int]:
        """How many measurements say what of the first two models; means are none."""
        outcomes = [
            (row.difference.outcome, row.comparison.better)
            for group in self.groups
            for row in group.rows
            if row.difference and row.path
        ]
        ahead = [{"higher": 1, "lower": -1}.get(outcome, 0) * better for outcome, better in outcomes]
        return {"n": len(ahead), "a": ahead.count(1), "b": ahead.count(-1), "neither": ahead.count(0)}

    def limit(self, unit: str) -> float:
        """Return how far the first two models' intervals in a unit reach from zero."""
        ends = [
            abs(end)
            for group in self.groups
            for row in group.rows
            if row.difference and row.comparison.column.unit == unit
            for end in (row.difference.value, row.difference.low, row.difference.high)
            if end is not None
        ]
        return max(ends, default=0.0)


class ComparePage:
    """Two models side by side, and all pairs."""

    name: ClassVar[str] = "compare"
    label: ClassVar[str] = "Compare"

    def documents(self, data: SiteData) -> Iterable[Document | DataFile]:
        """Return the page and its data; nothing without two models that were measured on the same examples."""
        found = comparisons(data.here)
        if not found:
            return ()
        shown, orders = pictures.disagreements(data, found), wordings.orders(data)
        held = {
            "pairs": document(data.here, found),
            "pictures": shown,
            "wordings": orders,
        }
        files = [
            DataFile(f"data/{name}.js", partial(script, f"clipbench{name.capitalize()}", without_paths(value)))
            for name, value in held.items()
            if value
        ]
        content = partial(_content, data, found, shown, orders)
        return (Document("compare.html", "Compare", content, tuple(file.path for file in files)), *files)


def _content(
    data: SiteData,
    found: Sequence[Comparison],
    shown: Sequence[Mapping[str, Any]],
    orders: Sequence[Mapping[str, Any]],
) -> Content:
    first, names = _most_telling(found), [model.name for model in data.here.models]
    pair = _first_pair(found)
    rows = [_row(data, comparison, pair) for comparison in found]
    groups = tuple(Group(title, tuple(members)) for title, members in groupby(rows, _title))
    choices = sorted(found, key=lambda comparison: comparison is not first)
    return Content(
        pair=pair,
        models=tuple(sorted({place for comparison in found for place in comparison.models})),
        groups=groups,
        matrix=_matrix(data, first),
        choices=tuple((comparison, _what(comparison)) for comparison in choices),
        family=max(comparison.family for comparison in found),
        pictures=shown,
        wordings=orders,
        most=pictures.MOST,
        given={
            "says": {str(sign): words for sign, words in _SAYS.items()},
            "numbered": NUMBERED,
            "short": [short_model_names(names)[name] for name in names],
        },
    )


def _most_telling(found: Sequence[Comparison]) -> Comparison:
    """Return the one of most models; of these one of the board's first task and regime, a mean before a set."""
    board_first = (found[0].column.task, found[0].column.regime)

    def key(comparison: Comparison) -> tuple[int, bool, bool]:
        about = (comparison.column.task, comparison.column.regime)
        return len(comparison.models), about == board_first, len(comparison.datasets) > 1

    return max(found, key=key)


def _first_pair(found: Sequence[Comparison]) -> tuple[int, int]:
    """Return the first two models of the board that share a measurement."""
    return min(pair for comparison in found for pair in combinations(sorted(comparison.models), 2))


def _title(row: Row) -> str:
    column = row.comparison.column
    if not row.path:
        return "Means over data sets"
    return ", ".join(part for part in (labels.capitalised(column.task_label), column.regime) if part)


def _row(data: SiteData, comparison: Comparison, pair: tuple[int, int]) -> Row:
    column, mean = comparison.column, len(comparison.datasets) > 1
    about = (column.task_label, column.setting) if mean else (column.setting,)
    floor = column.chance if column.chance is not None and not mean else None
    told = (
        *about,
        comparison.metric_label,
        f"n = {numbers.count(comparison.n)}",
        comparison.subset,
        f"chance {numbers.with_unit(floor, column.unit)}" if floor is not None else "",
        ", ".join(comparison.datasets) if mean else "",
    )
    return Row(
        comparison=comparison,
        of=labels.sets(len(comparison.datasets), column.regime) if mean else comparison.datasets[0],
        remarks=tuple(part for part in told if part),
        path="" if mean else data.dataset_path(column.dataset),
        difference=comparison.between(*pair),
        evidence=(_evidence(data, comparison, pair[0]), _evidence(data, comparison, pair[1])),
    )


def _evidence(data: SiteData, comparison: Comparison, place: int) -> str:
    cell = next((cell for cell in comparison.column.cells if cell.model == place), None)
    return data.evidence_path(comparison.column, cell) if cell and len(comparison.datasets) == 1 else ""


def _what(comparison: Comparison) -> str:
    """Return what a comparison is of, in words: 'cifar10, zero-shot, prompts own, top-1; n = 10,000'."""
    column, several = comparison.column, len(comparison.datasets)
    on = f"mean over {labels.sets(several, column.regime)}" if several > 1 else comparison.datasets[0]
    parts = (on, column.task_label, column.setting, comparison.metric_label)
    basis = (f"n = {numbers.count(comparison.n)}", comparison.subset)
    return "; ".join(", ".join(part for part in some if part) for some in (parts, basis))


def _matrix(data: SiteData, comparison: Comparison) -> Matrix:
    """Set out all pairs of one measurement, the best model first."""
    names = {data.board.models[place].name: place for place in comparison.merit}
    differences = {
        (one, other): comparison.between(names[one], names[other]) for one in names for other in names if one != other
    }
    most = max((abs(known.value) for known in differences.values() if known), default=0.0) or 1.0
    unit = "difference" if comparison.column.unit == "fraction" else comparison.column.unit

    def cell(model: str, other: str) -> MatrixCell:
        known = differences[model, other]
        assert known is not None
        text, ends = numbers.number(known.value, unit), numbers.ends(known.low, known.high, unit)
        firm = known.outcome in ("higher", "lower")
        return MatrixCell(text, abs(known.value) / most, f"{text} {ends}".rstrip(), firm)

    return make_matrix(list(names), cell, f"Shown: {_what(comparison)}.")
