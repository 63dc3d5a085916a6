"""The section 'Error consistency': whether models are right and wrong about the same images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from clipbench.report.figures.matrix import NUMBERED, Matrix, MatrixCell, make_matrix, short_model_names
from clipbench.report.grids import Grid, of_result
from clipbench.report.measured import Outcomes, conditions, outcomes
from clipbench.report.sections.base import PageData
from clipbench.report.text import labels, numbers
from clipbench.report.text.claims import basis
from clipbench.results.records import AnalysisResult, Record

Row = Mapping[str, Any]

_FEWEST = 3
"""With fewer models there is one kappa, which the sentence has."""


@dataclass(frozen=True)
class Consistency:
    """The models on one data set."""

    result: AnalysisResult
    condition: str
    mean: Record
    basis: str
    """What it rests on."""
    pairs: int
    matrix: Matrix | None
    tables: tuple[Grid, ...]


@dataclass(frozen=True)
class Consistencies:
    """All data sets; there are no figures."""

    parts: tuple[Consistency, ...]
    outcomes: Outcomes


class ErrorConsistencySection:
    """A matrix of models by models for each data set."""

    name: ClassVar[str] = "error_consistency"
    title: ClassVar[str] = "Error consistency"
    order: ClassVar[int] = 35
    analyses: ClassVar[tuple[str, ...]] = ("error_consistency",)
    template: ClassVar[str] = "error_consistency.html.j2"

    def show(self, data: PageData, figures: int) -> Consistencies | None:
        """Set out the results by data set, models in the leaderboard's order."""
        results = data.results_of(*self.analyses)
        if not results:
            return None
        by_outcome, words = outcomes(results), conditions(results)
        by_dataset = sorted(by_outcome.measured, key=lambda result: labels.natural(result.about.dataset))
        return Consistencies(tuple(_part(result, words[result.hash], data.rank) for result in by_dataset), by_outcome)


def _part(result: AnalysisResult, condition: str, rank: Mapping[str, int]) -> Consistency:
    models = sorted(result.about.models, key=lambda model: (rank.get(model, len(rank)), model))
    rows = [row for row in result.tables["error_consistency"].dicts() if row["kappa"] is not None]
    matrix = _matrix(models, rows) if len(models) >= _FEWEST else None
    return Consistency(result, condition, result.records[0], basis(result.about), len(rows), matrix, of_result(result))


def _matrix(models: Sequence[str], rows: Sequence[Row]) -> Matrix:
    pairs, short = {frozenset((row["first"], row["second"])): row for row in rows}, short_model_names(models)
    most, least = (max(rows, key=lambda row: sign * row["kappa"]) for sign in (1, -1))
    sentence = f"Largest kappa: {_names(most, short)}; smallest: {_names(least, short)}."
    counted = len(models) <= NUMBERED
    return make_matrix(models, lambda *pair: _cell(pairs.get(frozenset(pair)), short, counted), sentence)


def _names(row: Row, short: Mapping[str, str]) -> str:
    return f"{short[row['first']]} and {short[row['second']]} ({numbers.number(row['kappa'], 'kappa')})"


def _cell(row: Row | None, short: Mapping[str, str], counted: bool) -> MatrixCell:
    """Set out a pair; of very many models without the counts behind it."""
    if row is None:
        return MatrixCell(numbers.MISSING)
    kappa, ends = numbers.number(row["kappa"], "kappa"), numbers.ends(row["low"], row["high"], "kappa")
    if not counted:
        return MatrixCell(kappa, max(0.0, row["kappa"]), f"{kappa} {ends}".rstrip())
    words = {"both_right": "both right", "both_wrong": "both wrong"}
    words |= {f"only_{name}": f"only {short[row[name]]} right" for name in ("first", "second")}
    counts = ", ".join(f"{what} {numbers.count(row[name])}" for name, what in words.items())
    hover = f"{kappa} {ends} of {numbers.count(row['n'])} images: {counts}"
    return MatrixCell(kappa, max(0.0, row["kappa"]), hover)
