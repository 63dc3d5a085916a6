"""The outcome of a single-label classification, from its decisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from clipbench.arrays import BoolArray, Float64Array, IntArray
from clipbench.errors import listed
from clipbench.metrics.accuracy import class_counts, mean_per_class_recall
from clipbench.metrics.chance import Baseline, recall_baseline, top_k_baseline
from clipbench.metrics.specs import MetricSpec
from clipbench.stats.bootstrap import RESAMPLES, SEED, bootstrap_multinomial
from clipbench.stats.intervals import Interval, wilson
from clipbench.tasks.base import DatasetFacts, ImageSet, Metric, Outcome
from clipbench.tasks.classify.class_tables import (
    GROUP_VALUES,
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


def single_label_outcome(
    decisions: Decisions, images: ImageSet, dataset: DatasetFacts, split: str, more: Sequence[Metric] = ()
) -> Outcome:
    """Summarise the decisions about a set's labelled images; `more` are other top-1 accuracies, to stand beside it."""
    classes = dataset.classes
    groups, crowded = per_group(decisions, images.groups)
    counts, correct = class_counts(decisions.labels, decisions.correct, len(classes))
    others = [with_baseline(metric, top_k_baseline(counts)) for metric in more]
    tables = {"per_class": per_class(counts, correct, classes), "confusions": confusions(decisions, classes)}
    return Outcome(
        metrics=with_main((*_metrics(decisions, counts, correct), *others), dataset, default="top1"),
        examples=examples(decisions, images.ids, split, classes, images.groups),
        tables=tables if groups is None else tables | {"per_group": groups},
        pictures=confident_mistakes(decisions, images.ids, split, classes),
        notes=tuple(_notes(decisions, len(images), classes, crowded)),
    )


def _metrics(decisions: Decisions, counts: IntArray, correct: IntArray) -> Iterator[Metric]:
    near = {"near_ties": decisions.near_ties, "near": NEAR}
    yield proportion("top1", decisions.correct, near, top_k_baseline(counts))
    if len(counts) > 5:
        yield proportion("top5", decisions.ranks <= 5, baseline=top_k_baseline(counts, 5))
    params = {"classes": int(np.count_nonzero(counts)), "seed": SEED, "resamples": RESAMPLES}
    recall, interval = float(mean_per_class_recall(counts, correct)), _recall_interval(counts, correct)
    yield with_baseline(
        Metric("mean_per_class_recall", recall, len(decisions.labels), interval, params=params), recall_baseline(counts)
    )


def proportion(
    name: str, right: BoolArray, params: dict[str, float] | None = None, baseline: Baseline | None = None
) -> Metric:
    """Return the share of (n,) answers that are right, with its Wilson interval."""
    correct, n = int(np.count_nonzero(right)), len(right)
    return with_baseline(Metric(name, correct / n, n, wilson(correct, n), params=params or {}), baseline)


def with_baseline(metric: Metric, baseline: Baseline | None) -> Metric:
    """Return a metric with what it is compared with."""
    return metric if baseline is None else replace(metric, chance=baseline.chance, commonest=baseline.commonest)


def _recall_interval(counts: IntArray, correct: IntArray) -> Interval:
    if correct.sum() in (0, counts.sum()):
        return equal_recalls_interval(counts, int(correct.any()))
    cells = np.stack([correct, counts - correct])

    def statistic(drawn: IntArray) -> Float64Array:
        right, wrong = drawn.reshape(len(drawn), *cells.shape).transpose(1, 0, 2)
        return mean_per_class_recall(right + wrong, right)

    return bootstrap_multinomial(cells.ravel(), statistic)


def equal_recalls_interval(counts: IntArray, right: int, answers: int = 1) -> Interval:
    """Return the interval of a mean of recalls that are all `right` of `answers`, as those of every resample would be.

    A mean of recalls that share one p has the variance of a proportion among fewer trials than the examples.
    """
    filled = counts[counts > 0]
    trials = len(filled) ** 2 / float(np.sum(1 / filled))
    return wilson(trials * right / answers, trials)


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
