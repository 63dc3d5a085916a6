"""Whether a model became worse than it may, for continuous integration."""

from __future__ import annotations

from typing import Literal

import pandas as pd

from clipbench.stats.power import examples_needed

Judgement = Literal["worse", "undecided", "passed"]


def judge(comparison: pd.DataFrame, points: float) -> pd.DataFrame:
    """Return what `compare` made of a base and a new model with two more columns, judgement and n_to_decide.

    judgement: 'worse' where the second is worse by more than so many points and the interval excludes zero;
    'undecided' where the interval holds zero and a loss of so many points, or there is none; else 'passed', as between
    two numbers at chance. n_to_decide: of what is undecided, how many examples would show such a loss in 80 % of
    samples. A metric that is no fraction has points of its own unit.
    """
    judged = comparison.astype(object).where(comparison.notna(), None)
    rows = judged.to_dict("records")
    limits = [points / 100 if row["unit"] == "fraction" else points for row in rows]
    judgements = [
        "passed"
        if row["at_chance"]
        else _judgement(*_loss(row["difference"], row["low"], row["high"], row["higher_is_better"]), limit)
        for row, limit in zip(rows, limits, strict=True)
    ]
    critical = comparison.attrs["critical"]
    needed = [
        # No difference of accuracies is larger than the share of examples on which they differ.
        examples_needed(limit, max(row["spread"], limit), critical)
        if judgement == "undecided" and row["spread"] is not None
        else None
        for row, judgement, limit in zip(rows, judgements, limits, strict=True)
    ]
    return judged.assign(judgement=judgements, n_to_decide=pd.Series(needed, judged.index, dtype=object))


def _loss(
    difference: float | None, low: float | None, high: float | None, higher_is_better: bool
) -> tuple[float | None, float | None, float | None]:
    """Return how much the second loses, and the ends."""
    if difference is None or low is None or high is None:
        return None, None, None
    return (difference, low, high) if higher_is_better else (-difference, -high, -low)


def _judgement(loss: float | None, low: float | None, high: float | None, limit: float) -> Judgement:
    if loss is None or low is None or high is None:
        return "undecided"
    if low > 0:
        return "worse" if loss > limit else "passed"
    return "undecided" if high >= limit else "passed"
