"""Several differences on the same examples, whose intervals hold together."""

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.weightstats import DescrStatsW

from clipbench.stats.differences import simultaneous_differences
from clipbench.stats.paired import compare_pair


def answers(n, count, seed=0, share=0.7):
    return list(np.random.default_rng(seed).random((count, n)) < share)


def test_one_difference_has_its_own_interval():
    first, second = answers(200, 2)
    (found,) = simultaneous_differences([(first, second)])
    assert (found.value, found.interval) == (
        compare_pair(first, second).difference,
        compare_pair(first, second).interval,
    )
    assert found.numbers == (found.value, found.interval.low, found.interval.high)
    (shares,) = simultaneous_differences([(np.stack(answers(200, 4)).mean(axis=0), second)])
    apart = np.stack(answers(200, 4)).mean(axis=0) - second
    assert [shares.interval.low, shares.interval.high] == pytest.approx(DescrStatsW(apart).tconfint_mean())


def test_independent_differences_have_intervals_of_sidaks_level():
    first, second = answers(4000, 10), answers(4000, 10, seed=1)
    sidak = norm.ppf(1 - (1 - 0.95 ** (1 / 10)) / 2)
    for found, one, other in zip(
        simultaneous_differences(list(zip(first, second, strict=True))), first, second, strict=True
    ):
        expected = compare_pair(one, other, sidak).interval
        assert [found.interval.low, found.interval.high] == pytest.approx([expected.low, expected.high], abs=1e-3)
        assert found.interval.family == 10


def test_without_variation_only_truth_values_have_an_interval():
    right, half = np.ones(50, bool), np.full(50, 0.5)
    same, constant = simultaneous_differences([(right, right), (right, half)])
    assert (same.value, constant.value, constant.interval) == (0, 0.5, None)
    assert same.interval.low < 0 < same.interval.high
    assert simultaneous_differences([]) == []


@pytest.mark.slow
def test_where_nothing_differs_a_table_claims_a_difference_in_few_worlds(monkeypatch):
    """Six wordings, two shares and an ensemble against a plain wording, all equally good; three standard errors."""
    monkeypatch.setattr("clipbench.stats.simultaneous.DRAWS", 1000)
    random, worlds, claims = np.random.default_rng(3), 300, 0
    for _ in range(worlds):
        hard = random.normal(size=(150, 1))
        right = hard + 0.6 * random.normal(size=(150, 8)) < 0.8
        plain = right[:, 0]
        pairs = [(right[:, at], plain) for at in range(1, 7)]
        pairs += [(right[:, 1:4].mean(axis=1), plain), (right[:, 4:].mean(axis=1), plain)]
        claims += any(found.interval.low > 0 or found.interval.high < 0 for found in simultaneous_differences(pairs))
    assert claims / worlds <= 0.05 + 3 * (0.05 * 0.95 / worlds) ** 0.5
