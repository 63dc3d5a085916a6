"""Intervals that hold together."""

import numpy as np
import pytest
from scipy.stats import norm, studentized_range

from clipbench.stats.simultaneous import bonferroni, critical_value, largest_of, largest_of_pairs, level_of


def test_one_difference_has_the_usual_critical_value():
    values = np.random.default_rng(0).integers(-1, 2, (500, 1))
    assert critical_value([largest_of(values)]) == pytest.approx(norm.ppf(0.975))
    assert bonferroni(1) == pytest.approx(1.959964, abs=1e-6)
    assert level_of(1.959964) == pytest.approx(0.95, abs=1e-6)


def test_independent_differences_have_sidaks_value():
    random = np.random.default_rng(0)
    together = largest_of(random.standard_normal((20_000, 10)))
    apart = [largest_of(random.standard_normal((2_000, 1)), seed) for seed in range(10)]
    sidak = norm.ppf(1 - (1 - 0.95 ** (1 / 10)) / 2)
    assert critical_value([together]) == pytest.approx(sidak, abs=0.03)
    assert critical_value(apart) == pytest.approx(sidak, abs=0.03)
    assert critical_value([largest_of(random.standard_normal((2_000, 1)))] * 10) == pytest.approx(sidak, abs=0.03)


def test_equal_differences_cost_nothing():
    same = np.tile(np.random.default_rng(0).standard_normal((1_000, 1)), 25)
    assert critical_value([largest_of(same)]) == pytest.approx(1.96, abs=0.03)


def test_all_pairs_of_independent_models_have_tukeys_value():
    values = np.random.default_rng(0).standard_normal((8, 20_000))
    tukey = studentized_range.ppf(0.95, 8, 1e6) / np.sqrt(2)
    assert critical_value([largest_of_pairs(values)]) == pytest.approx(tukey, abs=0.03)


def test_pairs_under_several_conditions_are_as_many_differences():
    values = np.random.default_rng(0).standard_normal((2, 20_000, 10))
    found, sidak = largest_of_pairs(values), norm.ppf(1 - (1 - 0.95 ** (1 / 10)) / 2)
    assert (found.count, critical_value([found])) == (10, pytest.approx(sidak, abs=0.03))
    assert (largest_of_pairs(values[:, :, :1]).draws == largest_of_pairs(values[:, :, 0]).draws).all()


def test_it_never_exceeds_bonferroni_and_differences_without_variation_count():
    values = np.random.default_rng(0).integers(-1, 2, (300, 6))
    values[:, 3] = 0
    found = largest_of(values)
    assert found.count == 6
    assert norm.ppf(0.975) < critical_value([found]) <= bonferroni(6)
    assert critical_value([largest_of(np.zeros((10, 3)))]) == pytest.approx(norm.ppf(0.975))
