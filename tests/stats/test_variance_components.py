from itertools import combinations_with_replacement
from math import factorial, prod

import numpy as np
import pytest

from clipbench.stats.bootstrap import resampled_units
from clipbench.stats.variance_components import variance_components

TWO, THREE = ("example", "template"), ("example", "template", "names")


def values(responses, axes=THREE):
    """The estimates alone."""
    return {name: one.value for name, one in variance_components(responses, axes, resampled=()).items()}


def mean_squares(responses):
    """The analysis of variance by least squares on dummy variables: each term in turn takes what is left of a fit."""
    levels = [np.eye(n) for n in responses.shape]
    flat, ones = responses.ravel(), [np.ones((n, 1)) for n in responses.shape]
    terms = [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)] if responses.ndim == 3 else [(0,), (1,), (0, 1)]
    design = np.ones((flat.size, 1))
    left, found = flat - flat.mean(), {}
    for term in terms:
        dummies = np.ones((1, 1))
        for axis in range(responses.ndim):
            dummies = np.kron(dummies, levels[axis] if axis in term else ones[axis])
        design = np.hstack([design, dummies])
        rest = flat - design @ np.linalg.lstsq(design, flat, rcond=None)[0]
        found[term] = (left @ left - rest @ rest) / prod(responses.shape[axis] - 1 for axis in term)
        left = rest
    return found


def written_out(mean_squares, shape):
    """Expected mean squares solved for the components, one formula each."""
    if len(shape) == 2:
        (n, t), (a, b, ab) = shape, mean_squares
        return {"example": (a - ab) / t, "template": (b - ab) / n, "residual": ab}
    (n, t, w), (a, b, c, ab, ac, bc, abc) = shape, mean_squares
    return {
        "example": (a - ab - ac + abc) / (t * w),
        "template": (b - ab - bc + abc) / (n * w),
        "names": (c - ac - bc + abc) / (n * t),
        "example x template": (ab - abc) / w,
        "example x names": (ac - abc) / t,
        "template x names": (bc - abc) / n,
        "residual": abc,
    }


def simulated(random, shape, variances):
    """Normal effects: variances holds the set of axes that have one each, e.g. {(0,): 4, (0, 1): 1}."""
    effects = [
        random.normal(0, variance**0.5, [n if axis in source else 1 for axis, n in enumerate(shape)])
        for source, variance in variances.items()
    ]
    return sum(effects, np.zeros(shape))


def test_components_by_hand():
    # Rows 1 1 1, 1 1 0, 1 0 0, 0 0 0. The grand mean is 1/2, the means of the columns are 3/4, 1/2, 1/4, those of the
    # rows 1, 2/3, 1/3, 0. Sums of squares: columns 4 (1/16 + 0 + 1/16) = 1/2, rows 3 (1/4 + 1/36 + 1/36 + 1/4) = 5/3,
    # total 12 / 4 = 3, so residual 5/6. Mean squares: columns 1/4, rows 5/9, residual 5/36.
    found = variance_components(np.tril(np.ones((4, 3), bool), -1)[::-1], TWO, resamples=10)
    assert found["template"].value == pytest.approx((1 / 4 - 5 / 36) / 4)
    assert found["example"].value == pytest.approx((5 / 9 - 5 / 36) / 3)
    assert found["residual"].value == pytest.approx(5 / 36)
    # Four rows and three columns are too few to resample.
    assert found["example"].over == {"example": None, "template": None}


@pytest.mark.parametrize("shape", [(6, 4), (3, 8), (7, 4, 3), (3, 5, 8)])
def test_they_are_those_of_least_squares_on_dummy_variables(shape):
    responses = np.random.default_rng(1).random(shape)
    expected = written_out(tuple(mean_squares(responses).values()), shape)
    assert values(responses, THREE[: len(shape)]) == pytest.approx(expected, rel=1e-9)


def test_names_that_change_nothing_leave_the_components_of_two_axes():
    responses = np.random.default_rng(3).random((20, 6)) < 0.6
    three, two = variance_components(np.stack([responses] * 3, axis=2), THREE), variance_components(responses, TWO)
    for name, same in {"example": "example", "template": "template", "example x template": "residual"}.items():
        assert three[name].value == pytest.approx(two[same].value)
        for axis in TWO:
            assert three[name].over[axis].low == pytest.approx(two[same].over[axis].low)
    for name in ("names", "example x names", "template x names", "residual"):
        assert three[name].value == 0
        assert three[name].over == dict.fromkeys(THREE)


VARIANCES = {(0,): 4, (1,): 0.5, (2,): 0.3, (0, 1): 1, (0, 2): 0.4, (1, 2): 0.2, (0, 1, 2): 2}


