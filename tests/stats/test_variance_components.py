from itertools import combinations_with_replacement
from math import factorial, prod

import numpy as np
import pytest
from scipy.stats import norm

from clipbench.stats.bootstrap import resampled_units
from clipbench.stats.variance_components import variance_components

TWO, THREE = ("example", "template"), ("example", "template", "names")


def values(responses, axes=THREE):
    """The estimates alone."""
    return {name: one.value for name, one in variance_components(responses, axes, resamples=1).items()}


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
    # Four rows are too few to resample.
    assert found["template"].interval is None


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
    assert three["template"].interval.low == pytest.approx(two["template"].interval.low)
    for name in ("names", "example x names", "template x names", "residual"):
        assert (three[name].value, three[name].interval) == (0, None)


@pytest.mark.parametrize("spread", [0, 0.1, 0.8], ids=["equal", "close", "distant"])
def test_intervals_over_examples_cover_the_component_of_the_templates(spread):
    """Of 500 others .94 to .95 of distant templates, and nearly all of equal ones. Bounds: 3 standard errors."""
    random, hits, clear = np.random.default_rng(5), 0, 0
    for _ in range(200):
        threshold = 0.3 + spread * random.normal(size=8)
        truth = norm.cdf(threshold / 1.36**0.5).var(ddof=1)
        right = random.normal(size=(300, 1)) + 0.6 * random.normal(size=(300, 8)) < threshold
        interval = variance_components(right, TWO, resamples=200)["template"].interval
        hits += interval.low <= truth <= interval.high
        clear += interval.low > 0
    assert hits / 200 > 0.95 - 3 * (0.05 * 0.95 / 200) ** 0.5
    # Of equal templates next to none may be told apart.
    assert clear / 200 <= 0.025 if spread == 0 else True


def resampled_by_hand(responses, counts):
    """The corrected components of one resample, from the examples that it repeats."""
    drawn = values(np.repeat(responses, counts, axis=0), THREE)
    besides = {"template": "example x template", "names": "example x names", "template x names": "residual"}
    return {name: drawn[name] - drawn[same] / (len(counts) - 1) for name, same in besides.items()}


def test_intervals_are_quantiles_of_corrected_resamples():
    responses = np.random.default_rng(6).random((12, 6, 3))
    (weights,) = resampled_units(12, resamples=200, seed=7)
    by_hand = [resampled_by_hand(responses, counts) for counts in weights]
    for name, one in variance_components(responses, THREE, resamples=200, seed=7).items():
        if "example" in name or name == "residual":
            assert one.interval is None
            continue
        expected = np.quantile([drawn[name] for drawn in by_hand], [0.025, 0.975])
        assert [one.interval.low, one.interval.high] == pytest.approx(expected, abs=1e-12)


def test_the_mean_of_all_possible_resamples_is_the_estimate():
    responses = np.random.default_rng(8).random((5, 5, 3))
    totals = dict.fromkeys(("template", "names", "template x names"), 0.0)
    for levels in combinations_with_replacement(range(5), 5):
        counts = np.bincount(levels, minlength=5)
        chance = factorial(5) / prod(map(factorial, counts.tolist())) / 5**5
        for name, value in resampled_by_hand(responses, counts).items():
            totals[name] += chance * value
    estimates = values(responses)
    assert totals == pytest.approx({name: estimates[name] for name in totals}, abs=1e-12)


def test_a_template_without_effect_may_have_a_negative_estimate_which_is_shown():
    # Each column has the same mean, so its mean square is 0.
    found = values(np.array([[0, 1], [1, 0]]), TWO)
    assert found["template"] == pytest.approx(-0.5)
    assert found["residual"] == pytest.approx(1)


def test_axes_change_places_with_the_layout():
    responses = np.random.default_rng(3).random((30, 7, 3)) < 0.5
    found = variance_components(responses, THREE)
    turned = variance_components(responses.transpose(0, 2, 1), ("example", "names", "template"))
    assert list(turned)[3:] == ["example x names", "example x template", "names x template", "residual"]
    for name, same in {"template": "template", "template x names": "names x template", "residual": "residual"}.items():
        assert found[name].value == pytest.approx(turned[same].value)
    assert found["names"].interval.high == pytest.approx(turned["names"].interval.high)


def test_a_large_common_part_costs_no_digits():
    responses = np.random.default_rng(9).integers(0, 5, (30, 7, 3))
    assert values(responses + 10**9) == values(responses)


def test_templates_that_all_give_the_same_answers_leave_only_examples_to_vary():
    found = variance_components(np.repeat(np.arange(40) < 25, 30).reshape(40, 30), TWO, resamples=200)
    assert (found["template"].value, found["residual"].value) == (0, 0)
    assert found["example"].value == pytest.approx(np.var(np.arange(40) < 25, ddof=1))
    assert found["template"].interval is None
    constant = variance_components(np.ones((8, 6), bool), TWO, resamples=20)
    assert [(component.value, component.interval) for component in constant.values()] == [(0, None)] * 3
