"""Which models change places with the wording: a matrix of models by models, as a table whose shade is the share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clipbench.report.text import numbers
from clipbench.report.text.labels import short_names
from clipbench.results.records import AnalysisResult
from clipbench.stats.significance import ALPHA

NUMBERED = 20
"""With more models than that a cell has no room for its number."""

MOST = 40
"""Models that the matrix has; of more the best ones are shown."""

Row = Mapping[str, Any]

_LABEL = 26

_FEWEST = 3
"""With fewer there is one number, which the table of findings has."""

_EVEN = 0.5
"""Share at which either model is ahead as often, so that a cell has its full shade."""


@dataclass(frozen=True)
class FlipCell:
    """One pair of models."""

    text: str = ""
    """'' on the diagonal."""
    shade: float = 0.0
    """In [0, 1]."""
    hover: str = ""
    """What a pointer is shown."""
    firm: bool = False
    """Whether one model is ahead with every template, significantly so with the first."""


@dataclass(frozen=True)
class FlipMatrix:
    """How often each two models change places between two templates."""

    models: tuple[tuple[str, str], ...]
    """Each with its name cut to fit; best first."""
    rows: tuple[tuple[FlipCell, ...], ...]
    """(M, M)."""
    sentence: str
    """Which two change places the most, and how many never do."""
    left_out: int

    @property
    def numbered(self) -> bool:
        """Whether cells have room for their numbers."""
        return len(self.models) <= NUMBERED


def matrix(result: AnalysisResult) -> FlipMatrix | None:
    """Set out a result's table `rank_flips`; None where it has none, or fewer than three models."""
    rows = result.tables["rank_flips"].dicts() if "rank_flips" in result.tables else ()
    pairs = {(str(row["first"]), str(row["second"])): row for row in rows}
    # Every pair stands in the models' order, so that the last model is the second one of all its pairs.
    models = tuple(dict.fromkeys(name for pair in pairs for name in pair))
    if len(models) < _FEWEST:
        return None
    shown, short = models[:MOST], short_names(models, _LABEL)
    cells = tuple(tuple(_cell(pairs, model, other, short) for other in shown) for model in shown)
    sentence = _sentence(rows, short)
    return FlipMatrix(tuple((model, short[model]) for model in shown), cells, sentence, len(models) - len(shown))


def _cell(pairs: Mapping[tuple[str, str], Row], model: str, other: str, short: Mapping[str, str]) -> FlipCell:
    row = pairs.get((model, other)) or pairs.get((other, model))
    if row is None:
        return FlipCell("" if model == other else numbers.MISSING)
    share = row["flip_share"]
    firm = row["survives"] == "yes" and row["p_holm"] < ALPHA
    return FlipCell(numbers.number(share), min(share / _EVEN, 1.0), _hover(row, short), firm)


def _hover(row: Row, short: Mapping[str, str]) -> str:
    first, second = (f"{short[str(row[name])]} ahead with {row[f'{name}_ahead']}" for name in ("first", "second"))
    significant = f"significantly ahead with {row['first_significant']} and {row['second_significant']}"
    share = numbers.with_unit(row["flip_share"])
    return f"{share}: {first} templates, {second}, equal with {row['ties']}; {significant}"


def _sentence(rows: Sequence[Row], short: Mapping[str, str]) -> str:
    most, pairs = max(rows, key=lambda row: row["flip_share"]), numbers.count(len(rows))
    if most["flip_share"] == 0:
        return f"None of {pairs} pairs changes places."
    first, second = (short[str(most[name])] for name in ("first", "second"))
    never = sum(row["flip_share"] == 0 for row in rows)
    share, changes = numbers.with_unit(most["flip_share"]), "changes" if never == 1 else "change"
    return f"Most often {first} and {second}: {share}; {numbers.count(never)} of {pairs} pairs never {changes} places."
