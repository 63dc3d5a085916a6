"""Labelled examples a class that reach an accuracy."""

import numpy as np
import pytest

from clipbench.analyses.labels.shots_curve import first_reached

STEADY = [0.1, 0.2, 0.3, 0.4, 0.5]


def reach(accuracies, level, examples=(1, 2, 4, 8, 16)):
    return first_reached(examples, [accuracy - level for accuracy in accuracies])


@pytest.mark.parametrize(
    ("accuracies", "level", "expected"),
    [
        # Between two points it is linear in the logarithm; a level that a point meets exactly takes that many.
        (STEADY, 0.35, 4 * np.sqrt(2)),
        (STEADY, 0.1, 1),
        (STEADY, 0.4, 8),
        (STEADY, 0.5, 16),
        ([0.2] * 5, 0.2, 1),
        # Of a curve that falls again the first crossing counts.
        ([0.1, 0.3, 0.2, 0.4, 0.5], 0.2, np.sqrt(2)),
    ],
)
def test_by_hand(accuracies, level, expected):
    assert reach(accuracies, level) == pytest.approx(expected)


@pytest.mark.parametrize("level", [0.05, 0.51])
def test_outside_the_curve_it_has_no_number(level):
    assert reach(STEADY, level) is None


def test_of_a_rising_curve_it_is_the_inverse_of_interpolation():
    random = np.random.default_rng(1)
    numbers = [1, 2, 4, 8, 16, 2000]
    for _ in range(200):
        curve = np.cumsum(random.uniform(0.01, 0.2, 6))
        level = random.uniform(curve[0], curve[-1])
        assert np.interp(np.log(reach(curve, level, numbers)), np.log(numbers), curve) == pytest.approx(level)
