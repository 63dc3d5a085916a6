"""Labelled examples a class that reach an accuracy."""

import numpy as np
import pytest

from clipbench.analyses.labels.shots_curve import examples_to_reach


def reach(accuracies, level, examples=(1, 2, 4, 8, 16)):
    return float(examples_to_reach(np.array(examples), np.array([accuracies]), np.array([level]))[0])


STEADY = [0.1, 0.2, 0.3, 0.4, 0.5]


@pytest.mark.parametrize(
    ("accuracies", "level", "expected"),
    [
        # Between two points it is linear in the logarithm; a level that a point meets exactly takes that many.
        (STEADY, 0.35, 4 * np.sqrt(2)),
        (STEADY, 0.1, 1),
        (STEADY, 0.4, 8),
        (STEADY, 0.5, 16),
        ([0.2] * 5, 0.2, 1),
        # Outside the curve it has no number.
        (STEADY, 0.05, -np.inf),
        (STEADY, 0.51, np.inf),
        # Of a curve that falls again the first crossing counts.
        ([0.1, 0.3, 0.2, 0.4, 0.5], 0.2, np.sqrt(2)),
    ],
)
def test_by_hand(accuracies, level, expected):
    assert reach(accuracies, level) == pytest.approx(expected)


def test_of_rising_curves_it_is_the_inverse_of_interpolation():
    generator = np.random.default_rng(1)
    numbers = np.array([1, 2, 4, 8, 16, 2000])
    curves = np.cumsum(generator.uniform(0.01, 0.2, (200, 6)), axis=1)
    levels = generator.uniform(curves[:, 0], curves[:, -1])
    found = examples_to_reach(numbers, curves, levels)
    assert ((found >= 1) & (found <= 2000)).all()
    reached = [np.interp(np.log(count), np.log(numbers), curve) for count, curve in zip(found, curves, strict=True)]
    assert reached == pytest.approx(levels)
    higher = examples_to_reach(numbers, curves, np.minimum(levels + 0.01, curves[:, -1]))
    assert (higher >= found).all()


@pytest.mark.parametrize("numbers", [[], [0, 1], [1, 1], [4, 2]])
def test_numbers_that_do_not_ascend_are_refused(numbers):
    with pytest.raises(ValueError, match="ascending"):
        examples_to_reach(np.array(numbers), np.zeros((1, len(numbers))), np.zeros(1))
