"""Accuracies of a classifier that was fitted several times, on other random examples each time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from clipbench.arrays import BoolArray, Float64Array, IntArray
from clipbench.metrics.accuracy import class_counts, mean_per_class_recall
from clipbench.metrics.chance import Baseline, recall_baseline, top_k_baseline
from clipbench.metrics.specs import MetricSpec
from clipbench.stats.crossed import LARGEST_SHARE, crossed_mean
from clipbench.stats.intervals import Interval, ends
from clipbench.tasks.base import DatasetFacts, ImageSet, Metric
from clipbench.tasks.classify.class_tables import per_class
from clipbench.tasks.classify.single_label import MEAN_RECALL, TOP1, with_baseline
from clipbench.tasks.requirements import with_main

if TYPE_CHECKING:
    import pandas as pd

ONE_DRAW = "images alone"

SEED_METRICS = tuple(
    variant
    for spec in (TOP1, MEAN_RECALL)
    for variant in (
        replace(
            spec,
            definition=f"{spec.definition[:-1]}; the mean over several random draws of the training examples.",
            per_example="correct.*",
        ),
        MetricSpec(
            f"{spec.name}_sd_over_draws",
            f"{spec.label}, sd over draws",
            "gap",
            None,
            "standard deviation of the same over draws of the training examples.",
        ),
    )
)


@dataclass(frozen=True)
class SeedDecisions:
    """One row a labelled image, one column a seed."""

    rows: IntArray
    """(n,) the image's place in its set."""
    labels: IntArray
    """(n,)"""
    correct: BoolArray
    """(n, S) whether the true class ranks first, without a tie."""
    clusters: IntArray | None = None
    """(n,) where images come in clusters."""

    @property
    def right(self) -> IntArray:
        """(n,) how many seeds are right."""
        return np.asarray(np.count_nonzero(self.correct, axis=1).astype(np.int64))

    @property
    def shares(self) -> Float64Array:
        """(n,) which share of the seeds is right."""
        return np.asarray(self.right / self.correct.shape[1])

    def top1(self) -> Float64Array:
        """(S,) each seed's top-1 accuracy."""
        return np.asarray(np.count_nonzero(self.correct, axis=0) / len(self.rows))

    def mean_per_class_recall(self, classes: int) -> Float64Array:
        """(S,) each seed's mean per-class recall."""
        recalls = [mean_per_class_recall(*class_counts(self.labels, seed, classes)) for seed in self.correct.T]
        return np.array(recalls, np.float64)


def seed_metrics(
    decided: SeedDecisions, dataset: DatasetFacts, pool_share: float, params: Mapping[str, Any]
) -> tuple[Metric, ...]:
    """Return the mean over seeds of top-1, with its interval over images and draws, and their standard deviation.

    Mean per-class recall follows in the same way where it is the data set's main metric. All get these params and
    `pool_share`: which part of the training examples each draw holds. Where it is too large there is no interval.
    """
    counts = np.bincount(decided.labels, minlength=len(dataset.classes))
    params = {**params, "pool_share": pool_share}
    metrics = list(_pair("top1", decided.top1(), None, decided, params, top_k_baseline(counts)))
    if dataset.main_metric == "mean_per_class_recall":
        recalls = decided.mean_per_class_recall(len(counts))
        metrics += _pair("mean_per_class_recall", recalls, decided.labels, decided, params, recall_baseline(counts))
    return with_main(metrics, dataset, default="top1")


def _pair(
    name: str,
    values: Float64Array,
    strata: IntArray | None,
    decided: SeedDecisions,
    params: Mapping[str, Any],
    baseline: Baseline,
) -> Iterator[Metric]:
    n, interval = len(decided.rows), _interval(decided, strata, float(params["pool_share"]))
    yield with_baseline(Metric(name, float(values.mean()), n, interval, params=params), baseline)
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    yield Metric(f"{name}_sd_over_draws", spread, n, unit="gap", params=params)


def _interval(
    decided: SeedDecisions, strata: IntArray | None, pool_share: float, rows: BoolArray | slice = slice(None)
) -> Interval | None:
    """Return the interval of the mean over some rows."""
    correct = decided.correct[rows]
    clusters = None if decided.clusters is None else decided.clusters[rows]
    if correct.shape[1] == 1:
        found = crossed_mean(correct, strata, clusters=clusters).of_a_share()
        return found and replace(found, kind=ONE_DRAW)
    return crossed_mean(correct, strata, pool_share, clusters).of_a_share() if pool_share <= LARGEST_SHARE else None


def per_class_over_seeds(decided: SeedDecisions, classes: Sequence[str], pool_share: float) -> pd.DataFrame:
    """Return the mean over seeds of each class's accuracy, one row a class in label order.

    low and high are over images and draws, as those of the mean over all classes.
    """
    counts = np.bincount(decided.labels, minlength=len(classes))
    frame = per_class(counts, np.bincount(decided.labels, decided.shares, minlength=len(classes)), classes)
    found = [
        ends(_interval(decided, None, pool_share, decided.labels == label) if count else None)
        for label, count in enumerate(counts.tolist())
    ]
    low, high = np.array(found, np.float64).T
    return frame.assign(low=low, high=high)


def seed_examples(decided: SeedDecisions, images: ImageSet, split: str, classes: Sequence[str]) -> pd.DataFrame:
    """Return one row a labelled image, with the share of the seeds that are right and `correct.SEED` of each."""
    import pandas as pd

    names = np.asarray(classes, object)
    columns = {
        "id": [images.ids[row] for row in decided.rows],
        "split": split,
        "label": decided.labels,
        "label_name": names[decided.labels],
        "correct": decided.shares,
    }
    each = {f"correct.{seed}": correct for seed, correct in enumerate(decided.correct.T)}
    return pd.DataFrame(columns | each | images.attributes(decided.rows))
