"""Ranks of images for captions and of captions for images; recall and median rank, with intervals over the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbench.arrays import Float32Array, Float64Array, IntArray
from clipbench.errors import UserError
from clipbench.metrics.chance import random_recall
from clipbench.metrics.ranking import RightAnswers, WeightedMedian, ranks_of_best
from clipbench.metrics.vectors import distinct_rows, refuse_directionless, unit_rows
from clipbench.stats.bootstrap import RESAMPLES, SEED, bootstrap_units
from clipbench.stats.intervals import Interval, wilson
from clipbench.tasks.base import ImageSet, Inputs, Metric
from clipbench.tasks.classify.decisions import unit_chunks

_ROWS = 4096
"""Images, or strings, whose features are read at once."""


@dataclass(frozen=True)
class Captions:
    """The captions of n images, T in all, as places in a list of U distinct strings."""

    strings: tuple[str, ...]
    """(U,) in order of first appearance."""
    text: IntArray
    """(T,) each caption's place in `strings`, image by image."""
    image: IntArray
    """(T,) each caption's image."""
    starts: IntArray
    """(n,) each image's first caption."""

    @property
    def images(self) -> int:
        """How many images there are."""
        return len(self.starts)

    @property
    def worst_text_rank(self) -> int:
        """The lowest rank that an image's best caption can have."""
        return 1 + len(self.text) - int(np.bincount(self.image).min())

    @property
    def shared(self) -> int:
        """How many strings are captions of more than one image."""
        pairs = np.unique(np.stack([self.text, self.image]), axis=1)
        return int(np.count_nonzero(np.bincount(pairs[0]) > 1))

    @classmethod
    def of(cls, images: ImageSet, where: str) -> Captions:
        """Collect the captions of a set; a UserError for fewer than two images, or for one without captions."""
        if images.captions is None:
            raise UserError("has no captions", where=where, fix="retrieval needs at least one caption an image")
        if len(images) < 2:
            raise UserError(f"retrieval needs at least two images, this has {len(images)}", where=where)
        lacking = [images.ids[row] for row, captions in enumerate(images.captions) if not captions]
        if lacking:
            problem = f"images without a caption: {len(lacking):,}, the first {lacking[0]!r}"
            raise UserError(problem, where=where, fix="give each at least one, or leave these images out")
        places: dict[str, int] = {}
        text = [places.setdefault(string, len(places)) for captions in images.captions for string in captions]
        counts = np.array([len(captions) for captions in images.captions], np.int64)
        return cls(
            strings=tuple(places),
            text=np.array(text, np.int64),
            image=np.repeat(np.arange(len(images)), counts),
            starts=np.cumsum(counts) - counts,
        )


@dataclass(frozen=True)
class Vectors:
    """Distinct vectors of images and strings: what is equal shares a row, so that ties are exact."""

    image_rows: Float32Array
    image_column: IntArray
    """(n,) each image's row."""
    text_rows: Float32Array
    text_column: IntArray
    """(U,) each string's row."""

    @classmethod
    def of(cls, captions: Captions, inputs: Inputs, split: str) -> Vectors:
        """Scale the features of a split and those of its captions to length 1."""
        images = inputs.sets[split]
        image_vectors = np.empty(images.features["projected"].shape, np.float32)
        for start, chunk in unit_chunks(images, _ROWS, inputs.model, f"{inputs.dataset.name}, split {split}"):
            image_vectors[start : start + len(chunk)] = chunk
        return cls(*distinct_rows(image_vectors), *distinct_rows(_text_vectors(captions.strings, inputs)))


def _text_vectors(strings: Sequence[str], inputs: Inputs) -> Float32Array:
    parts = []
    unusable: list[str] = []
    for start in range(0, len(strings), _ROWS):
        batch = strings[start : start + _ROWS]
        vectors, bad = unit_rows(inputs.text(batch))
        parts.append(vectors)
        unusable += [batch[row] for row in np.flatnonzero(bad).tolist()]
    refuse_directionless(unusable, "captions", inputs.model.name)
    return np.concatenate(parts)


@dataclass(frozen=True)
class Ranks:
    """The rank of the best right answer for every query."""

    image_to_text: IntArray
    """(n,) of the image's best caption among all captions."""
    text_to_image: IntArray
    """(T,) of the caption's image among all images."""
    image: IntArray
    """(T,) each caption's image."""
    right_texts: IntArray
    """(n,) how many of the T captions are right for each image."""
    right_images: IntArray
    """(T,) how many images are right for each caption."""

    def chance(self, texts_at: Sequence[int], images_at: Sequence[int]) -> dict[str, float]:
        """Return what each recall is expected to be where candidates are ranked at random, by its name."""
        images, captions = len(self.image_to_text), len(self.text_to_image)
        to_text = {k: random_recall(self.right_texts, captions, k) for k in (1, *texts_at)}
        to_image = {k: random_recall(self.right_images, images, k) for k in (1, *images_at)}
        return {
            "mean_recall_at_1": (to_text[1] + to_image[1]) / 2,
            **{f"image_to_text_recall_at_{k}": value for k, value in to_text.items()},
            **{f"text_to_image_recall_at_{k}": value for k, value in to_image.items()},
        }


def both_ranks(captions: Captions, vectors: Vectors) -> Ranks:
    """Rank all captions for each image, and all images for each caption.

    A caption whose string stands at several images is right for each of them. Everything else that scores
    as high as the best right answer ranks before it.
    """
    appearances = np.bincount(captions.text)
    image, text = np.unique(np.stack([captions.image, captions.text]), axis=1)
    image_to_text = ranks_of_best(
        vectors.image_rows[vectors.image_column],
        vectors.text_rows,
        np.bincount(vectors.text_column, appearances).astype(np.int64),
        RightAnswers(image, vectors.text_column[text], appearances[text]),
    )
    by_text = np.argsort(text, kind="stable")
    text_to_image = ranks_of_best(
        vectors.text_rows[vectors.text_column],
        vectors.image_rows,
        np.bincount(vectors.image_column).astype(np.int64),
        RightAnswers(text[by_text], vectors.image_column[image[by_text]], np.ones(len(text), np.int64)),
    )
    return Ranks(
        image_to_text,
        text_to_image[captions.text],
        captions.image,
        right_texts=np.bincount(image, appearances[text]).astype(np.int64),
        right_images=np.bincount(text)[captions.text].astype(np.int64),
    )


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

    `n` counts queries: images for image to text, captions for text to image. Intervals resample images.
    """
    images, captions = len(ranks.image_to_text), len(ranks.text_to_image)
    chance = ranks.chance(texts_at, images_at)
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
            chance=chance.get(name),
        )
        for name, value, interval in zip(summary.names, values, intervals, strict=True)
    )


def _widened(interval: Interval, value: float, images: int) -> Interval:
    """Replace an interval of no width, which none or all found gives in every resample, by Wilson's over the images."""
    return wilson(value * images, images) if value in (0, 1) else interval
