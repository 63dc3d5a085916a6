"""Unit vectors of stored features, with what is not a number reported by id."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clipbench.arrays import BoolArray, Float32Array, IntArray
from clipbench.errors import UserError


def unit_rows(features: Float32Array) -> tuple[Float32Array, BoolArray]:
    """Return (n, D) float32 rows of length 1, and which of them have no direction (NaN, infinite or all zero).

    Rows without a direction are returned as zeros.
    """
    rows = np.asarray(features, np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    usable = np.isfinite(lengths) & (lengths > 0)
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=usable), ~usable[:, 0]


def refuse_directionless(ids: Sequence[str], what: str, model: str) -> None:
    """Raise a UserError that tells how many features are not usable, and the first, if any ids are given."""
    if not ids:
        return
    problem = f"features that are NaN, infinite or all zero: {len(ids):,} of the {what}, the first {ids[0]!r}"
    raise UserError(problem, where=model, fix="try --precision float32; if that does not help, check the weights")


def distinct_rows(rows: Float32Array) -> tuple[Float32Array, IntArray]:
    """Return the distinct rows, in order of first appearance, and for each row which of them it is."""
    places: dict[bytes, int] = {}
    index = np.array([places.setdefault(row.tobytes(), len(places)) for row in rows], np.int64)
    first = np.unique(index, return_index=True)[1]
    return rows[first], index
