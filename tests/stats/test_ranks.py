"""Orders of models: known answers, and tau against scipy's."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import kendalltau

from clipbench.stats.ranks import flip_shares, mean_tau_b, order_signs, tie_shares

# Three models, three templates: a > b > c, then b > a > c, then a = b > c.
VALUES = np.array([[9, 7, 8], [8, 8, 8], [1, 2, 3]])


def test_three_models_and_three_templates_by_hand():
    signs = order_signs(VALUES)
    assert signs.tolist() == [[1, -1, 0], [1, 1, 1], [1, 1, 1]]
    assert flip_shares(signs).tolist() == pytest.approx([1 / 3, 0, 0])
    assert tie_shares(signs).tolist() == pytest.approx([2 / 3, 0, 0])
    # (3 - 2 * 1) / 3 of the first two; 2 / sqrt(3 * 2) of either with the third.
    assert mean_tau_b(signs) == pytest.approx((1 / 3 + 2 * 2 / 6**0.5) / 3)


@pytest.mark.parametrize("levels", [3, 1000])
def test_tau_is_the_mean_of_scipys_over_pairs_of_templates(levels):
    values = np.random.default_rng(levels).integers(0, levels, (7, 6))
    theirs = [kendalltau(values[:, s], values[:, t]).statistic for s, t in combinations(range(6), 2)]
    assert mean_tau_b(order_signs(values)) == pytest.approx(np.mean(theirs))


def test_a_template_under_which_all_are_equal_has_no_order():
    assert mean_tau_b(order_signs(np.array([[3, 5, 4], [1, 5, 2]]))) == 1
    assert mean_tau_b(order_signs(np.array([[3, 5, 5], [1, 5, 5]]))) is None