def test_intervals_over_examples_cover_the_component_of_the_examples():
    """A percentile interval of a variance is a little short: 0.927 of 2,000 others. Bounds: 3 standard errors."""
    random = np.random.default_rng(5)
    hits = 0
    for _ in range(300):
        responses = simulated(random, (150, 5, 3), VARIANCES)
        found = variance_components(responses, THREE, resampled=["example"], resamples=400)["example"]
        hits += found.over["example"].low <= 4 <= found.over["example"].high
    assert 0.882 < hits / 300 < 0.972


def resampled_by_hand(responses, counts, axis):
    """The corrected components of one resample, from the levels that it repeats."""
    n = len(counts)
    drawn = values(np.repeat(responses, counts, axis=axis), THREE)
    with_axis = {
        "example": {"template": "example x template", "names": "example x names", "template x names": "residual"},
        "template": {"example": "example x template", "names": "template x names", "example x names": "residual"},
    }[THREE[axis]]
    return {
        name: value - drawn[with_axis[name]] / (n - 1) if name in with_axis else value * n / (n - 1)
        for name, value in drawn.items()
    }


@pytest.mark.parametrize("axis", [0, 1])
def test_intervals_are_quantiles_of_corrected_resamples(axis):
    responses = np.random.default_rng(6).random((9, 6, 3))
    n = responses.shape[axis]
    (weights,) = resampled_units(n, resamples=200, seed=7)
    by_hand = [resampled_by_hand(responses, counts, axis) for counts in weights]
    for name, one in variance_components(responses, THREE, resamples=200, seed=7).items():
        interval = one.over[THREE[axis]]
        expected = np.quantile([drawn[name] for drawn in by_hand], [0.025, 0.975])
        assert [interval.low, interval.high] == pytest.approx(expected, abs=1e-12)
        assert one.over["names"] is None


@pytest.mark.parametrize("axis", [0, 1])
def test_the_mean_of_all_possible_resamples_is_the_estimate(axis):
    responses = np.random.default_rng(8).random((5, 5, 3))
    totals = dict.fromkeys(values(responses), 0.0)
    for levels in combinations_with_replacement(range(5), 5):
        counts = np.bincount(levels, minlength=5)
        chance = factorial(5) / prod(map(factorial, counts.tolist())) / 5**5
        for name, value in resampled_by_hand(responses, counts, axis).items():
            totals[name] += chance * value
    assert totals == pytest.approx(values(responses), abs=1e-12)


def test_a_template_without_effect_may_have_a_negative_estimate_which_is_shown():
    # Each column has the same mean, so its mean square is 0.
    found = values(np.array([[0, 1], [1, 0]]), TWO)
    assert found["template"] == pytest.approx(-0.5)
    assert found["residual"] == pytest.approx(1)


def test_axes_change_places_with_the_layout():
    responses = np.random.default_rng(3).random((30, 7, 3)) < 0.5
    found = variance_components(responses, THREE)
    turned = variance_components(responses.transpose(2, 0, 1), ("names", "example", "template"))
    assert list(turned)[3:] == ["names x example", "names x template", "example x template", "residual"]
    for name, same in {"template": "template", "example x names": "names x example", "residual": "residual"}.items():
        assert found[name].value == pytest.approx(turned[same].value)
        for axis in TWO:
            assert found[name].over[axis].high == pytest.approx(turned[same].over[axis].high)


def test_a_large_common_part_costs_no_digits():
    responses = np.random.default_rng(9).integers(0, 5, (30, 7, 3))
    assert values(responses + 10**9) == values(responses)


def test_templates_that_all_give_the_same_answers_leave_only_examples_to_vary():
    found = variance_components(np.repeat(np.arange(40) < 25, 30).reshape(40, 30), TWO, resamples=200)
    assert (found["template"].value, found["residual"].value) == (0, 0)
    assert found["example"].value == pytest.approx(np.var(np.arange(40) < 25, ddof=1))
    assert found["example"].over["example"].low < found["example"].value < found["example"].over["example"].high
    assert found["example"].over["template"] is None
    assert found["template"].over["example"] is None
    constant = variance_components(np.ones((8, 6), bool), TWO, resamples=20)
    assert [component.value for component in constant.values()] == [0, 0, 0]
    assert constant["residual"].over == {"example": None, "template": None}


def test_only_the_axes_asked_for_are_resampled():
    found = variance_components(np.random.default_rng(0).random((9, 6, 5)), THREE, resampled=["names"], resamples=20)
    assert {tuple(one.over) for one in found.values()} == {("names",)}
    assert found["names"].over["names"].kind == "bootstrap"
