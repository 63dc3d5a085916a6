"""How often a 95 % interval of a difference holds the true one, in simulated answers of two classifiers.

Among 1,000 sets a rate of 0.95 has a standard error of 0.0069, and the 0.026 of one tail has 0.005. Bounds lie three
standard errors away: about the nominal rate where the interval keeps it, and elsewhere, as in the two tails of a skew
difference, about the rate that 6,000 other sets gave.
"""

from math import isclose

import numpy as np
import pytest

from clipbench.stats.intervals import Interval
from clipbench.stats.paired import paired_recall_difference, score_interval

SETS = 1000


def answers(random, only_first, only_second):
    """Return two classifiers' correctness: both right or both wrong but where chance makes only one of them right.

    only_first and only_second hold the chances, one for each example.
    """
    at, both = random.random((2, len(only_first)))
    first, second = at < only_first, (only_first <= at) & (at < only_first + only_second)
    agree = ~(first | second) & (both < 0.7)
    return first | agree, second | agree


def misses(intervals, truth):
    """Return the shares of intervals that end below the truth and that begin above it."""
    # An end is a count divided by n, so the truth may lie on it exactly: rounding must not decide.
    below = [one.high < truth and not isclose(one.high, truth, abs_tol=1e-9) for one in intervals]
    above = [one.low > truth and not isclose(one.low, truth, abs_tol=1e-9) for one in intervals]
    return np.mean(below), np.mean(above)


def difference_misses(n, only_first, only_second):
    random = np.random.default_rng(0)
    chances = np.full(n, only_first), np.full(n, only_second)
    answered = (answers(random, *chances) for _ in range(SETS))
    counts = [(np.count_nonzero(first & ~second), np.count_nonzero(second & ~first)) for first, second in answered]
    ends = np.transpose(score_interval(*np.transpose(counts), n))
    return misses([Interval(*pair, "score") for pair in ends.tolist()], only_first - only_second)


@pytest.mark.parametrize(
    ("n", "only_first", "only_second", "tails"),
    [
        (200, 0.04, 0.02, (0.031, 0.020)),
        (200, 0.08, 0.05, (0.024, 0.024)),
        (1000, 0.03, 0.015, (0.028, 0.022)),
        (1000, 0.01, 0.01, (0.024, 0.023)),
        (1000, 0.15, 0.10, (0.028, 0.027)),
    ],
)
def test_from_a_dozen_discordant_examples_on_a_difference_is_covered_at_the_nominal_rate(
    n, only_first, only_second, tails
):
    below, above = difference_misses(n, only_first, only_second)
    assert 1 - below - above == pytest.approx(0.95, abs=3 * 0.0069)
    assert (below, above) == pytest.approx(tails, abs=3 * 0.005)


def test_four_discordant_examples_all_won_by_the_better_one_are_covered_too():
    below, above = difference_misses(200, 0.02, 0.0)
    assert 1 - below - above >= 0.935


def test_a_difference_of_mean_recalls_is_covered_with_classes_of_different_sizes():
    """The smallest class has 40 examples, 8 of them discordant."""
    random, labels = np.random.default_rng(1), np.repeat([0, 1, 2], [40, 80, 160])
    only_first, only_second = np.array([0.15, 0.10, 0.08]), np.array([0.05, 0.20, 0.04])
    chances = only_first[labels], only_second[labels]
    found = [paired_recall_difference(labels, *answers(random, *chances))[1] for _ in range(SETS // 2)]
    below, above = misses(found, np.mean(only_first - only_second))
    assert 1 - below - above == pytest.approx(0.95, abs=3 * 0.0097)
