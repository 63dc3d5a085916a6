"""Tests of differences."""

import numpy as np
import pytest
from scipy.stats import binomtest
from scipy.stats import t as student

from clipbench.stats.significance import mcnemar, mean_is_zero


def test_mcnemar_of_many_pairs_is_the_exact_binomial_test_of_each():
    first, second = np.array([[0, 3, 150], [7, 4999, 0]]), np.array([[0, 3, 86], [1, 5001, 40]])
    found = mcnemar(first, second)
    pairs = zip(first.ravel().tolist(), second.ravel().tolist(), strict=True)
    expected = [binomtest(one, one + other).pvalue if one + other else 1.0 for one, other in pairs]
    np.testing.assert_allclose(found.ravel(), expected, rtol=1e-10)
    assert found[0, 0] == found[0, 1] == 1


def test_the_mean_of_differences_by_hand():
    values = np.array([1.0, 0.0, 0.5, 1.0, -0.5])
    t = values.mean() / (values.std(ddof=1) / np.sqrt(5))
    assert mean_is_zero(values) == pytest.approx(2 * student.sf(t, df=4))
    assert mean_is_zero(-values) == pytest.approx(mean_is_zero(values))
    assert (mean_is_zero(np.zeros(9)), mean_is_zero(np.full(9, -0.5))) == (1, 0)
