"""Student's t interval against scipy's."""

import pytest
import scipy.stats

from clipbench.stats.intervals import student

VALUES = [0.61, 0.58, 0.66, 0.6, 0.63]


@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_interval_is_scipys(count, level):
    found = student(VALUES[:count], level)
    mean, error = sum(VALUES[:count]) / count, scipy.stats.sem(VALUES[:count])
    assert (found.low, found.high) == pytest.approx(scipy.stats.t.interval(level, count - 1, mean, error))
    assert (found.kind, found.level) == ("student", level)


def test_equal_values_leave_nothing_uncertain():
    found = student([0.1, 0.1, 0.1])
    assert (found.low, found.high) == pytest.approx((0.1, 0.1), abs=1e-12)


@pytest.mark.parametrize(("values", "level", "what"), [([0.5], 0.95, "two values"), (VALUES, 1.0, "level")])
def test_what_has_no_interval(values, level, what):
    with pytest.raises(ValueError, match=what):
        student(values, level)
