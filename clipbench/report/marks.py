"""What the marks of a leaderboard's cells mean, in pages and exports alike."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from clipbench.report.columns import Cell, Column
from clipbench.report.leaderboard import STANDINGS, Leaderboard
from clipbench.report.text import numbers
from clipbench.results.records import AnalysisResult

BEST, CHANCE, SEEN = "•", "○", "‡"

_NAMED = 4
"""Up to so many data sets are named."""


def marks_of(cell: Cell) -> str:
    """Return the marks of a cell in a text: 'best or not distinguishable', 'not above chance', 'seen in training'."""
    known = ((BEST, cell.best), (CHANCE, cell.at_chance), (SEEN, cell.seen_in_training))
    return "".join(mark for mark, holds in known if holds)


def explanations(board: Leaderboard) -> dict[str, str]:
    """Return what the marks that a leaderboard has mean, by mark."""
    meaning = {
        BEST: best(board),
        CHANCE: "not above chance: its interval does not lie above what guessing, or always answering with the "
        "commonest class, gives.",
        SEEN: "the model declares this data set's training images among its training data, so that its number says "
        "less of other images.",
    }
    used = {mark for column in board.columns for cell in column.cells.values() for mark in marks_of(cell)}
    return {mark: text for mark, text in meaning.items() if mark in used}


def best(board: Leaderboard) -> str:
    """Return how the best of each column were found."""
    paired, unpaired = "paired tests on the same images", "the models' own intervals, as if of other images each"
    few = ", ".join(board.unpaired) if len(board.unpaired) <= _NAMED else f"{len(board.unpaired)} tasks and data sets"
    how = unpaired if not board.paired else f"{paired}, of {few} by {unpaired}" if board.unpaired else paired
    pairs = f"{numbers.count(board.family)} comparisons of pairs hold" if board.family > 1 else "one comparison holds"
    return (
        f"the best of its column, or not distinguishable from it, by {how}. The board's {pairs} "
        f"{'together ' if board.family > 1 else ''}at 95 %{' (Bonferroni)' if board.family > 1 else ''}."
    )


def compared_jobs(analyses: Sequence[AnalysisResult]) -> frozenset[str]:
    """Return the jobs of which it is known whether others of their column are surely better."""
    return frozenset(job for result in analyses if result.analysis == STANDINGS for job in result.jobs)


def is_tied(column: Column, compared: Collection[str]) -> bool | None:
    """Return whether no single model of a column is the best; None where they were not compared."""
    ranked = [cell for cell in column.cells.values() if cell.footnote is None and cell.value is not None]
    if len(ranked) < 2 or column.spec.higher_is_better is None or any(cell.job.hash not in compared for cell in ranked):
        return None
    return sum(cell.best for cell in ranked) != 1
