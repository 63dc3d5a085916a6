"""Tests of differences."""

import numpy as np
import pytest
from scipy.stats import t as student

from clipbench.stats.significance import mean_is_zero


def test_the_mean_of_differences_by_hand():
    values = np.array([1.0, 0.0, 0.5, 1.0, -0.5])
    t = values.mean() / (values.std(ddof=1) / np.sqrt(5))
    assert mean_is_zero(values) == pytest.approx(2 * student.sf(t, df=4))
    assert mean_is_zero(-values) == pytest.approx(mean_is_zero(values))
    assert (mean_is_zero(np.zeros(9)), mean_is_zero(np.full(9, -0.5))) == (1, 0)
    with pytest.raises(ValueError, match="two values or more"):
        mean_is_zero(np.ones(1))
