"""Differences of two classifiers on the same examples."""

import numpy as np
import pytest

from clipbench.stats.paired import paired_difference, paired_recall_difference


def two_classifiers(n, seed, better=0.05):
    """Two that share most of their mistakes."""
    generator = np.random.default_rng(seed)
    easy = generator.random(n)
    return easy < 0.7 + better * generator.random(n), easy < 0.7


def test_it_is_the_bootstrap_over_examples():
    first, second = two_classifiers(300, 1)
    rows = np.random.default_rng(5).integers(0, 300, (20_000, 300))
    drawn = first[rows].mean(axis=1) - second[rows].mean(axis=1)
    value, interval = paired_difference(first, second, resamples=20_000)
    assert (value, interval.kind) == (pytest.approx(first.mean() - second.mean()), "paired bootstrap")
    assert [interval.low, interval.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=2 / 300)
    assert interval.kind == "paired bootstrap"


def test_without_a_discordant_example_the_interval_still_has_a_width():
    right = np.array([True] * 90 + [False] * 10)
    value, interval = paired_difference(right, right)
    z2 = 1.959964**2
    assert value == 0
    assert (interval.low, interval.high) == pytest.approx((-z2 / (100 + z2), z2 / (100 + z2)), rel=1e-4)
    assert interval.kind == "score"
    labels = np.repeat([0, 1], 50)
    same = paired_recall_difference(labels, right, right)
    assert same[0] == 0
    assert same[1].high == pytest.approx(interval.high)


@pytest.mark.parametrize("n", [5, 50])
def test_right_about_all_against_right_about_none_has_tangos_interval(n):
    right, wrong, z2 = np.ones(n, bool), np.zeros(n, bool), 1.959964**2
    value, interval = paired_difference(right, wrong)
    assert (value, interval.high, interval.kind) == (1, 1, "score")
    # Tango's statistic (b - c - n d) / sqrt(n (2 q + d (1 - d))) with b = n, c = 0, hence q = (1 - d) / 2.
    q = (1 - interval.low) / 2
    statistic = n * (1 - interval.low) / np.sqrt(n * (2 * q + interval.low * (1 - interval.low)))
    assert statistic == pytest.approx(np.sqrt(z2), rel=1e-5)
    value, turned = paired_difference(wrong, right)
    assert (value, turned.low, turned.high) == (-1, -1, pytest.approx(-interval.low))


def test_classes_that_each_have_one_outcome_leave_an_interval_with_a_width():
    labels = np.repeat([0, 1], 50)
    # In the first class both are right about the same half of the examples; only the first is right in the second.
    both = np.arange(50) % 2 == 0
    first, second = np.concatenate([both, np.ones(50, bool)]), np.concatenate([both, np.zeros(50, bool)])
    value, interval = paired_recall_difference(labels, first, second)
    part = 1.959964**2 / (50 + 1.959964**2)
    assert value == 0.5
    assert interval.high == pytest.approx(0.5 + part / 2, rel=1e-5)
    assert interval.low == pytest.approx(0.5 - np.hypot(part / 2, part), rel=1e-5)
    assert interval.kind == "score"


def test_the_recall_difference_weighs_classes_equally():
    labels = np.array([0] * 90 + [1] * 10)
    first = np.array([True] * 90 + [False] * 10)
    second = np.array([True] * 45 + [False] * 45 + [True] * 10)
    value, interval = paired_recall_difference(labels, first, second)
    assert value == pytest.approx((1 + 0) / 2 - (0.5 + 1) / 2)
    generator = np.random.default_rng(7)
    drawn = []
    for _ in range(4000):
        rows = generator.integers(0, 100, 100)
        recalls = [
            np.mean([right[rows][labels[rows] == c].mean() for c in (0, 1) if (labels[rows] == c).any()])
            for right in (first, second)
        ]
        drawn.append(recalls[0] - recalls[1])
    assert [interval.low, interval.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.01)


def test_other_examples_are_refused():
    with pytest.raises(ValueError, match="same examples"):
        paired_difference(np.array([True]), np.array([True, False]))
    with pytest.raises(ValueError, match="same examples"):
        paired_difference(np.array([], bool), np.array([], bool))
