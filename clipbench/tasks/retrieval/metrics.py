"""Recall and median rank in both directions, with intervals over the images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import Float64Array
from clipbench.metrics.ranking import WeightedMedian
from clipbench.stats.bootstrap import RESAMPLES, SEED, bootstrap_units
from clipbench.stats.intervals import Interval, wilson
from clipbench.tasks.base import Metric
from clipbench.tasks.retrieval.ranks import Ranks


class Summary:
    """All retrieval metrics for any weighting of the images; an image brings its captions."""

    def __init__(self, ranks: Ranks, texts_at: Sequence[int], images_at: Sequence[int]) -> None:
        self._ranks = ranks
        self._texts = (ranks.image_to_text[:, None] <= np.array([1, *texts_at])).astype(np.float64)
        found = ranks.text_to_image[:, None] <= np.array([1, *images_at])
        self._images = np.zeros((len(self._texts), found.shape[1]))
        np.add.at(self._images, ranks.image, found)
        self._captions = np.bincount(ranks.image).astype(np.float64)
        self._medians = WeightedMedian(ranks.image_to_text), WeightedMedian(ranks.text_to_image)
        self.names = (
            "mean_recall_at_1",
            *(f"image_to_text_recall_at_{k}" for k in texts_at),
            *(f"text_to_image_recall_at_{k}" for k in images_at),
            "image_to_text_median_rank",
            "text_to_image_median_rank",
        )

    def __call__(self, weights: NDArray[Any]) -> Float64Array:
        """Return (b, metrics) values for (b, n) weights, in the order of `names`."""
        shares = weights.astype(np.float64)
        to_text = shares @ self._texts / shares.sum(axis=1, keepdims=True)
        to_image = shares @ self._images / (shares @ self._captions)[:, None]
        medians = self._medians[0](weights), self._medians[1](weights[:, self._ranks.image])
        mean = (to_text[:, 0] + to_image[:, 0]) / 2
        return np.column_stack([mean, to_text[:, 1:], to_image[:, 1:], *medians])


def retrieval_metrics(ranks: Ranks, texts_at: Sequence[int], images_at: Sequence[int]) -> tuple[Metric, ...]:
    """Return recall at each k and the median rank both ways, and the mean of the two recalls at 1.

    Args:
        ranks: of all queries.
        texts_at: the k of image to text.
        images_at: the k of text to image.

    `n` counts queries: images for image to text, captions for text to image. Intervals resample images.
    """
    images, captions = len(ranks.image_to_text), len(ranks.text_to_image)
    summary = Summary(ranks, texts_at, images_at)
    values = summary(np.ones((1, images), np.int64))[0].tolist()
    intervals = bootstrap_units(images, summary, elements=captions)
    params = {"seed": SEED, "resamples": RESAMPLES, "unit": "image"}
    return tuple(
        Metric(
            name=name,
            value=value,
            n=captions if name.startswith("text_to_image") else images,
            interval=interval if name.endswith("rank") else _widened(interval, value, images),
            unit="rank" if name.endswith("rank") else "fraction",
            params=params,
        )
        for name, value, interval in zip(summary.names, values, intervals, strict=True)
    )


def _widened(interval: Interval, value: float, images: int) -> Interval:
    """Replace an interval of no width, which none or all found gives in every resample, by Wilson's over the images."""
    return wilson(value * images, images) if value in (0, 1) else interval
