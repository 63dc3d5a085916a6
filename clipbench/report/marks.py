"""What the marks of a leaderboard's cells mean, in pages and exports alike."""

from __future__ import annotations

from clipbench.report.columns import Cell
from clipbench.report.leaderboard import Leaderboard
from clipbench.report.text import numbers

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
