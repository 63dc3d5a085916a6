"""Labelled examples a class that reach an accuracy."""

import numpy as np
import pytest

from clipbench.analyses.labels.shots_curve import examples_to_reach


def reach(accuracies, level, examples=(1, 2, 4, 8, 16)):
    return float(examples_to_reach(np.array(examples), np.array([accuracies]), np.array([level]))[0])


def test_between_two_points_it_is_linear_in_the_logarithm():
    assert reach([0.1, 0.2, 0.3, 0.4, 0.5], 0.35) == pytest.approx(4 * np.sqrt(2))
    assert reach([0.1, 0.2, 0.3, 0.4, 0.5], 0.4) == pytest.approx(8)
    assert reach([0.5, 0.7], 0.6, examples=(16, 1600)) == pytest.approx(160)


def test_outside_the_curve_it_has_no_number():
    assert reach([0.1, 0.2, 0.3, 0.4, 0.5], 0.05) == -np.inf
    assert reach([0.1, 0.2, 0.3, 0.4, 0.5], 0.51) == np.inf


def test_a_level_that_a_point_meets_exactly_takes_that_many():
    assert reach([0.1, 0.2, 0.3, 0.4, 0.5], 0.1) == 1
    assert reach([0.1, 0.2, 0.3, 0.4, 0.5], 0.5) == pytest.approx(16)
    assert reach([0.2, 0.2, 0.2, 0.2, 0.2], 0.2) == 1


def test_of_rising_curves_it_is_the_inverse_of_interpolation():
    generator = np.random.default_rng(1)
    numbers = np.array([1, 2, 4, 8, 16, 2000])
    curves = np.cumsum(generator.uniform(0.01, 0.2, (200, 6)), axis=1)
    levels = generator.uniform(curves[:, 0], curves[:, -1])
    found = examples_to_reach(numbers, curves, levels)
    assert ((found >= 1) & (found <= 2000)).all()
    at = [np.interp(np.log(one), np.log(numbers), curve) for one, curve in zip(found, curves, strict=True)]
    assert at == pytest.approx(levels)
    higher = examples_to_reach(numbers, curves, np.minimum(levels + 0.01, curves[:, -1]))
    assert (higher >= found).all()


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
