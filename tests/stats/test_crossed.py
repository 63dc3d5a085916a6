"""Intervals of means over images and draws: against an analysis of variance, and in worlds with known truths."""

import numpy as np
import pytest
import scipy.stats

from clipbench.stats.crossed import CrossedMean, crossed_mean
from clipbench.stats.intervals import wilson


def answers(random, n, draws, spread, mean=0.5):
    """(n, S) right answers: images differ in difficulty, draws in how good they are."""
    good = mean + spread * random.standard_normal(draws)
    return (random.random(n)[:, None] * 0.6 + random.random((n, draws)) * 0.4) < good


def test_the_parts_are_those_of_a_two_way_analysis_of_variance():
    import pandas as pd
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    y = answers(np.random.default_rng(0), 12, 4, 0.1)
    frame = pd.DataFrame({"y": y.ravel().astype(float), "i": np.repeat(np.arange(12), 4), "s": np.tile(range(4), 12)})
    squares = anova_lm(ols("y ~ C(i) + C(s)", frame).fit())["mean_sq"]
    found = crossed_mean(y)
    assert found.value == y.mean()
    assert found.of_images == pytest.approx((squares["C(i)"] - squares["Residual"]) / y.size)
    assert found.of_draws == pytest.approx(squares["C(s)"] / y.size)
    assert crossed_mean(y, pool_share=0.2).of_draws == pytest.approx(found.of_draws * 4 * (1 / 4 + 0.2 / 0.8))


def test_a_mean_over_strata_weighs_each_the_same():
    random = np.random.default_rng(1)
    strata = np.repeat([3, 5, 9], [20, 50, 2])
    y = answers(random, 72, 3, 0.1)
    found = crossed_mean(y, strata)
    assert found.value == pytest.approx(np.mean([y[strata == name].mean() for name in (3, 5, 9)]))
    same = crossed_mean(np.repeat(y[:, :1], 3, axis=1), strata)
    within = sum(y[strata == name, 0].var(ddof=1) / count for name, count in ((3, 20), (5, 50), (9, 2))) / 9
    assert same.of_images == pytest.approx(within)
    assert same.of_draws == 0


def test_half_widths_are_squared_and_added_each_with_its_quantile():
    found = CrossedMean(0.5, 1000, 5, 0.01**2, 0.02**2)
    images, draws = 1.959964 * 0.01, scipy.stats.t.ppf(0.975, 4) * 0.02
    assert found.half_width() == pytest.approx(np.hypot(images, draws), rel=1e-5)
    interval = found.interval(critical=3.0, family=7)
    level = 2 * scipy.stats.norm.cdf(3) - 1
    assert interval.high - 0.5 == pytest.approx(np.hypot(0.03, scipy.stats.t.ppf((1 + level) / 2, 4) * 0.02))
    assert interval.family == 7


def test_images_that_come_in_clusters_are_as_many_as_their_clusters():
    y = answers(np.random.default_rng(2), 40, 4, 0.1)
    single, repeated = crossed_mean(y), crossed_mean(np.repeat(y, 10, axis=0), clusters=np.repeat(np.arange(40), 10))
    assert (repeated.of_images, repeated.of_draws) == pytest.approx((single.of_images, single.of_draws))
    assert repeated.half_width() > single.half_width()
    assert repeated.of_a_share().low == pytest.approx(single.of_a_share().low, abs=0.02)
    assert crossed_mean(y, clusters=np.arange(40) // 4).of_a_share() is None


def test_where_nothing_varies_it_is_wilsons_and_a_difference_has_a_width():
    right = crossed_mean(np.ones((40, 5), bool)).of_a_share()
    assert (right.low, right.high) == pytest.approx((wilson(40, 40).low, 1))
    none = crossed_mean(np.zeros((40, 5))).interval()
    assert none.low == -none.high < 0
    # Four of one class say as little as four say, however many there are of the other.
    unequal = crossed_mean(np.ones((40, 5), bool), np.arange(40) < 4).of_a_share()
    trials = 4 / (1 / 4 + 1 / 36)
    assert unequal.low == pytest.approx(wilson(trials, trials).low)
    one = crossed_mean(np.arange(50)[:, None] < 20)
    assert (one.of_draws, one.of_a_share().low) == (0, pytest.approx(wilson(20, 50).low, abs=0.003))


@pytest.mark.parametrize(("draws", "spread"), [(5, 0), (5, 0.02), (5, 0.05), (3, 0.02), (2, 0.05)])
@pytest.mark.parametrize("mean", [0.5, 0.9])
def test_the_interval_of_a_share_covers(draws, spread, mean):
    random = np.random.default_rng(draws)
    n, worlds, covered = 200, 300, 0
    truth = np.mean([answers(random, 2000, 50, spread, mean).mean() for _ in range(100)])
    for _ in range(worlds):
        interval = crossed_mean(answers(random, n, draws, spread, mean)).of_a_share()
        covered += interval.low <= truth <= interval.high
    # 93.5 %, less three standard errors of so many worlds.
    assert covered / worlds > 0.9
