"""Made-up answers to images of many classes, and to images in clusters, with a known truth, for `coverage.py`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap

import numpy as np
from numpy.random import Generator
from worlds.cases import Draw, IntervalCase

from clipbench.arrays import IntArray
from clipbench.stats.clusters import design, share_interval
from clipbench.stats.paired import paired_recall_difference
from clipbench.stats.recalls import recall_interval


def mean_recall(classes: int, sizes: Sequence[int], chances: Sequence[float]) -> IntervalCase:
    labels = np.repeat(np.arange(classes), np.resize(sizes, classes))
    of_class = np.resize(chances, classes)

    def draw(random: Generator) -> Draw:
        right = random.random(len(labels)) < of_class[labels]
        return recall_interval(labels, right), float(of_class.mean())

    world = f"{classes} classes of {_listed(sizes)} images, right with {_listed(chances)}"
    return IntervalCase("mean per-class recall", world, draw)


def recall_difference(classes: int, sizes: Sequence[int], apart: Sequence[tuple[float, float]]) -> IntervalCase:
    labels = np.repeat(np.arange(classes), np.resize(sizes, classes))
    of_first, of_second = np.resize(np.transpose(apart), (2, len(apart)))[:, np.arange(classes) % len(apart)]

    def draw(random: Generator) -> Draw:
        luck, both = random.random(len(labels)), random.random(len(labels)) < 0.5
        first = luck < of_first[labels]
        second = ~first & (luck < (of_first + of_second)[labels])
        neither = ~first & ~second & both
        truth = float((of_first - of_second).mean())
        return paired_recall_difference(labels, first | neither, second | neither)[1], truth

    world = f"{classes} classes of {_listed(sizes)} images, {_listed(apart)} apart"
    return IntervalCase("difference of mean recalls", world, draw)


def clustered_share(clusters: int, sizes: Sequence[int], alike: float, share: float) -> IntervalCase:
    """Each image answers as its cluster does, with a chance of `alike`, else by itself."""
    place: IntArray = np.repeat(np.arange(clusters), np.resize(sizes, clusters))

    def draw(random: Generator) -> Draw:
        together, own = random.random(clusters)[place] < share, random.random(len(place)) < share
        right = np.where(random.random(len(place)) < alike, together, own)
        return share_interval(float(right.mean()), len(place), design(right, place)), share

    world = f"{clusters} clusters of {_listed(sizes)}, {alike} alike, p = {share}"
    return IntervalCase("accuracy of clustered images", world, draw)


def _listed(numbers: Sequence[object]) -> str:
    return "/".join(map(str, numbers))


INTERVALS: list[IntervalCase] = [
    *(
        mean_recall(classes, sizes, chances)
        for classes in (20, 102)
        for sizes in ((1,), (2,), (1, 1, 2, 3, 20), (20,))
        for chances in ((0.7,), (0.97,), (0.99, 0.1))
    ),
    *(
        recall_difference(classes, sizes, apart)
        for classes in (20, 102)
        for sizes in ((1,), (2,), (1, 1, 2, 3, 20))
        for apart in (((0.1, 0.1),), ((0.15, 0.05),), ((0.5, 0.0), (0.0, 0.3), (0.0, 0.0), (0.1, 0.1)))
    ),
    *starmap(
        clustered_share,
        [
            *(
                (clusters, (10,), alike, share)
                for clusters in (30, 100)
                for alike in (0.0, 0.5, 1.0)
                for share in (0.5, 0.9)
            ),
            *((100, (2, 5, 20), alike, share) for share in (0.9, 0.97) for alike in (0.0, 0.5, 1.0)),
            (300, (60, *[5] * 9), 0.5, 0.9),
        ],
    ),
]
