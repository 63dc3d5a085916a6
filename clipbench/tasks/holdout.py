"""Examples chosen by a hash of their ids: the same ones whatever their order, other files or other labels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from clipbench.arrays import IntArray


def shuffled_by_id(ids: Sequence[str], seed: int) -> IntArray:
    """Return (n,) places in an order that depends on the ids and the seed alone."""
    salt = f"{seed}/".encode()
    digests = [hashlib.sha256(salt + example_id.encode()).digest()[:16] for example_id in ids]
    return np.array(sorted(range(len(ids)), key=digests.__getitem__), np.int64)


def shuffled_by_class(ids: Sequence[str], labels: IntArray, seed: int) -> tuple[IntArray, IntArray]:
    """Return (n,) places class by class, each class in an order by ids and seed, and their (n,) ranks in the class."""
    order = shuffled_by_id(ids, seed)
    places = order[np.argsort(labels[order], kind="stable")]
    ordered = labels[places]
    return places, np.arange(len(ordered)) - np.searchsorted(ordered, ordered)


def first_of_each_class(ids: Sequence[str], labels: IntArray, count: int, seed: int) -> IntArray:
    """Return the places of `count` examples of each class, or of all where a class has fewer, in ascending order.

    Sets of one seed are nested: those of 2 a class are among those of 4.
    """
    places, rank = shuffled_by_class(ids, labels, seed)
    return np.sort(places[rank < count])


def stratified(ids: Sequence[str], labels: IntArray, fraction: float, seed: int) -> IntArray:
    """Return the places of a fraction of each class, at least one example but never a class's last, ascending."""
    places, rank = shuffled_by_class(ids, labels, seed)
    size = np.bincount(labels)[labels[places]]
    wanted = np.minimum(np.maximum(1, np.round(fraction * size)), size - 1)
    return np.sort(places[rank < wanted])
