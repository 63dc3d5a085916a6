"""Differences of two classifiers on the same examples."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import xlogy
from statsmodels.stats.contingency_tables import mcnemar

from clipbench.stats.paired import compare_pair, paired_difference, paired_recall_difference, score_interval
from clipbench.stats.significance import score_test


def two_classifiers(n, seed, better=0.05):
    """Two that share most of their mistakes."""
    generator = np.random.default_rng(seed)
    easy = generator.random(n)
    return easy < 0.7 + better * generator.random(n), easy < 0.7


def statistic(difference, only_first, only_second, n):
    """Tango's, with the likeliest share of examples that only the second is right about found by a search."""

    def loss(share):
        counts = np.array([only_first, only_second, n - only_first - only_second])
        return -np.sum(xlogy(counts, [share + difference, share, 1 - 2 * share - difference]))

    bounds = (max(0.0, -difference), (1 - difference) / 2)
    q = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
    return (only_first - only_second - n * difference) / np.sqrt(n * (2 * q + difference * (1 - difference)))


@pytest.mark.parametrize("counts", [(12, 2, 100), (5, 0, 1000), (0, 7, 60), (40, 38, 500), (9, 2, 10_000)])
def test_the_interval_inverts_the_score_test(counts):
    low, high = score_interval(*counts)
    assert statistic(low, *counts) == pytest.approx(1.959964, abs=1e-4)
    assert statistic(high, *counts) == pytest.approx(-1.959964, abs=1e-4)
    p = mcnemar([[0, counts[0]], [counts[1], 0]], exact=False, correction=False).pvalue
    assert score_test(counts[0], counts[1]) == pytest.approx(p)
    assert (p < 0.05) == (low > 0 or high < 0)


def test_intervals_of_many_pairs_at_once_are_those_of_each():
    first, second = np.meshgrid([0, 3, 20], [0, 1, 12])
    low, high = score_interval(first, second, 100)
    for at in np.ndindex(first.shape):
        each = score_interval(first[at], second[at], 100)
        assert [low[at], high[at]] == pytest.approx(list(map(float, each)))
    assert (low <= (first - second) / 100).all()
    assert (high >= (first - second) / 100).all()


def test_a_larger_critical_value_makes_it_wider():
    first, second = two_classifiers(300, 1)
    narrow, wide = compare_pair(first, second), compare_pair(first, second, 3.0, family=10)
    assert narrow.difference == pytest.approx(first.mean() - second.mean())
    assert wide.interval.low < narrow.interval.low < narrow.difference < narrow.interval.high < wide.interval.high
    assert (narrow.interval.family, wide.interval.family, wide.p) == (1, 10, narrow.p)


def test_without_a_discordant_example_the_interval_still_has_a_width():
    right = np.array([True] * 90 + [False] * 10)
    value, interval = paired_difference(right, right)
    z2 = 1.959964**2
    assert value == 0
    assert (interval.low, interval.high) == pytest.approx((-z2 / (100 + z2), z2 / (100 + z2)), rel=1e-4)
    assert interval.kind == "score"


@pytest.mark.parametrize("n", [10, 50])
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
    first, second = np.ones(100, bool), labels == 0
    value, interval = paired_recall_difference(labels, first, second)
    assert value == 0.5
    assert interval.low < 0.485 < 0.515 < interval.high
    same = paired_recall_difference(labels, first, first)
    assert (same[0], same[1].high) == (0, pytest.approx(paired_difference(first, first)[1].high))


@pytest.mark.parametrize("alike", [True, False])
def test_of_equally_large_classes_it_is_about_the_difference_of_accuracies(alike):
    labels = np.repeat(np.arange(20), 50)
    first, second = two_classifiers(1000, 3, better=0.3)
    if not alike:
        second = second & (labels % 2 == 0)
    value, interval = paired_recall_difference(labels, first, second)
    plain = paired_difference(first, second)
    assert value == pytest.approx(plain[0])
    width, of_plain = interval.high - interval.low, plain[1].high - plain[1].low
    # Classes that differ leave less within them.
    assert width == pytest.approx(of_plain, rel=0.02) if alike else width < 0.9 * of_plain


def test_the_recall_difference_weighs_classes_equally():
    labels = np.array([0] * 90 + [1] * 10)
    first = np.array([True] * 90 + [False] * 10)
    second = np.array([True] * 45 + [False] * 45 + [True] * 10)
    value, interval = paired_recall_difference(labels, first, second)
    assert value == pytest.approx((1 + 0) / 2 - (0.5 + 1) / 2)
    assert interval.low < value < interval.high


def test_other_examples_are_refused():
    with pytest.raises(ValueError, match="same examples"):
        paired_difference(np.array([True]), np.array([True, False]))
    with pytest.raises(ValueError, match="same examples"):
        paired_difference(np.array([], bool), np.array([], bool))
