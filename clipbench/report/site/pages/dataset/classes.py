"""Classes by models: how many images of each class are right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any

from clipbench.report.figures.matrix import short_model_names
from clipbench.report.site.data.names import without_paths
from clipbench.report.site.pages.dataset.source import MeasuredColumn
from clipbench.report.tables import to_csv

CLASSES, MODELS = 60, 12
"""As many are shown, the worst classes and the first models of the board; all of them are in a file."""

_MEASURES = {"accuracy": "recall", "average_precision": "average precision"}


@dataclass(frozen=True)
class Class:
    """One class."""

    name: str
    n: int
    mean: float
    """Over the models."""
    shares: tuple[float | None, ...]
    """Of each model."""


@dataclass(frozen=True)
class Classes:
    """Classes by models, the lowest mean first."""

    column: MeasuredColumn
    measure: str
    places: tuple[int, ...]
    """Of the models in the board."""
    classes: tuple[Class, ...]

    @property
    def at_chance(self) -> tuple[str, ...]:
        """Models that are left out, since they are not above chance."""
        return self.column.at_chance

    @property
    def cut(self) -> bool:
        """Whether there are more than a page shows."""
        return len(self.classes) > CLASSES or len(self.places) > MODELS

    @property
    def shown(self) -> tuple[Class, ...]:
        """The worst classes."""
        return self.classes[:CLASSES]

    @property
    def models(self) -> list[tuple[str, str, str]]:
        """Names of the models that are shown, these cut to fit, and links to their evidence."""
        names, links = self.column.names, self.column.links
        short = short_model_names([names[place] for place in self.places])
        return [(names[place], short[names[place]], links[place]) for place in self.places[:MODELS]]

    def csv(self) -> bytes:
        """Return all classes and models as a table."""
        import pandas as pd

        names = [without_paths(self.column.names[place]) for place in self.places]
        rows = [(without_paths(found.name), found.n, *found.shares) for found in self.classes]
        frame = pd.DataFrame(rows, columns=["class", "n", *names]).set_index("class")
        return to_csv(frame.round(4)).encode(errors="replace")


def classes_of(columns: Sequence[MeasuredColumn]) -> Classes | None:
    """Set out the classes of the first column with models above chance that have any; None where there is none."""
    for column in columns:
        tables = {place: cell.job.tables.get("per_class") for place, cell in column.above_chance.items()}
        measure = next((name for table in tables.values() if table for name in _MEASURES if name in table.columns), "")
        known = {place: table.dicts() for place, table in tables.items() if table and measure in table.columns}
        if known:
            # Two classes may have one name, as in ImageNet, so they go by their order, which is that of the labels.
            length = len(next(iter(known.values())))
            alike = {place: rows for place, rows in known.items() if len(rows) == length}
            found = [row for rows in zip(*alike.values(), strict=True) if (row := _class(rows, measure))]
            return Classes(column, _MEASURES[measure], tuple(alike), tuple(sorted(found, key=lambda row: row.mean)))
    return None


def _class(rows: Sequence[Mapping[str, Any]], measure: str) -> Class | None:
    """Return what models make of a class by their tables' rows; None of one without images."""
    shares = tuple(row.get(measure) for row in rows)
    known = [share for share in shares if share is not None]
    return Class(str(rows[0]["class"]), int(rows[0]["n"]), fsum(known) / len(known), shares) if known else None
