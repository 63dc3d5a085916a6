"""Ranks of the right answers in retrieval; a tie never counts in their favour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipbench.arrays import Float32Array, IntArray

_TILE = 1 << 22
"""Scores held at a time."""


@dataclass(frozen=True)
class RightAnswers:
    """Which gallery items are right for which query: P pairs, sorted by query, each query in at least one."""

    query: IntArray
    """(P,) row of the queries, ascending."""
    item: IntArray
    """(P,) row of the gallery."""
    copies: IntArray
    """(P,) how many of the entries that share this gallery row are right."""


def ranks_of_best(queries: Float32Array, gallery: Float32Array, copies: IntArray, right: RightAnswers) -> IntArray:
    """Return each query's rank: 1 + the wrong entries that score at least as high as its best right one.

    Args:
        queries: (Q, D) float32, L2-normalised.
        gallery: (G, D) float32, L2-normalised, no two rows equal.
        copies: (G,) how many entries of the gallery have this row.
        right: what is right.

    Scores are held for as many queries at a time as fit a tile of fixed size.
    """
    ranks = np.empty(len(queries), np.int64)
    shared = np.flatnonzero(copies > 1)
    rows = max(1, _TILE // len(gallery))
    for start in range(0, len(queries), rows):
        scores = queries[start : start + rows] @ gallery.T
        first, last = np.searchsorted(right.query, [start, start + len(scores)])
        owner = right.query[first:last] - start
        right_scores = scores[owner, right.item[first:last]]
        best = np.maximum.reduceat(right_scores, np.searchsorted(owner, np.arange(len(scores))))
        ahead = scores >= best[:, None]
        counts = np.count_nonzero(ahead, axis=1) + ahead[:, shared] @ (copies[shared] - 1)
        among_right = np.bincount(owner, (right_scores >= best[owner]) * right.copies[first:last], len(scores))
        ranks[start : start + rows] = 1 + counts - among_right.astype(np.int64)
    return ranks
