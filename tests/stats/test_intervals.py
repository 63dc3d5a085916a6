import math

import numpy as np
import pytest
from scipy.stats import binom, binomtest, chi2

from clipbench.results.records import Record
from clipbench.stats.intervals import MIN_EXAMPLES, Interval, wilson
from clipbench.tasks.base import Metric


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)],
)
def test_wilson_gives_the_values_of_newcombe_1998_table_1(correct, n, low, high):
    interval = wilson(correct, n)
    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)
    assert (interval.kind, interval.level) == ("wilson", 0.95)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.999])
@pytest.mark.parametrize(("correct", "n"), [(0, 9), (9, 9), (4, 9), (6733, 10_000), (49_996, 50_000)])
def test_wilson_agrees_with_scipy(correct, n, level):
    ours = wilson(correct, n, level)
    theirs = binomtest(correct, n).proportion_ci(level, method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize(("correct", "n"), [(1, 29), (2, 50), (3, 51), (3, 10_000)])
def test_near_none_and_all_the_end_is_that_of_a_poisson_share(correct, n):
    """Brown, Cai and DasGupta 2001, section 4.1.1."""
    assert wilson(correct, n).low == pytest.approx(chi2.ppf(0.05, 2 * correct) / 2 / n)
    assert wilson(n - correct, n).high == pytest.approx(1 - wilson(correct, n).low)


@pytest.mark.parametrize("n", [10, 30, 50, 100, 1000])
def test_wilson_covers_every_proportion(n):
    counts = np.arange(n + 1)
    low, high = np.array([(found.low, found.high) for found in (wilson(int(count), n) for count in counts)]).T
    for share in np.linspace(0.005, 0.995, 199):
        assert binom.pmf(counts, n, share)[(low <= share) & (share <= high)].sum() > 0.91


@pytest.mark.parametrize("n", [1, 3, 10, 49, 10_000])
def test_a_value_of_none_or_all_lies_within_its_interval(n):
    assert wilson(0, n).low == 0.0
    assert wilson(n, n).high == 1.0
    assert 0 < wilson(n, n).low < 1


@pytest.mark.parametrize(("correct", "n"), [(0, 0), (5, 4), (-1, 4), (math.nan, 4)])
def test_wilson_refuses_impossible_counts(correct, n):
    with pytest.raises(ValueError, match="0 <= correct <= n"):
        wilson(correct, n)


def test_a_level_that_is_none_is_refused():
    with pytest.raises(ValueError, match="level must lie between 0 and 1, got 95"):
        wilson(1, 2, 95)


def test_the_fewest_examples_are_where_wilsons_interval_covers():
    p = np.linspace(0.02, 0.98, 961)

    def covered(n):
        correct = np.arange(n + 1)[:, None]
        low, high = np.transpose([(found.low, found.high) for found in (wilson(k, n) for k in range(n + 1))])[..., None]
        return (binom.pmf(correct, n, p) * ((low <= p) & (p <= high))).sum(axis=0)

    def around(n):
        """Mean over all within 0.05 of a proportion, the least of any."""
        return np.convolve(covered(n), np.full(101, 1 / 101), "valid").min()

    for n in (MIN_EXAMPLES, 12, 15, 30, 100):
        assert covered(n).min() > 0.91
        assert around(n) > 0.945
    assert around(6) < 0.942


def test_no_record_of_fewer_examples_has_an_interval():
    few, enough = (Record.of(Metric("top1", 0.5, n, Interval(0.4, 0.6, "wilson"))) for n in (9, MIN_EXAMPLES))
    assert (few.value, few.low, few.high, few.interval) == (0.5, None, None, "")
    assert (enough.low, enough.interval) == (0.4, "wilson")
