"""The most similar training examples of each query, exactly, and how they vote."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clipbench.arrays import Float32Array, Float64Array, IntArray

if TYPE_CHECKING:
    from torch import Tensor


_QUERIES = 512
_ROWS = 1 << 15
"""Queries and gallery rows whose products are held at a time."""

_EXACT = 1 << 22
"""Float64 numbers held at a time."""

_PAIRS = 1 << 18
"""Float64 numbers of pairs of rows held at a time: few enough for a processor's cache."""

_SPARE = 16
"""Candidates beyond k, so that rounding can't keep a neighbour out."""

_ROUNDING = 4 * 2.0**-24
"""Times the square root of the width: float32 products that differ by less do not settle which row is nearer."""

_STEPS = 1 << 30
"""Steps of similarity from 0 to 1: float64 rounds finer than these, so equal rows are equally similar."""

_ROW_BITS = 32

_WORKING = 1 << 28
"""Bytes of tiles, keys and pairs together, with room to spare."""


@dataclass(frozen=True)
class Neighbours:
    """The k nearest gallery rows of n queries, the nearest first; for equally similar ones see `Gallery.nearest`."""

    rows: IntArray
    """(n, k)."""
    similarities: Float64Array
    """(n, k) cosines."""


@dataclass(frozen=True)
class Gallery:
    """Unit vectors that are searched, on the device that computes."""

    vectors: Tensor
    """(N, D) float32."""
    labels: Tensor
    """(N,)"""
    places: Tensor
    """(N,) which place each row has among equally similar ones: by label, then by row."""
    ordered: IntArray
    """(N,) the row of each place."""

    @classmethod
    def of(cls, vectors: Float32Array, labels: IntArray, device: str = "cpu") -> Gallery:
        """Make one of (N, D) float32 unit vectors, 0 < N < 2^31; MPS lacks float64, so there the CPU computes."""
        import torch

        ordered = np.argsort(labels, kind="stable")
        where = "cpu" if device.startswith("mps") else device
        rows, of_rows, places = (torch.as_tensor(part, device=where) for part in (vectors, labels, np.argsort(ordered)))
        return cls(rows, of_rows, places, ordered)

    def nearest(self, queries: Float32Array, true: IntArray, k: int) -> Neighbours:
        """Search every row for the k <= N nearest of each of (n, D) float32 unit vectors with (n,) true labels.

        Of equally similar rows those with the query's true label come last, the others by label, so that neither a tie
        nor the order of rows decides in favour of the truth. Candidates come from float32 products. Where these are
        too close to settle an order, they are computed again in float64, so that neither the sizes of chunks nor the
        places of rows decide. Besides the gallery, what is held does not grow with it.
        """
        import torch

        keys = np.empty((len(queries), k), np.int64)
        for start in range(0, len(queries), _QUERIES):
            batch = torch.as_tensor(queries[start : start + _QUERIES], device=self.vectors.device)
            own = torch.as_tensor(true[start : start + _QUERIES], device=self.vectors.device)
            keys[start : start + _QUERIES] = self._nearest_keys(batch, own, k).cpu().numpy()
        place = ((1 << _ROW_BITS) - 1 - (keys & ((1 << _ROW_BITS) - 1))) % len(self.vectors)
        return Neighbours(self.ordered[place], (keys >> _ROW_BITS) / _STEPS)

    def _nearest_keys(self, queries: Tensor, own: Tensor, k: int) -> Tensor:
        products, rows = self._candidates(queries, min(k + _SPARE, len(self.vectors)))
        close = products[:, :-1] - products[:, 1:] < _ROUNDING * math.sqrt(queries.shape[1])
        settled = (~close[:, k - 1 :]).any(dim=1) | (rows.shape[1] == len(self.vectors))
        unclear = products.new_zeros(products.shape, dtype=close.dtype)
        unclear[:, :-1] |= close
        unclear[:, 1:] |= close
        query, place = (unclear & settled[:, None]).nonzero(as_tuple=True)
        similarities = products.double()
        size = max(1, _PAIRS // queries.shape[1])
        for start in range(0, len(query), size):
            cells = query[start : start + size], place[start : start + size]
            pairs = queries[cells[0]].double() * self.vectors[rows[cells]].double()
            similarities[cells] = pairs.sum(dim=1)
        keys = self._keys(similarities, rows, own).sort(dim=1, descending=True).values[:, :k]
        if not bool(settled.all()):
            keys[~settled] = self._exhaustive_keys(queries[~settled], own[~settled], k)
        return keys

    def _candidates(self, queries: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Return the (n, count) largest float32 products, descending, and their rows."""
        import torch

        best: tuple[Tensor, Tensor] | None = None
        for start in range(0, len(self.vectors), _ROWS):
            products = queries @ self.vectors[start : start + _ROWS].T
            values, rows = products.topk(min(count, products.shape[1]), dim=1)
            rows = rows + start
            if best is not None:
                joined, places = torch.cat([best[0], values], dim=1), torch.cat([best[1], rows], dim=1)
                values, order = joined.topk(min(count, joined.shape[1]), dim=1)
                rows = places.gather(1, order)
            best = values, rows
        assert best is not None
        return best

    def _exhaustive_keys(self, queries: Tensor, own: Tensor, k: int) -> Tensor:
        """Return the keys of queries with more rows about as similar as the k-th than there are spare candidates."""
        import torch

        exact = queries.double().T
        size = max(1, _EXACT // max(queries.shape[0], queries.shape[1]))
        best = torch.empty((len(queries), 0), dtype=torch.int64, device=queries.device)
        for start in range(0, len(self.vectors), size):
            similarities = (self.vectors[start : start + size].double() @ exact).T
            rows = torch.arange(start, start + similarities.shape[1], device=queries.device)
            joined = torch.cat([best, self._keys(similarities, rows, own)], dim=1)
            best = joined.topk(min(k, joined.shape[1]), dim=1).values
        return best

    def _keys(self, similarities: Tensor, rows: Tensor, own: Tensor) -> Tensor:
        """Return int64 keys, no two of a query equal, that are larger for what is nearer or, of equals, comes first."""
        steps = (similarities * _STEPS).round().long()
        order = self.places[rows] + len(self.vectors) * (self.labels[rows] == own[:, None])
        return (steps << _ROW_BITS) + ((1 << _ROW_BITS) - 1 - order)


def search_memory(rows: int, width: int) -> int:
    """Return the bytes that a search among `rows` vectors holds at once."""
    return 4 * rows * width + _WORKING


def log_votes(labels: IntArray, similarities: Float64Array, classes: int, temperature: float | None) -> Float32Array:
    """Return (n, C) logarithms of the votes for each class, less a constant of each query; -inf without a vote.

    Each of (n, k) neighbours votes for its label with exp(similarity / temperature), or with 1. The softmax is the
    share of the votes.

    Source: Wu et al. 2018 (arXiv 1805.01978), section 3.4.
    """
    n = len(labels)
    cells = labels + classes * np.arange(n)[:, None]
    nearest = np.full(n * classes, -np.inf)
    if temperature is None:
        counts = np.bincount(cells.ravel(), minlength=n * classes)
        return np.log(counts, out=nearest, where=counts > 0).reshape(n, classes).astype(np.float32)
    powers = (similarities - similarities.max(axis=1, keepdims=True)) / temperature
    np.maximum.at(nearest, cells, powers)
    # Relative to the nearest of its class no sum is zero, however far that is and however low the temperature.
    weights = np.exp(powers - nearest[cells])
    sums = np.bincount(cells.ravel(), weights.ravel(), minlength=n * classes)
    nearest += np.log(sums, out=np.zeros_like(sums), where=sums > 0)
    return nearest.reshape(n, classes).astype(np.float32)
