"""Which models change places with the wording, as a matrix whose shade is the share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clipbench.report.figures.matrix import Matrix, MatrixCell, make_matrix, short_model_names
from clipbench.report.text import numbers
from clipbench.results.records import AnalysisResult
from clipbench.stats.significance import ALPHA

Row = Mapping[str, Any]

_FEWEST = 3
"""With fewer models there is one number, which the table of findings has."""

_EVEN = 0.5
"""Share at which either model is ahead as often, so that a cell has its full shade."""


def matrix(result: AnalysisResult) -> Matrix | None:
    """Set out a result's table `rank_flips`, best model first; None where it has none, or fewer than three models.

    Bold are pairs of which one model is ahead with every template, significantly so with the first.
    """
    rows = result.tables["rank_flips"].dicts() if "rank_flips" in result.tables else ()
    pairs = {(str(row["first"]), str(row["second"])): row for row in rows}
    # Every pair stands in the models' order, so that the last model is the second one of all its pairs.
    models = tuple(dict.fromkeys(name for pair in pairs for name in pair))
    if len(models) < _FEWEST:
        return None
    short = short_model_names(models)
    return make_matrix(
        models,
        lambda model, other: _cell(pairs.get((model, other)) or pairs[other, model], short),
        _sentence(rows, short),
    )


def _cell(row: Row, short: Mapping[str, str]) -> MatrixCell:
    share = row["flip_share"]
    firm = row["survives"] == "yes" and row["p_holm"] < ALPHA
    first, second = (f"{short[str(row[name])]} ahead with {row[f'{name}_ahead']}" for name in ("first", "second"))
    significant = f"significantly ahead with {row['first_significant']} and {row['second_significant']}"
    hover = f"{numbers.with_unit(share)}: {first} templates, {second}, equal with {row['ties']}; {significant}"
    return MatrixCell(numbers.number(share), min(share / _EVEN, 1.0), hover, firm)


def _sentence(rows: Sequence[Row], short: Mapping[str, str]) -> str:
    most, pairs = max(rows, key=lambda row: row["flip_share"]), numbers.count(len(rows))
    if most["flip_share"] == 0:
        return f"None of {pairs} pairs changes places."
    first, second = (short[str(most[name])] for name in ("first", "second"))
    never = sum(row["flip_share"] == 0 for row in rows)
    share, changes = numbers.with_unit(most["flip_share"]), "changes" if never == 1 else "change"
    return f"Most often {first} and {second}: {share}; {numbers.count(never)} of {pairs} pairs never {changes} places."
