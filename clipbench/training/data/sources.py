"""The data sets of a recipe with the texts of their examples, cut into blocks that are read front to back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from clipbench.datasets.adapters.webdataset import TarShard
from clipbench.datasets.base import Dataset, Example, NumberedSplit, Shard, Slice, Split
from clipbench.datasets.catalog import open_dataset
from clipbench.fingerprint import SetDigest, digest_example
from clipbench.prompts.filling import prompts_for

if TYPE_CHECKING:
    from clipbench.training.recipe import LoadedRecipe
    from clipbench.training.recipe import Source as Named

BLOCK: Final = 256
"""Rows of a numbered split that are read together, at least: what lies before them in a Parquet file is passed over."""
MOST_BLOCKS: Final = 65_536
"""Of a split; blocks of more rows are larger."""
FINGERPRINTED: Final = 100_000
"""Examples of a split up to which its own fingerprint is told, for which all are read once more."""


@dataclass(frozen=True)
class Source:
    """A split that is trained on, with its texts."""

    dataset: Dataset
    name: str
    """Of the split."""
    split: Split
    texts: Sequence[Sequence[str]]
    """Of each class its prompts; empty where examples have captions."""
    first_class: int
    """Classes of a data set are numbered on from those before it."""

    def most_blocks(self) -> int:
        """Return how many blocks it can be cut into."""
        if isinstance(self.split, NumberedSplit):
            return max(1, self.split.length() // self._block_rows())
        return len(self.split.shards())

    def blocks(self, lanes: int) -> Sequence[Block]:
        """Cut it into its shards, or into blocks whose rows differ by one at most, equally many for each lane."""
        if not isinstance(self.split, NumberedSplit):
            return [Block(self, shard) for shard in self.split.shards()]
        length, most = self.split.length(), self.most_blocks()
        number = most // lanes * lanes or most
        cuts = [place * length // number for place in range(number + 1)]
        return [Block(self, Slice(self.split, range(*rows))) for rows in pairwise(cuts)]

    def _block_rows(self) -> int:
        assert isinstance(self.split, NumberedSplit)
        return max(BLOCK, self.split.length() // MOST_BLOCKS)

    def pair(self, example: Example, random: np.random.Generator) -> tuple[str, int] | None:
        """Return a text of an example and its class, -1 where captions tell of it; None where it has no text."""
        if example.captions:
            return example.captions[int(random.integers(len(example.captions)))], -1
        labels = example.labels or (() if example.label is None else (example.label,))
        if not self.texts or not labels:
            return None
        label = labels[int(random.integers(len(labels)))]
        texts = self.texts[label]
        return texts[int(random.integers(len(texts)))], self.first_class + label

    def about(self) -> Mapping[str, Any]:
        """Return what tells a split wherever a copy of it lies.

        `fingerprint` is what results of this split have as the `data` of their pedigree: equal ones were evaluated on
        all that was trained on. It is None of more than `FINGERPRINTED` examples, or an unknown number. `shards` are
        the digests of the id and the encoded bytes of the first example of each shard (a tar, or some thousand rows):
        one that is among the examples of a split that is evaluated was seen in training.
        """
        return {
            "dataset": self.dataset.info.name,
            "split": self.name,
            "examples": self.split.count,
            "locator": self.split.locator(),
            "fingerprint": self._fingerprint(),
            "shards": [_first_digest(shard) for shard in self.split.shards()],
        }

    def _fingerprint(self) -> str | None:
        if self.split.count is None or self.split.count > FINGERPRINTED:
            return None
        found = SetDigest()
        for shard in self.split.shards():
            for example in shard:
                found.add(digest_example(example.id, example.image))
        return found.hexdigest()


def _first_digest(shard: Shard) -> str | None:
    first = next(iter(shard), None)
    return None if first is None else digest_example(first.id, first.image).hex()


@dataclass(frozen=True)
class Block:
    """Examples that follow each other in a source: a shard of it, or some rows."""

    source: Source
    shard: Shard

    @cached_property
    def size(self) -> int:
        """How many there are; counted where the layout does not say, a tar's by its headers."""
        if isinstance(self.shard, Slice):
            return len(self.shard.rows)
        return sum(1 for _ in (self.shard.keys() if isinstance(self.shard, TarShard) else self.shard))

    def examples(self, start: int) -> Iterator[Example]:
        """Read them, without the first ones."""
        if isinstance(self.shard, Slice):
            return self.shard.split.read(self.shard.rows[start:])
        return islice(self.shard, start, None)


def open_sources(loaded: LoadedRecipe, data_root: Path | None) -> Sequence[Source]:
    """Open the data sets of a recipe.

    Raises:
        UserError: one is not there, has no such split, or has classes and no prompts.
    """
    opened: list[Source] = []
    classes = 0
    for named in loaded.recipe.data:
        dataset = open_dataset(loaded.definitions[named.dataset], data_root=data_root)
        opened.append(Source(dataset, named.split, dataset.split(named.split), _texts(named, dataset), classes))
        classes += len(opened[-1].texts)
    return opened


def _texts(named: Named, dataset: Dataset) -> Sequence[Sequence[str]]:
    """Return the prompts of each class; none of a data set of captions."""
    return prompts_for(named.prompts or None, dataset=dataset).strings if dataset.classes else ()


def trained_on(sources: Sequence[Source]) -> Sequence[str]:
    """Return what a model declares that was trained on them: the data sets' names and `training_names`."""
    infos = [source.dataset.info for source in sources]
    return list(dict.fromkeys(name for info in infos for name in (info.name, *info.training_names)))
