"""A model's numbers beside the median of the other models, and beside what was to be expected of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from clipbench.report.sections.robustness.findings import all_at_chance
from clipbench.report.site.data import board
from clipbench.report.site.pages.base import SiteData, anchor
from clipbench.report.text import numbers
from clipbench.report.text.claims import Claim, chances
from clipbench.report.text.declared import as_shown
from clipbench.results.records import AnalysisResult, Record

_FIELD = 2
"""Other models from which on their median says more than their numbers."""

_NOT_COMPARED = frozenset("fx")

_MARKS = {
    "b": "among the best",
    "c": "not above chance",
    "s": "declared as training data",
}


@dataclass(frozen=True)
class Expectation:
    """What other models lead to expect of a number."""

    expected: Record
    reference: str
    """The data set that says how good the model is."""
    claim: Claim
    """The number minus what was expected."""


@dataclass(frozen=True)
class Row:
    """One number of the model."""

    column: board.Column
    cell: board.Cell
    page: str
    """Of its data set."""
    anchor: str
    """Of its evidence in this page."""
    median: float | None
    others: int
    """Models that the median is of."""
    expectation: Expectation | None
    marks: tuple[str, ...]

    @property
    def among_best(self) -> bool:
        """Whether no other is surely better, and some are surely worse than the best."""
        return "b" in self.cell.marks

    @property
    def about(self) -> str:
        """Task, where it is not zero-shot classification, setting and metric."""
        task = "" if self.column.task == "zero_shot" else self.column.task_label
        return ", ".join(part for part in (task, self.column.setting, self.column.metric_label) if part)

    @property
    def value(self) -> str:
        """As it is shown."""
        missing = "failed" if "x" in self.cell.marks else "undefined"
        return missing if self.cell.value is None else numbers.with_unit(self.cell.value, self.column.unit)

    @property
    def ends(self) -> str:
        """Of its interval."""
        return numbers.ends(self.cell.low, self.cell.high, self.column.unit)

    @property
    def difference(self) -> float | None:
        """From the median, of shares alone."""
        known = self.median is not None and self.cell.value is not None and self.column.unit == "fraction"
        return self.cell.value - self.median if known else None  # type: ignore[operator]

    @property
    def chance(self) -> str:
        """What guessing, and always answering with the commonest class, gives."""
        known = self.column
        guess, commonest = known.chance, known.commonest
        shown = [] if guess is None else [numbers.with_unit(guess, known.unit)]
        if commonest is not None and numbers.with_unit(commonest, known.unit) not in shown:
            shown += chances(Record(known.metric, None, known.unit, commonest=commonest))
        return ", ".join(shown)


class Field:
    """All models' numbers, arranged once for the pages of all models."""

    def __init__(self, data: SiteData) -> None:
        self._data = data
        self._footnotes = {note.number: note.text for note in data.board.footnotes}
        self._expected = _by_job(data.analyses)
        self._values = [self._compared(column) for column in data.board.columns]
        self._cells = [{cell.model: cell for cell in column.cells} for column in data.board.columns]

    def _compared(self, column: board.Column) -> Mapping[str, Sequence[tuple[int, float]]]:
        """Return by origin the models whose numbers may stand side by side."""
        found: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for cell in column.cells:
            if cell.value is not None and _NOT_COMPARED.isdisjoint(cell.marks):
                found[self._data.board.models[cell.model].origin].append((cell.model, cell.value))
        return found

    def rows(self, place: int) -> tuple[Row, ...]:
        """Return a model's numbers in the board's order; the measured are set beside measured ones alone."""
        found = zip(self._data.board.columns, self._cells, self._values, strict=True)
        return tuple(
            self._row(column, cells[place], values.get(self._data.board.models[place].origin, ()))
            for column, cells, values in found
            if place in cells
        )

    def _row(self, column: board.Column, cell: board.Cell, values: Sequence[tuple[int, float]]) -> Row:
        others = [value for model, value in values if model != cell.model]
        marks = [text for mark, text in _MARKS.items() if mark in cell.marks]
        marks += [f"not compared: {self._footnotes[cell.footnote]}"] if cell.footnote in self._footnotes else []
        return Row(
            column=column,
            cell=cell,
            page=self._data.dataset_path(column.dataset),
            anchor=anchor(column, cell),
            median=median(others) if len(others) >= _FIELD else None,
            others=len(others),
            expectation=self._expectation(column, cell) if cell.job else None,
            marks=tuple(marks),
        )

    def _expectation(self, column: board.Column, cell: board.Cell) -> Expectation | None:
        job = self._data.jobs[str(cell.job)]
        found = (
            _expectation(result, column.metric)
            for result in self._expected.get(job.hash, ())
            if (result.about.model, result.about.dataset) == (job.model, job.dataset)
        )
        return next((expectation for expectation in found if expectation), None)


def _by_job(analyses: Sequence[AnalysisResult]) -> Mapping[str, Sequence[AnalysisResult]]:
    """Return the results that say what to expect of one data set, by the jobs that they rest on."""
    found: dict[str, list[AnalysisResult]] = defaultdict(list)
    for kind in ("expectations", "robustness"):
        for result in analyses:
            if result.analysis == kind and result.status == "done" and not result.about.averaged:
                for job in result.jobs:
                    found[job].append(result)
    return found


def _expectation(result: AnalysisResult, metric: str) -> Expectation | None:
    expected = result.record(f"expected_{metric}")
    against = result.record("against_expectation") or result.record("effective_robustness")
    if not expected or not against:
        return None
    shift = result.analysis == "robustness"
    nothing = shift and all_at_chance(result, "reference_top1", "shift_top1")
    return Expectation(as_shown(result, expected), result.about.reference, Claim(against, nothing))
