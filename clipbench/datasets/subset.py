"""A smaller split for a quick look: balanced over the classes, chosen by a hash of the ids."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from clipbench.datasets.base import Example, Shard, Split

if TYPE_CHECKING:
    import PIL.Image


def balanced_ids(keys: Iterable[tuple[str, int | None]], limit: int) -> frozenset[str]:
    """Choose `limit` ids: from each class in turn the one whose hash is smallest.

    The choice depends on ids and labels alone, not on their order; examples without a label form one class.
    A larger limit chooses the same ids and more.
    """
    by_class: dict[int | None, list[tuple[bytes, str]]] = defaultdict(list)
    for example_id, label in keys:
        by_class[label].append((hashlib.sha256(example_id.encode()).digest(), example_id))
    rounds = [
        (turn, hashed, example_id)
        for members in by_class.values()
        for turn, (hashed, example_id) in enumerate(sorted(members))
    ]
    return frozenset(example_id for _, _, example_id in sorted(rounds)[:limit])


@dataclass(frozen=True)
class _Chosen:
    shard: Shard
    ids: frozenset[str]

    def __iter__(self) -> Iterator[Example]:
        return (example for example in self.shard if example.id in self.ids)


_known: WeakKeyDictionary[Split, dict[tuple[int, str], frozenset[str]]] = WeakKeyDictionary()
"""The ids that limits choose of a split, by limit and locator: choosing them reads every label."""


class LimitedSplit(Split):
    """A split cut down to a balanced subset of at most `limit` examples."""

    def __init__(self, split: Split, limit: int) -> None:
        self.split = split
        self.limit = limit
        self.count = limit if split.count is None else min(limit, split.count)
        self.download_bytes = split.download_bytes

    @cached_property
    def _ids(self) -> frozenset[str]:
        locator = self.split.locator()
        if locator is None:
            return balanced_ids(self.split.keys(), self.limit)
        known = _known.setdefault(self.split, {})
        if (self.limit, locator) not in known:
            known[self.limit, locator] = balanced_ids(self.split.keys(), self.limit)
        return known[self.limit, locator]

    def shards(self) -> Sequence[Shard]:
        """Return the split's shards, each without the examples that were not chosen."""
        return [_Chosen(shard, self._ids) for shard in self.split.shards()]

    def locator(self) -> str | None:
        """Return the split's locator and the limit."""
        locator = self.split.locator()
        return None if locator is None else f"{locator}|limit {self.limit}"

    def image(self, example_id: str) -> PIL.Image.Image:
        """Return one decoded image."""
        return self.split.image(example_id)
