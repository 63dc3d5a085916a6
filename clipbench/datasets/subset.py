"""Parts of a split: a smaller one for a quick look, and shares to train and to test on."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from clipbench.datasets.base import Dataset, Example, Shard, Split
from clipbench.errors import UserError
from clipbench.fingerprint import digest

if TYPE_CHECKING:
    import PIL.Image

SEED = "seed"
"""The key beside the shares' names."""


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
    ids: Container[str]

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
        self.decoding = split.decoding

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


def checked_shares(shares: Mapping[str, float]) -> Mapping[str, float]:
    """Return how a split is to be divided, if that is possible.

    Raises:
        ValueError: there is no share, one is not above 0, they sum to more than 1, or the seed is no whole number.
    """
    named = {name: share for name, share in shares.items() if name != SEED}
    if not named or not all(share > 0 for share in named.values()) or sum(named.values()) > 1 + 1e-9:
        raise ValueError("give each split a share above 0, which sum to 1 or less, e.g. {train: 0.8, test: 0.2}")
    if shares.get(SEED, 0) % 1:
        raise ValueError(f"{SEED} is a whole number")
    return shares


class DividedDataset(Dataset):
    """A data set whose one split is divided into shares.

    In each class (or set of classes) the images are put in the order of a seeded digest of their bytes and cut at the
    shares, so that equal images fall together and neither order nor names matter.
    """

    def __init__(self, dataset: Dataset, shares: Mapping[str, float], where: str) -> None:
        """Take `shares`: a share of the images by split, which sum to 1 or less, and perhaps `seed`; reads nothing.

        Raises:
            UserError: the data set has several splits.
        """
        if len(dataset.splits) != 1:
            problem = f"`split:` divides one split, and this data set has {', '.join(sorted(dataset.splits))}"
            raise UserError(problem, where=where, fix="leave out the shares")
        self.classes, self.templates, self.multilabel = dataset.classes, dataset.templates, dataset.multilabel
        self.captioned, self.decoding = dataset.captioned, dataset.decoding
        (name,) = dataset.splits
        division = _Division(dataset.split(name), dict(sorted(shares.items())))
        self._splits = {share: ShareSplit(division, share) for share in division.shares if share != SEED}

    @property
    def splits(self) -> Mapping[str, Split]:
        """One for each share."""
        return self._splits


class _Division:
    """Which share each example of a split falls to; all images are read once to know it."""

    def __init__(self, split: Split, shares: Mapping[str, float]) -> None:
        self.split = split
        self.shares = shares

    @cached_property
    def share_of(self) -> Mapping[str, str]:
        """The share's name by id; what is in none is not there."""
        salt = str(int(self.shares.get(SEED, 0))).encode()
        ids: dict[bytes, list[str]] = defaultdict(list)
        stratum: dict[bytes, Any] = {}
        for shard in self.split.shards():
            for example in shard:
                content = hashlib.sha256(salt + hashlib.sha256(example.image).digest()).digest()
                ids[content].append(example.id)
                label = example.label if example.labels is None else example.labels
                # Of equal images with several labels one counts, whatever their order.
                stratum[content] = min(stratum.get(content, label), label, key=repr)
        by_stratum: dict[Any, list[bytes]] = defaultdict(list)
        for content in sorted(ids):
            by_stratum[stratum[content]].append(content)
        return {
            example_id: name
            for contents in by_stratum.values()
            for name, start, stop in self._cuts(len(contents))
            for content in contents[start:stop]
            for example_id in ids[content]
        }

    def _cuts(self, count: int) -> Iterator[tuple[str, int, int]]:
        start, total = 0, 0.0
        for name, share in self.shares.items():
            if name != SEED:
                total += share
                stop = int(total * count + 0.5)
                yield name, start, stop
                start = stop


class ShareSplit(Split):
    """One share of a split; its `count` is good to half an image a class, since no image is read for it."""

    def __init__(self, division: _Division, name: str) -> None:
        self.division = division
        self.name = name
        whole = division.split
        self.count = None if whole.count is None else round(whole.count * division.shares[name])
        self.download_bytes = whole.download_bytes

    @cached_property
    def _ids(self) -> frozenset[str]:
        return frozenset(key for key, name in self.division.share_of.items() if name == self.name)

    def shards(self) -> Sequence[Shard]:
        """Return the split's shards, each without the examples of other shares."""
        return [_Chosen(shard, self._ids) for shard in self.division.split.shards()]

    def locator(self) -> str | None:
        """Return the split's locator and the share."""
        locator = self.division.split.locator()
        return None if locator is None else f"{locator}|{self.name} of {digest(list(self.division.shares.items()))}"

    def keys(self) -> Iterator[tuple[str, int | None]]:
        """Iterate over (id, label)."""
        keys = self.division.split.keys()
        return ((key, label) for key, label in keys if key in self._ids)

    def image(self, example_id: str) -> PIL.Image.Image:
        """Return one decoded image."""
        if example_id not in self._ids:
            raise KeyError(example_id)
        return self.division.split.image(example_id)
