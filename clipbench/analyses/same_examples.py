"""Whether two per-example tables are about the same examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def same_examples(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    """Return whether two tables, indexed by id, hold the same examples in any order, with the same labels if both say.

    A table without examples, or with an id twice, is the same as none.
    """
    if not (len(first) == len(second) > 0 and first.index.is_unique and set(first.index) == set(second.index)):
        return False
    both = "label" in first and "label" in second
    return not both or bool((first["label"] == second.loc[first.index, "label"]).all())
