"""Labelled examples a class that reach an accuracy."""

import numpy as np
import pytest

from clipbench.stats.label_need import examples_to_reach


def reach(accuracies, level, examples=(1, 2, 4, 8, 16)):
    return float(examples_to_reach(np.array(examples), np.array([accuracies]), np.array([level]))[0])


def test_between_two_points_it_is_linear_in_the_logarithm():
    assert reach([0.1, 0.2, 0.3, 0.4, 0.5], 0.35) == pytest.approx(4 * np.sqrt(2))
    assert reach([0.1, 0.2, 0.3, 0.4, 0.5], 0.4) == pytest.approx(8)
    assert reach([0.5, 0.7], 0.6, examples=(16, 1600)) == pytest.approx(160)


def test_outside_the_curve_it_has_no_number():
    assert reach([0.1, 0.2, 0.3, 0.4, 0.5], 0.05) == -np.inf
    assert reach([0.1, 0.2, 0.3, 0.4, 0.5], 0.1) == -np.inf
    assert reach([0.1, 0.2, 0.3, 0.4, 0.5], 0.51) == np.inf


def test_of_a_curve_that_falls_again_the_first_crossing_counts():
    assert reach([0.1, 0.3, 0.2, 0.4, 0.5], 0.2) == pytest.approx(np.sqrt(2))


def test_many_curves_at_once_are_each_on_their_own():
    generator = np.random.default_rng(0)
    curves, levels = generator.random((50, 5)), generator.random(50)
    numbers = np.array([1, 2, 4, 8, 16])
    together = examples_to_reach(numbers, curves, levels)
    assert together.tolist() == [reach(curve, level) for curve, level in zip(curves, levels, strict=True)]


@pytest.mark.parametrize("numbers", [[], [0, 1], [1, 1], [4, 2]])
def test_numbers_that_do_not_ascend_are_refused(numbers):
    with pytest.raises(ValueError, match="ascending"):
        examples_to_reach(np.array(numbers), np.zeros((1, len(numbers))), np.zeros(1))
