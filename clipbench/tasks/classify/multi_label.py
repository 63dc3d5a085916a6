"""The outcome of a multi-label classification: average precision of each class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from clipbench.arrays import BoolArray, Float32Array, Float64Array, IntArray
from clipbench.errors import UserError, listed
from clipbench.metrics.average_precision import PrecisionRecall
from clipbench.metrics.specs import MetricSpec
from clipbench.stats.bootstrap import SEED, bootstrap_units
from clipbench.stats.clusters import design
from clipbench.stats.intervals import Interval
from clipbench.tasks.base import DatasetFacts, ImageSet, Metric, Outcome, Picture
from clipbench.tasks.classify.class_tables import PICTURES
from clipbench.tasks.classify.classifier import TextClassifier
from clipbench.tasks.classify.decisions import require_images, unit_chunks
from clipbench.tasks.requirements import with_main

if TYPE_CHECKING:
    import pandas as pd

    from clipbench.models.base import ModelInfo

RESAMPLES = 1000

MULTI_LABEL_METRICS = (
    MetricSpec(
        "map",
        "mAP",
        definition="average precision of each class over all images, averaged over classes.",
        per_example="map",
    ),
    MetricSpec(
        "map_voc2007_11point",
        "mAP (VOC2007, 11-point)",
        definition="the same with precision sampled at eleven levels of recall.",
        source="Everingham et al. 2010, section 4.2",
    ),
)


def multi_label_outcome(
    images: ImageSet, scores: Float32Array, dataset: DatasetFacts, split: str, *, score: str = "cosine"
) -> Outcome:
    """Summarise the ranking of the images within each class.

    The (n, C) float32 scores are held whole, since average precision needs a class's whole ranking; `score` is what
    they are called in captions.
    """
    present = presence(images, len(dataset.classes), f"{dataset.name}, split {split}")
    scored = np.flatnonzero(present.any(axis=0))
    curves = [PrecisionRecall(scores[:, index], present[:, index]) for index in scored]
    averages = _averages(curves, np.ones((1, len(images)), np.int64))[:, :, 0]
    examples = _examples(images, scores, present, dataset.classes, split)
    if curves:
        examples["map"] = np.mean([curve.contributions for curve in curves], axis=0)
    return Outcome(
        metrics=with_main(
            tuple(_metrics(curves, averages, present[:, scored], images.clusters_of())), dataset, default="map"
        ),
        examples=examples,
        tables={"per_class": _per_class(present, scored, averages, dataset.classes)},
        pictures=_mistakes(images.ids, scores, present, dataset.classes, split, score),
        notes=tuple(_notes(present, dataset.classes)),
    )


def presence(images: ImageSet, classes: int, where: str) -> BoolArray:
    """Return (n, C): which classes each image shows.

    Raises:
        UserError: there are no images or no label sets, or a label is out of range.
    """
    require_images(images, where)
    if images.label_sets is None:
        raise UserError("has no label sets", where=where, fix="a multi-label set needs a list of labels an image")
    present = np.zeros((len(images), classes), np.bool_)
    for row, labels in enumerate(images.label_sets):
        if any(not 0 <= label < classes for label in labels):
            problem = f"labels {sorted(labels)} of {images.ids[row]!r} are not all among the {classes} classes"
            fix = f"labels must be 0 to {classes - 1}, in the order of the class names"
            raise UserError(problem, where=where, fix=fix)
        present[row, list(labels)] = True
    return present


def cosines(images: ImageSet, classifier: TextClassifier, model: ModelInfo, where: str) -> Float32Array:
    """Return (n, C) float32 cosines of images and classes; scale and bias would not change a ranking."""
    found = np.empty((len(images), len(classifier.vectors)), np.float32)
    for start, vectors in unit_chunks(images, 4096, model, where):
        found[start : start + len(vectors)] = vectors @ classifier.vectors.T
    return found[:, classifier.column]


def _averages(curves: Sequence[PrecisionRecall], weights: IntArray) -> Float64Array:
    """(b, n) weights -> (2, K, b): average precision and the 11-point one of K classes."""
    by_image = np.ascontiguousarray(weights.T, np.int32)
    return (
        np.array([curve.averages(by_image) for curve in curves])
        .reshape(len(curves), 2, len(weights))
        .transpose(1, 0, 2)
    )


def _metrics(
    curves: Sequence[PrecisionRecall], averages: Float64Array, present: BoolArray, clusters: IntArray | None
) -> Iterator[Metric]:
    n = len(present)
    values: Sequence[float | None] = (None, None)
    intervals: Sequence[Interval | None] = (None, None)
    if curves:
        values = averages.mean(axis=1).tolist()
    if curves and design(np.count_nonzero(present, axis=1), clusters):
        # An image drawn twice ties with its copy, which lifts average precision: hence centred.
        intervals = bootstrap_units(
            n,
            lambda drawn: _means(_averages(curves, drawn)),
            resamples=RESAMPLES,
            centre=averages.mean(axis=1),
            clusters=clusters,
        )
    params = {"classes": len(curves), "seed": SEED, "resamples": RESAMPLES, "centred": True}
    for spec, value, interval in zip(MULTI_LABEL_METRICS, values, intervals, strict=True):
        chance = float(present.mean()) if curves and spec.name == "map" else None
        yield Metric(spec.name, value, n, _within_one(interval), params=params, chance=chance)


def _within_one(interval: Interval | None) -> Interval | None:
    return interval and replace(interval, low=max(0.0, interval.low), high=min(1.0, interval.high))


def _means(averages: Float64Array) -> Float64Array:
    """(2, K, b) -> (b, 2): means over the classes that have positives in the resample; NaN where none has."""
    defined = np.isfinite(averages)
    count = defined.sum(axis=1)
    total = np.where(defined, averages, 0).sum(axis=1)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0).T)


def _per_class(present: BoolArray, scored: IntArray, averages: Float64Array, classes: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame({"class": list(classes), "n": present.sum(axis=0)})
    for name, values in zip(("average_precision", "average_precision_11point"), averages, strict=True):
        frame[name] = pd.Series(values, index=scored, dtype=float)
    return frame.assign(label=range(len(classes)))


def _margins(scores: Float32Array, present: BoolArray) -> tuple[IntArray, Float32Array]:
    """(n,) highest class, and best present minus best absent class; NaN where either is missing."""
    best_present = np.where(present, scores, -np.inf).max(axis=1)
    best_absent = np.where(present, -np.inf, scores).max(axis=1)
    defined = np.isfinite(best_present) & np.isfinite(best_absent)
    margins = np.full(len(scores), np.nan, np.float32)
    margins[defined] = best_present[defined] - best_absent[defined]
    # Where a present class ties with an absent one, the absent one counts as the answer.
    answers = np.where(present & (best_absent >= best_present)[:, None], -np.inf, scores)
    return np.argmax(answers, axis=1).astype(np.int64), margins


def _examples(
    images: ImageSet, scores: Float32Array, present: BoolArray, classes: Sequence[str], split: str
) -> pd.DataFrame:
    import pandas as pd

    predictions, margins = _margins(scores, present)
    labels = [np.flatnonzero(row).tolist() for row in present]
    columns = {
        "id": list(images.ids),
        "split": split,
        "labels": [" ".join(map(str, row)) for row in labels],
        "label_names": ["; ".join(classes[index] for index in row) for row in labels],
        "prediction": predictions,
        "prediction_name": np.asarray(classes, object)[predictions],
        "correct": present[np.arange(len(present)), predictions],
        "margin": margins,
    }
    return pd.DataFrame(columns | images.attributes(np.arange(len(present))))


def _mistakes(
    ids: Sequence[str], scores: Float32Array, present: BoolArray, classes: Sequence[str], split: str, score: str
) -> tuple[Picture, ...]:
    predictions, margins = _margins(scores, present)
    worst = np.argsort(margins, kind="stable")[:PICTURES]
    pictures = []
    for row in worst[margins[worst] <= 0].tolist():
        true = "; ".join(classes[index] for index in np.flatnonzero(present[row]).tolist())
        prediction = f"{classes[predictions[row]]} ({score} higher by {-margins[row]:.3f})"
        caption = f"true: {true}; predicted: {prediction}"
        pictures.append(Picture(ids[row], split, "confident mistake", caption, true, prediction))
    return tuple(pictures)


def _notes(present: BoolArray, classes: Sequence[str]) -> Iterator[str]:
    empty = np.flatnonzero(~present.any(axis=0))
    if len(empty) == len(classes):
        yield "No image shows any class, so average precision is undefined."
    elif len(empty):
        names = listed([classes[index] for index in empty.tolist()])
        yield f"Left out of the means for want of a positive image: {names}."
