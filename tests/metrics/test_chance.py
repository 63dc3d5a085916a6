"""What metrics are without a look at the images."""

import numpy as np
import pytest
from scipy.stats import hypergeom

from clipbench.metrics.chance import random_recall, recall_baseline, top_k_baseline


def test_guessing_and_the_commonest_classes():
    counts = np.array([6, 1, 0, 3])
    assert (top_k_baseline(counts).chance, top_k_baseline(counts).commonest) == (0.25, 0.6)
    assert (top_k_baseline(counts, 2).chance, top_k_baseline(counts, 2).commonest) == (0.5, 0.9)
    # One class of the three that have images is right every time.
    assert (recall_baseline(counts).chance, recall_baseline(counts).commonest) == (0.25, pytest.approx(1 / 3))


@pytest.mark.parametrize("k", [1, 5, 10])
def test_recall_of_a_random_ranking_is_hypergeometric(k):
    right = np.array([1, 5, 18])
    assert random_recall(right, 20, k) == pytest.approx(np.mean(hypergeom.sf(0, 20, right, k)))
