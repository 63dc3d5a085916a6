"""Means over classes with few examples each."""

import numpy as np
import pytest

from clipbench.stats.intervals import wilson
from clipbench.stats.paired import paired_recall_difference
from clipbench.stats.recalls import recall_interval

SETS = 150
"""The standard error of a rate of 0.95 is 0.018."""

SIZES = {"one": [1], "two": [2], "mixed": [1, 1, 2, 3, 20], "twenty": [20]}
EASY = {"alike": [0.7], "near the ceiling": [0.97], "easy and hard": [0.99, 0.1, 0.5]}


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("chances", EASY.values(), ids=EASY)
def test_mean_recalls_and_their_differences_are_covered_with_few_images_a_class(sizes, chances):
    labels, p = np.repeat(np.arange(40), np.resize(sizes, 40)), np.resize(chances, 40)
    random = np.random.default_rng(0)
    covered = []
    for _ in range(SETS):
        first, second = random.random((2, len(labels))) < p[labels]
        one, (_, two) = recall_interval(labels, first), paired_recall_difference(labels, first, second)
        covered.append([one.low <= p.mean() <= one.high, two.low <= 0 <= two.high])
    assert np.mean(covered, axis=0).min() >= 0.9


def test_of_equally_large_classes_with_one_recall_it_is_wilsons():
    labels = np.repeat(np.arange(10), 100)
    right = np.tile(np.arange(100) < 80, 10)
    found, plain = recall_interval(labels, right), wilson(800, 1000)
    assert [found.low, found.high] == pytest.approx([plain.low, plain.high], abs=0.001)
    all_right = recall_interval(labels, np.ones(1000, bool))
    assert (all_right.low, all_right.high) == (pytest.approx(wilson(1000, 1000).low), 1)


def test_clusters_widen_it_and_few_images_have_none():
    random = np.random.default_rng(0)
    labels, clusters = np.tile(np.arange(5), 200), np.repeat(np.arange(50), 20)
    right = random.random(50)[clusters] < 0.7
    apart, together = recall_interval(labels, right), recall_interval(labels, right, clusters)
    assert together.kind == "cluster wilson"
    assert together.high - together.low > 2 * (apart.high - apart.low)
    assert recall_interval(labels[:9], right[:9]) is None
