"""How a metric and a table are shown: declared once by what measures them, read by every page, terminal and export."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class MetricSpec:
    """One metric, or a family of metrics such as `recall_at_{k}`."""

    name: str
    """As in the records; a family has its varying parts in braces, e.g. 'top1_at_k_{k}'."""
    label: str
    """For headings; a family's braces are filled in, e.g. 'R@{k}'."""
    unit: str = "fraction"
    """How values are shown: 'fraction' as a percentage, 'difference' of two fractions in points with its sign, 'gap' in
    points without one, 'rank', 'tau', 'kappa', 'logit', or any word that is to stand behind the number."""
    higher_is_better: bool | None = True
    """None: neither end is better, so that no value is the best one."""
    definition: str = ""
    """What it is, in a sentence."""
    source: str = ""
    """Where the definition is from."""
    per_example: str = ""
    """The column of the per-example table whose mean it is, braces filled in, so that models can be compared example by
    example; 'NAME.*' is the mean of several such columns, one for each random draw. '': there is none."""
    within: str = ""
    """A column of that table within each of whose values the mean is taken first, e.g. 'label'; then over these."""

    def match(self, name: str) -> MetricSpec | None:
        """Return the spec of this name: this one, or a family's with its braces filled in; None if it is another."""
        if name == self.name:
            return self
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+)", re.escape(self.name))
        found = re.fullmatch(pattern, name)
        if found is None:
            return None
        filled = {part: getattr(self, part).format(**found.groupdict()) for part in ("label", "per_example")}
        return replace(self, name=name, **filled)


@dataclass(frozen=True)
class ColumnSpec:
    """One column of a table."""

    name: str
    label: str = ""
    """Its heading; by default the name with spaces."""
    unit: str = ""
    """As a metric's; also 'count', 'p' (of a test), 'number', and '' for text."""
    low: str = ""
    """The column with the lower end of its interval, which then stands beside the value."""
    high: str = ""

    @property
    def heading(self) -> str:
        """Its heading."""
        return self.label or self.name.replace("_", " ")


@dataclass(frozen=True)
class CurveSpec:
    """A line through the rows of a table."""

    x: str
    y: str
    log_x: bool = False
    second: str = ""
    """A column that makes a dashed line beside it."""
    second_label: str = ""
    chosen: str = ""
    """A column of truth values: the rows that are ringed."""
    chosen_param: tuple[str, str] = ("", "")
    """Where the table has no such column: a metric and its parameter; the row whose x is its value is ringed."""
    chosen_label: str = ""
    """What the ring says, e.g. 'best on validation data'."""
    open_ended: bool = False
    """Whether a better row may lie beyond the ends of x, so that a choice at an end is flagged."""
    hollow_unless: str = ""
    """A column of truth values: points where it is false are hollow."""
    legend: str = ""
    """What the line is; by default the label of y."""


@dataclass(frozen=True)
class TableSpec:
    """One table."""

    name: str
    caption: str
    columns: tuple[ColumnSpec, ...]
    """Those that are shown, in order; the others of the table are for readers of the results folder."""
    largest_by: str = ""
    """A column of numbers: a long table shows the rows with the largest of it."""
    curve: CurveSpec | None = None
    definition: str = ""
    """What a reader must know of it, in a sentence."""

    def column(self, name: str) -> ColumnSpec | None:
        """Return the spec of a column; None if it is not shown."""
        return next((column for column in self.columns if column.name == name), None)

    def frame(self, rows: Iterable[Sequence[Any]]) -> pd.DataFrame:
        """Return rows as a table of these columns, each followed by those of its interval's ends."""
        import pandas as pd

        names = [name for column in self.columns for name in (column.name, column.low, column.high) if name]
        return pd.DataFrame(rows, columns=names)


@dataclass(frozen=True)
class Declared:
    """What a task or an analysis says of how it is shown."""

    label: str = ""
    """What a reader calls it; '' where it has no other name than its own."""
    metrics: tuple[MetricSpec, ...] = ()
    tables: tuple[TableSpec, ...] = ()
    measures_prompts: bool = False
    """Whether a task's numbers are about the prompts, so that other prompts are another measurement."""

    @classmethod
    def by(cls, task_or_analysis: object) -> Declared:
        """Gather the declarations of a task or an analysis, as far as it has any."""
        names = ("label", "metrics", "tables", "measures_prompts")
        return cls(**{name: getattr(task_or_analysis, name) for name in names if hasattr(task_or_analysis, name)})

    def metric(self, name: str) -> MetricSpec:
        """Return the spec of a metric; one that nobody declared is shown by its name, as a plain number."""
        found = (match for spec in self.metrics if (match := spec.match(name)))
        return next(found, MetricSpec(name, name.replace("_", " "), unit="", higher_is_better=None))

    def table(self, name: str) -> TableSpec | None:
        """Return the spec of a table; None where nobody declared it."""
        return next((spec for spec in self.tables if spec.name == name), None)
