"""Ranks of images for captions and of captions for images; recall and median rank, with intervals over the images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from clipbench.arrays import BoolArray, Float32Array, Float64Array, IntArray
from clipbench.errors import UserError
from clipbench.metrics.chance import random_recall
from clipbench.metrics.ranking import RightAnswers, ranks_of_best
from clipbench.metrics.vectors import distinct_rows, refuse_directionless, unit_rows
from clipbench.stats.clusters import design, share_interval
from clipbench.stats.intervals import Interval
from clipbench.tasks.base import ImageSet, Inputs, Metric
from clipbench.tasks.classify.decisions import unit_chunks

FIXED_GALLERY, FIXED_GALLERY_CLUSTERS = "fixed gallery", "fixed gallery, clusters"
"""Of the intervals."""

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

    def found(self, hits: BoolArray) -> Found:
        """Return the share of the (n,) images that find a caption."""
        return Found(float(hits.mean()), hits.astype(np.float64), ~hits)

    def found_by_captions(self, hits: BoolArray) -> Found:
        """Return the share of the (T,) captions that find their image, with what each image's captions add to it."""
        counts, right = np.bincount(self.image), np.bincount(self.image, hits)
        value = float(hits.mean())
        return Found(value, value + (right - value * counts) * len(counts) / len(hits), right < counts)

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


def retrieval_metrics(
    ranks: Ranks, texts_at: Sequence[int], images_at: Sequence[int], clusters: IntArray | None = None
) -> tuple[Metric, ...]:
    """Return recall at each k and the median rank both ways, and the mean of the two recalls at 1.

    `n` counts queries: images for image to text, captions for text to image. Intervals are over images, each with its
    captions, or over (n,) clusters of them; what is searched, the gallery, is held fixed.
    """
    chance = ranks.chance(texts_at, images_at)
    to_text = {k: ranks.found(ranks.image_to_text <= k) for k in (1, *texts_at)}
    to_image = {k: ranks.found_by_captions(ranks.text_to_image <= k) for k in (1, *images_at)}
    recalls = {
        "mean_recall_at_1": _mean(to_text[1], to_image[1]),
        **{f"image_to_text_recall_at_{k}": to_text[k] for k in texts_at},
        **{f"text_to_image_recall_at_{k}": to_image[k] for k in images_at},
    }
    medians = {
        "image_to_text_median_rank": _median(ranks.image_to_text, ranks.found, clusters),
        "text_to_image_median_rank": _median(ranks.text_to_image, ranks.found_by_captions, clusters),
    }
    images, captions = len(ranks.image_to_text), len(ranks.text_to_image)
    queries = {name: captions if name.startswith("text_to_image") else images for name in (*recalls, *medians)}
    gallery = {"gallery_images": images, "gallery_texts": captions}
    return (
        *(
            Metric(name, found.value, queries[name], found.interval(clusters), params=gallery, chance=chance[name])
            for name, found in recalls.items()
        ),
        *(
            Metric(name, value, queries[name], interval, unit="rank", params=gallery)
            for name, (value, interval) in medians.items()
        ),
    )


@dataclass(frozen=True)
class Found:
    """A share of queries whose answer is found."""

    value: float
    influence: Float64Array
    """(n,) what each image adds to it to first order: their mean is the value."""
    missed: BoolArray
    """(n,) images of which any query misses."""

    @property
    def independent(self) -> float:
        """Of how many images a proportion has the variance that this share has."""
        images, variance = len(self.influence), float(np.var(self.influence))
        return images * self.value * (1 - self.value) / variance if variance > 0 and 0 < self.value < 1 else images

    def interval(self, clusters: IntArray | None, share: float | None = None) -> Interval | None:
        """Return Wilson's, of another share if one is given."""
        at = self.value if share is None else share
        found = share_interval(at, self.independent, design(self.influence, clusters, self.missed))
        return found and replace(found, kind=FIXED_GALLERY if clusters is None else FIXED_GALLERY_CLUSTERS)


def _mean(first: Found, second: Found) -> Found:
    influence = (first.influence + second.influence) / 2
    return Found((first.value + second.value) / 2, influence, first.missed | second.missed)


def _median(
    ranks: IntArray, found: Callable[[BoolArray], Found], clusters: IntArray | None
) -> tuple[float, Interval | None]:
    """Return the median of ranks, and the ranks at the ends of an interval of the half.

    Source: Woodruff 1952, "Confidence intervals for medians and other position measures".
    """
    median = float(np.median(ranks))
    # Of many equal ranks more than half are at or below the median; the interval is for the half.
    around = found(ranks <= median).interval(clusters, 0.5)
    if around is None:
        return median, None
    low, high = (float(np.quantile(ranks, end, method="inverted_cdf")) for end in (around.low, around.high))
    return median, replace(around, low=min(low, median), high=max(high, median))
