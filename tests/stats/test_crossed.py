import numpy as np
import pytest

from clipbench.stats.crossed import crossed_components


def test_components_by_hand():
    # Rows 1 1 1, 1 1 0, 1 0 0, 0 0 0. The grand mean is 1/2, the means of the columns are 3/4, 1/2, 1/4, those of the
    # rows 1, 2/3, 1/3, 0. Sums of squares: columns 4 (1/16 + 0 + 1/16) = 1/2, rows 3 (1/4 + 1/36 + 1/36 + 1/4) = 5/3,
    # total 12 / 4 = 3, so residual 5/6. Mean squares: columns 1/4, rows 5/9, residual 5/36.
    found = crossed_components(np.tril(np.ones((4, 3), bool), -1)[::-1], resamples=10)
    assert found.columns.value == pytest.approx((1 / 4 - 5 / 36) / 4)
    assert found.rows.value == pytest.approx((5 / 9 - 5 / 36) / 3)
    assert found.residual.value == pytest.approx(5 / 36)
    # Four rows and three columns are too few to resample.
    assert found.rows.over_rows is None
    assert found.rows.over_columns is None


def test_known_components_are_found_in_a_simulation_and_covered_by_their_intervals():
    random = np.random.default_rng(1)
    estimates, covered = [], []
    for _ in range(60):
        rows, columns = random.normal(0, 2, (150, 1)), random.normal(0, 0.5, (1, 12))
        found = crossed_components(5 + rows + columns + random.normal(0, 1, (150, 12)), resamples=300)
        estimates.append([found.columns.value, found.rows.value, found.residual.value])
        interval = found.rows.over_rows
        covered.append(interval.low <= 4 <= interval.high)
    assert np.mean(estimates, axis=0) == pytest.approx([0.25, 4, 1], rel=0.12)
    assert np.mean(covered) > 0.85


def test_a_column_without_effect_may_have_a_negative_estimate_which_is_shown():
    # Each column has the same mean, so its mean square is 0.
    found = crossed_components(np.array([[0, 1], [1, 0]]), resamples=10)
    assert found.columns.value == pytest.approx(-0.5)
    assert found.residual.value == pytest.approx(1)


def test_resamples_of_rows_are_centred_on_the_estimate():
    """Repeated rows would put about residual / n on the columns' component: here 0.04, as much as the component."""
    random = np.random.default_rng(2)
    responses = random.normal(0, 0.2, (1, 40)) + random.normal(0, 1, (25, 40))
    found = crossed_components(responses).columns
    middle = (found.over_rows.low + found.over_rows.high) / 2
    assert middle == pytest.approx(found.value, abs=0.02)
    assert found.value == pytest.approx(0.04, abs=0.03)


def test_rows_and_columns_change_places_with_the_layout():
    responses = np.random.default_rng(3).random((30, 7)) < 0.5
    found, turned = crossed_components(responses), crossed_components(responses.T)
    assert found.columns.value == pytest.approx(turned.rows.value)
    assert found.rows.over_columns.low == pytest.approx(turned.columns.over_rows.low)


def test_where_nothing_varies_there_is_no_interval():
    found = crossed_components(np.ones((8, 6), bool), resamples=20)
    assert (found.columns.value, found.rows.value, found.residual.value) == (0, 0, 0)
    assert found.residual.over_rows is None


def test_one_column_is_an_error():
    with pytest.raises(ValueError, match="at least two rows and two columns"):
        crossed_components(np.ones((8, 1)))
