"""Accuracies of a classifier that was fitted several times, on other random examples each time.

How far the test examples leave a mean uncertain, and how far the draws do, are two questions: each has its own
interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from clipbench.arrays import BoolArray, Float64Array, IntArray
from clipbench.metrics.accuracy import class_counts, mean_per_class_recall
from clipbench.metrics.chance import Baseline, recall_baseline, top_k_baseline
from clipbench.stats.bootstrap import RESAMPLES, SEED, bootstrap_mean, bootstrap_multinomial
from clipbench.stats.intervals import Interval, student, wilson
from clipbench.tasks.base import DatasetFacts, ImageSet, Metric
from clipbench.tasks.classify.class_tables import group_columns, per_class
from clipbench.tasks.classify.single_label import MEAN_RECALL, TOP1, equal_recalls_interval, with_baseline
from clipbench.tasks.requirements import with_main

if TYPE_CHECKING:
    import pandas as pd

SEED_METRICS = tuple(
    variant
    for spec in (TOP1, MEAN_RECALL)
    for variant in (
        spec,
        replace(
            spec,
            name=f"{spec.name}_over_seeds",
            label=f"{spec.label} over draws",
            definition="the same mean over several random draws of the training examples, with its interval over the "
            "draws; the interval beside the plain name is over test images.",
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


def seed_metrics(decided: SeedDecisions, dataset: DatasetFacts, params: Mapping[str, Any]) -> tuple[Metric, ...]:
    """Return the mean over seeds of top-1 twice: with its interval over examples, and with that over seeds.

    Mean per-class recall follows in the same way where it is the data set's main metric. All get these params.
    """
    counts = np.bincount(decided.labels, minlength=len(dataset.classes))
    metrics = list(_pair("top1", decided.top1(), _top1_interval(decided), decided, params, top_k_baseline(counts)))
    if dataset.main_metric == "mean_per_class_recall":
        classes = len(dataset.classes)
        recalls, interval = decided.mean_per_class_recall(classes), _recall_interval(decided, classes)
        metrics += _pair("mean_per_class_recall", recalls, interval, decided, params, recall_baseline(counts))
    return with_main(metrics, dataset, default="top1")


def _pair(
    name: str,
    values: Float64Array,
    over_examples: Interval,
    decided: SeedDecisions,
    params: Mapping[str, Any],
    baseline: Baseline,
) -> Iterator[Metric]:
    value, n = float(values.mean()), len(decided.rows)
    drawn = {"bootstrap_seed": SEED, "resamples": RESAMPLES}
    yield with_baseline(Metric(name, value, n, over_examples, params={**params, **drawn}), baseline)
    yield with_baseline(Metric(f"{name}_over_seeds", value, n, _over_seeds(values), params=params), baseline)


def _over_seeds(values: Float64Array) -> Interval | None:
    """Return Student's t interval, cut to what a share can be; None for one seed."""
    if len(values) < 2:
        return None
    found = student(values.tolist())
    return Interval(max(0.0, found.low), min(1.0, found.high), "seeds", found.level)


def _top1_interval(decided: SeedDecisions) -> Interval:
    shares = decided.shares
    if np.ptp(shares) == 0:
        # Every resample would repeat the value.
        return wilson(float(shares.sum()), len(shares))
    return bootstrap_mean(shares)


def _recall_interval(decided: SeedDecisions, classes: int) -> Interval:
    """Resample examples, each with what all seeds made of it: a cell is a class and how many seeds are right."""
    seeds, right = decided.correct.shape[1], decided.right
    if np.ptp(right) == 0:
        return equal_recalls_interval(np.bincount(decided.labels), int(right[0]), seeds)
    cells = np.bincount(decided.labels * (seeds + 1) + right, minlength=classes * (seeds + 1))
    shares = np.arange(seeds + 1) / seeds

    def statistic(drawn: IntArray) -> Float64Array:
        counts = drawn.reshape(len(drawn), classes, seeds + 1)
        return mean_per_class_recall(counts.sum(axis=2), counts @ shares)

    return bootstrap_multinomial(cells, statistic)


def per_class_over_seeds(decided: SeedDecisions, classes: Sequence[str]) -> pd.DataFrame:
    """Return the mean over seeds of each class's accuracy, one row a class in label order.

    low and high are Wilson's at 95 % for that many right answers, which is wider than what a mean over seeds leaves
    uncertain.
    """
    counts = np.bincount(decided.labels, minlength=len(classes))
    return per_class(counts, np.bincount(decided.labels, decided.shares, minlength=len(classes)), classes)


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
    return pd.DataFrame(columns | each | group_columns(images.groups, decided.rows))
