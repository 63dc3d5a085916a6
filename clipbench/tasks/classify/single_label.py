"""The outcome of a single-label classification, from its decisions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from clipbench.arrays import BoolArray, IntArray
from clipbench.errors import listed
from clipbench.metrics.accuracy import class_counts, mean_per_class_recall
from clipbench.metrics.chance import Baseline, recall_baseline, top_k_baseline
from clipbench.metrics.specs import MetricSpec
from clipbench.stats.clusters import design, share_interval
from clipbench.stats.recalls import recall_interval
from clipbench.tasks.base import DatasetFacts, ImageSet, Metric, Outcome
from clipbench.tasks.classify.class_tables import (
    GROUP_VALUES,
    cell_designs,
    confident_mistakes,
    confusions,
    examples,
    per_class,
    per_group,
)
from clipbench.tasks.classify.decisions import NEAR, Decisions
from clipbench.tasks.requirements import with_main

TOP1 = MetricSpec(
    "top1",
    "top-1",
    definition="share of images whose highest-scoring class is the right one.",
    per_example="correct",
)
TOP5 = MetricSpec("top5", "top-5", definition="share of images with the right class among the five that score highest.")
MEAN_RECALL = MetricSpec(
    "mean_per_class_recall",
    "mean per-class recall",
    definition="top-1 within each class, averaged over classes, so that every class counts the same.",
    per_example="correct",
    within="label",
)
SINGLE_LABEL_METRICS = (TOP1, TOP5, MEAN_RECALL)


@dataclass(frozen=True)
class OtherTop1:
    """A top-1 accuracy that stands beside the job's own, on the same images."""

    name: str
    right: BoolArray
    """(n,) which of the labelled images it is right about."""
    params: Mapping[str, Any] = field(default_factory=dict)


def single_label_outcome(
    decisions: Decisions, images: ImageSet, dataset: DatasetFacts, split: str, more: Sequence[OtherTop1] = ()
) -> Outcome:
    """Summarise the decisions about a set's labelled images, with `more` accuracies beside them."""
    classes = dataset.classes
    clusters = images.clusters_of(decisions.rows)
    groups, crowded = per_group(decisions, images.groups, clusters)
    counts, correct = class_counts(decisions.labels, decisions.correct, len(classes))
    designs = cell_designs(decisions.labels, decisions.correct, counts, clusters)
    baseline = top_k_baseline(counts)
    others = [proportion(other.name, other.right, other.params, baseline, clusters) for other in more]
    tables = {"per_class": per_class(counts, correct, classes, designs), "confusions": confusions(decisions, classes)}
    return Outcome(
        metrics=with_main((*_metrics(decisions, counts, correct, clusters), *others), dataset, default="top1"),
        examples=examples(decisions, images, split, classes),
        tables=tables if groups is None else tables | {"per_group": groups},
        pictures=confident_mistakes(decisions, images.ids, split, classes),
        notes=tuple(_notes(decisions, len(images), classes, crowded)),
    )


def _metrics(decisions: Decisions, counts: IntArray, correct: IntArray, clusters: IntArray | None) -> Iterator[Metric]:
    near = {"near_ties": decisions.near_ties, "near": NEAR}
    yield proportion("top1", decisions.correct, near, top_k_baseline(counts), clusters)
    if len(counts) > 5:
        yield proportion("top5", decisions.ranks <= 5, baseline=top_k_baseline(counts, 5), clusters=clusters)
    recall = float(mean_per_class_recall(counts, correct))
    interval = recall_interval(decisions.labels, decisions.correct, clusters)
    params = {"classes": int(np.count_nonzero(counts))}
    metric = Metric("mean_per_class_recall", recall, len(decisions.labels), interval, params=params)
    yield with_baseline(metric, recall_baseline(counts))


def proportion(
    name: str,
    right: BoolArray,
    params: Mapping[str, Any] | None = None,
    baseline: Baseline | None = None,
    clusters: IntArray | None = None,
) -> Metric:
    """Return the share of (n,) answers that are right, with Wilson's interval, by (n,) clusters where there are any."""
    share, n = float(np.count_nonzero(right) / len(right)), len(right)
    interval = share_interval(share, n, design(right, clusters))
    return with_baseline(Metric(name, share, n, interval, params=params or {}), baseline)


def with_baseline(metric: Metric, baseline: Baseline | None) -> Metric:
    """Return a metric with what it is compared with."""
    return metric if baseline is None else replace(metric, chance=baseline.chance, commonest=baseline.commonest)


def _notes(decisions: Decisions, images: int, classes: Sequence[str], crowded: Sequence[str]) -> Iterator[str]:
    unlabelled = images - len(decisions.rows)
    if unlabelled:
        yield f"Left out for want of a label: {unlabelled:,} of {images:,} images."
    empty = np.flatnonzero(np.bincount(decisions.labels, minlength=len(classes)) == 0)
    if len(empty):
        names = listed([classes[index] for index in empty.tolist()])
        yield f"Left out of the mean per-class recall for want of images: {names}."
    if crowded:
        yield f"Not broken down by {listed(crowded)}: more than {GROUP_VALUES} values."
