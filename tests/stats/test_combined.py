"""Intervals of sums and ratios of proportions, against statsmodels and simulated worlds."""

import numpy as np
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

from clipbench.stats.combined import combined, ratio
from clipbench.stats.intervals import Interval, wilson


@pytest.mark.parametrize(("first", "second"), [((30, 40), (12, 50)), ((10, 10), (3, 25)), ((0, 20), (20, 20))])
def test_a_difference_of_two_shares_has_newcombe_s_interval(first, second):
    found = combined([first[0] / first[1], second[0] / second[1]], [wilson(*first), wilson(*second)], (1, -1))
    theirs = confint_proportions_2indep(*first, *second, method="newcomb", compare="diff")
    assert (found.low, found.high) == pytest.approx(theirs)
    assert (found.kind, found.level) == ("square-and-add", 0.95)


def test_estimates_that_are_the_same_are_as_unsure_together_as_alone():
    one, values = wilson(30, 40), [0.75] * 3
    same = combined(values, [one] * 3, np.full(3, 1 / 3), np.ones((3, 3)))
    assert (same.low, same.high) == pytest.approx((one.low, one.high))
    apart = combined(values, [one] * 3, np.full(3, 1 / 3))
    assert apart.high - apart.low == pytest.approx((one.high - one.low) / 3**0.5)
    # A difference of one and the same estimate is sure.
    none = combined(values[:2], [Interval(0.65, 0.85, "wilson")] * 2, (1, -1), np.ones((2, 2)))
    assert (none.low, none.high) == pytest.approx((0, 0), abs=1e-7)


def test_without_an_interval_of_each_there_is_none():
    assert combined([0.5, 0.5], [wilson(20, 40), None], (1, -1)) is None


def test_the_interval_of_a_ratio_covers():
    random, hits = np.random.default_rng(0), 0
    for first, second in random.binomial((150, 200), (0.6, 0.8), (2000, 2)).tolist():
        found = ratio(first / 150, second / 200, wilson(first, 150), wilson(second, 200))
        hits += found.low <= 0.75 <= found.high
    assert 0.935 <= hits / 2000 <= 0.965
    assert ratio(0.5, 0.05, wilson(5, 10), wilson(1, 20)) is None
