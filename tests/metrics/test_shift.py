"""Accuracies in logit space, lines through models, and how sure they are."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit
from scipy.special import logit as scipy_logit
from scipy.stats import binom, linregress
from scipy.stats import t as student

from clipbench.metrics.shift import (
    corrected,
    fit_line,
    inverse_logit,
    least_squares,
    logit,
    share_closed,
)
from clipbench.stats.prediction import model_line


def made_up(models=40, families=20, seed=0, slope=1.05, intercept=-1.2, n=10_000, spread=(0.1, 0.05)):
    """Names, families and observed accuracies of models about a line; family members err alike."""
    random = np.random.default_rng(seed)
    family = np.arange(models) % families
    x = random.normal(0.8, 0.7, families)[family] + random.normal(0, 0.3, models)
    off = random.normal(0, spread[0], families)[family] + random.normal(0, spread[1], models)
    accuracies = [random.binomial(n, expit(values)) / n for values in (x, slope * x + intercept + off)]
    return [f"m{index}" for index in range(models)], [f"f{index}" for index in family], *accuracies


def test_logit_and_its_inverse_are_scipys():
    p = np.linspace(0, 1, 101)
    assert logit(p) == pytest.approx(scipy_logit(p))
    x = np.array([-800.0, -3.0, 0.0, 3.0, 800.0])
    assert inverse_logit(x) == pytest.approx(expit(x))
    assert inverse_logit(logit(p)) == pytest.approx(p)
    with pytest.raises(ValueError, match="between 0 and 1"):
        logit([0.5, 1.01])
    assert corrected([0, 5, 10], 10) == pytest.approx([0.5 / 11, 0.5, 10.5 / 11])


def test_a_line_is_ordinary_least_squares_in_logit_space():
    names, _, x, y = made_up()
    line, theirs = fit_line(names, x, y), linregress(scipy_logit(x), scipy_logit(y))
    assert (line.slope, line.intercept) == pytest.approx((theirs.slope, theirs.intercept))
    assert line.r2 == pytest.approx(theirs.rvalue**2)
    assert line.expected(0.7) == pytest.approx(expit(theirs.slope * scipy_logit(0.7) + theirs.intercept))
    assert (line.lowest, line.highest) == (x.min(), x.max())
    assert line.covers(float(np.median(x)))
    assert not line.covers(0.999)
    assert np.isfinite(line.expected([0.0, 1.0])).all()


def test_models_at_the_ends_are_left_out_and_named():
    names, _, x, y = made_up()
    y[3], x[5] = 0, 1
    line = fit_line(names, x, y)
    assert line.left_out == ("m3", "m5")
    assert len(line.models) == 38
    again = fit_line(line.models, np.delete(x, [3, 5]), np.delete(y, [3, 5]))
    assert (line.slope, line.intercept) == (again.slope, again.intercept)


def test_a_correction_keeps_them_in():
    names, _, x, y = made_up()
    y[3] = 0
    line = fit_line(names, x, y, continuity=0.5, n_reference=10_000, n_shift=10_000)
    assert line.left_out == ()
    theirs = linregress(scipy_logit((x * 10_000 + 0.5) / 10_001), scipy_logit((y * 10_000 + 0.5) / 10_001))
    assert (line.slope, line.intercept) == pytest.approx((theirs.slope, theirs.intercept))
    with pytest.raises(ValueError, match="numbers of images"):
        fit_line(names, x, y, continuity=0.5)


def test_few_models_make_no_line():
    names, _, x, y = made_up(models=10, families=10)
    assert len(fit_line(names, x, y).models) == 10
    y[0] = 0
    with pytest.raises(ValueError, match="at least 10 models between 0 and 100 %, got 9"):
        fit_line(names, x, y)
    with pytest.raises(ValueError, match="same accuracy on the reference"):
        fit_line(names, np.full(10, 0.5), np.linspace(0.1, 0.9, 10))


def test_weights_count_points():
    x, y = np.array([[0.0, 1.0, 3.0]]), np.array([[1.0, 2.0, 0.0]])
    twice = least_squares(x, y, np.array([[2, 1, 0]]))
    assert twice[0] == pytest.approx([1.0, 1.0])
    assert np.isnan(least_squares(x, y, np.array([[3, 0, 0]]))).all()


@pytest.mark.parametrize(
    ("gap", "supervised", "share"), [(0.061, 0.119, 0.487), (-0.127, 0.385, 1.330), (0.1, 0, None)]
)
def test_the_share_of_a_gap_that_is_closed(gap, supervised, share):
    assert share_closed(gap, supervised) == (None if share is None else pytest.approx(share, abs=1e-3))


def test_the_band_is_about_the_line_and_that_of_statsmodels_for_models_of_their_own_families():
    names, _, x, y = made_up(models=200, families=200, spread=(0.0, 0.2))
    found, grid = model_line(names, x, y, 10_000, 10_000), [0.3, 0.6, 0.9]
    low, high = found.band(grid)
    design = sm.add_constant(scipy_logit(x))
    theirs = sm.OLS(scipy_logit(y), design).fit(cov_type="HC3").get_prediction(sm.add_constant(scipy_logit(grid)))
    assert found.error_at(grid) == pytest.approx(theirs.se, rel=0.02)
    assert (low < found.line.expected(grid)).all()
    assert (found.line.expected(grid) < high).all()


def test_relatives_count_as_one_so_the_band_is_wider():
    names, families, x, y = made_up(models=80, families=10, spread=(0.3, 0.01))
    together = model_line(names, x, y, 10_000, 10_000, families=families).error_at(0.6)
    assert together > 1.5 * model_line(names, x, y, 10_000, 10_000).error_at(0.6)


def test_models_of_one_family_have_no_spread():
    names, _, x, y = made_up()
    with pytest.raises(ValueError, match="at least two families"):
        model_line(names, x, y, 100, 100, families=["one"] * len(names))


def test_the_spread_is_that_of_families_left_out_in_turn():
    names, families, x, y = made_up(models=30, families=6, spread=(0.3, 0.05))
    found = model_line(names, x, y, 10_000, 10_000, families=families)
    left_over = []
    for family in sorted(set(families)):
        out = np.array(families) == family
        theirs = linregress(scipy_logit(x[~out]), scipy_logit(y[~out]))
        left_over += list(scipy_logit(y[out]) - theirs.slope * scipy_logit(x[out]) - theirs.intercept)
    assert found.spread == pytest.approx(np.sqrt(np.mean(np.square(left_over))))
    assert found.families == 6
    # Around 0.5 a logit is about a quarter of that in accuracy.
    near = float(inverse_logit(-found.line.intercept / found.line.slope))
    assert found.spread_at(near) == pytest.approx(found.spread / 4, rel=0.05)


def test_a_model_has_no_part_in_what_is_expected_of_it():
    names, families, x, y = made_up()
    found = model_line(names, x, y, 10_000, 10_000, families=families, without=("m3", "none"))
    assert ("m3" in found.line.models, found.without) == (False, ("m3",))
    rest = np.arange(len(names)) != 3
    assert found.expected(0.6) == fit_line(np.array(names)[rest], x[rest], y[rest]).expected(0.6)


@pytest.mark.parametrize("n", [1, 10, 100_000])
def test_a_prediction_interval_is_that_of_t_or_of_the_images_where_one_of_them_decides(n):
    names, families, x, y = made_up(n=10_000_000)
    found = model_line(names, x, y, 10_000_000, 10_000_000, families=families)
    interval = found.predict(0.6, 10_000_000, n, family=5)
    share = found.expected(0.6)
    if n < 100:
        # The images decide: of a binomial all but 0.5 % at either end.
        ends = binom.ppf([0.005, 0.995], n, share) / n
        assert (interval.low, interval.high) == pytest.approx(tuple(ends), abs=1.01 / n)
    else:
        deviation = np.hypot(found.spread, found.error_at(0.6))
        ends = expit(scipy_logit(share) + student.ppf([0.005, 0.995], found.families - 1) * deviation)
        assert (interval.low, interval.high) == pytest.approx(tuple(ends), abs=0.002)
    assert (interval.level, interval.family) == (0.95, 5)
    assert interval.low <= share <= interval.high


@pytest.mark.parametrize(
    ("models", "families", "spread", "n"), [(80, 20, (0.1, 0.05), 5000), (15, 15, (0.0, 0.1), 2000)]
)
def test_intervals_cover_what_they_say(models, families, spread, n):
    """The line, and the accuracy of a model of a family that the line has not seen."""
    reference = 0.63
    random = np.random.default_rng(1)
    seen = line_in = 0
    runs = 60
    for run in range(runs):
        names, of, x, y = made_up(models, families, seed=run, n=n, spread=spread)
        found = model_line(names, x, y, n, n, families=of)
        logits = 1.05 * scipy_logit(reference) - 1.2
        own = random.binomial(n, expit(logits + random.normal(0, np.hypot(*spread)))) / n
        interval = found.predict(random.binomial(n, reference) / n, n, n)
        seen += interval.low <= own <= interval.high
        low, high = found.band([reference])
        line_in += low[0] <= expit(logits) <= high[0]
    assert 0.88 <= seen / runs <= 1
    assert 0.88 <= line_in / runs <= 1
