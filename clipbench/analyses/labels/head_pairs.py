"""Two heads on the same labelled images, and their differences with intervals that hold for all pairs together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from clipbench.analyses.comparable import read_clusters, read_correct
from clipbench.arrays import BoolArray, Float64Array, IntArray
from clipbench.results.records import JobResult
from clipbench.stats.paired import compare_pair, paired_recall_difference
from clipbench.stats.simultaneous import critical_value, largest_of
from clipbench.tasks.base import Metric

SAME_IMAGES = ("data", "labels")
"""The parts of two pedigrees that must agree for heads of two models to be set side by side."""


@dataclass(frozen=True)
class HeadPair:
    """What two heads are right about, on n images in the order of their ids."""

    ids: tuple[str, ...]
    labels: IntArray
    first: BoolArray
    second: BoolArray
    by_class: bool
    """Whether the data set's main metric is mean per-class recall."""
    at_chance: bool
    """Whether neither head is above chance, so that nothing is gained or lost between them."""
    clusters: IntArray | None = None

    @classmethod
    def read(cls, first: JobResult, second: JobResult, examples: Callable[[str], pd.DataFrame]) -> HeadPair:
        """Read two jobs' per-example tables; UserErrors as for `read_correct`."""
        right = read_correct((first, second), examples)[:, :, 0]
        clusters = read_clusters((first, second), examples)
        table = examples(first.hash)
        order = np.argsort(table["id"].to_numpy(str))
        return cls(
            tuple(table["id"].iloc[order]),
            table["label"].to_numpy(np.int64)[order],
            right[0][order],
            right[1][order],
            first.main is not None and first.main.metric == "mean_per_class_recall",
            first.at_chance and second.at_chance,
            None if clusters is None else clusters[order],
        )

    @property
    def ahead(self) -> Float64Array:
        """(n, 1 or 2): of each image its part in the difference in top-1 and, by class, in mean per-class recall."""
        ahead = self.first.astype(np.float64) - self.second
        if not self.by_class:
            return ahead[:, None]
        counts = np.bincount(self.labels)
        weights = len(ahead) / (np.count_nonzero(counts) * counts[self.labels])
        return np.column_stack([ahead, ahead * weights])


def differences(pairs: Sequence[HeadPair]) -> list[tuple[Metric, ...]]:
    """Return the differences of each pair, that of the data set's main metric first.

    They are in top-1 and, where that is the main metric, in mean per-class recall. All intervals hold together.
    """
    together: dict[tuple[str, ...], list[HeadPair]] = defaultdict(list)
    for pair in pairs:
        together[pair.ids].append(pair)
    parts = [
        largest_of(np.column_stack([pair.ahead for pair in alike]), clusters=alike[0].clusters)
        for alike in together.values()
    ]
    family = sum(part.count for part in parts)
    critical = critical_value(parts)
    return [_differences(pair, critical, family) for pair in pairs]


def _differences(pair: HeadPair, critical: float, family: int) -> tuple[Metric, ...]:
    n = len(pair.ids)
    found = compare_pair(pair.first, pair.second, critical, family, clusters=pair.clusters)
    top1 = Metric("top1_difference", found.difference, n, found.interval)
    if not pair.by_class:
        return (top1,)
    recall, interval = paired_recall_difference(pair.labels, pair.first, pair.second, critical, pair.clusters, family)
    return (Metric("mean_per_class_recall_difference", recall, n, interval), top1)
