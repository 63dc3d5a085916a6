import numpy as np
import pytest
from scipy.stats import binom, norm

from clipbench.stats.bootstrap import bootstrap_mean, bootstrap_multinomial, bootstrap_units, percentile


def test_a_proportion_has_the_quantiles_of_the_binomial():
    n, correct = 1000, 700
    interval = bootstrap_multinomial(np.array([correct, n - correct]), lambda drawn: drawn[:, 0] / n, resamples=20_000)
    exact = binom.ppf([0.025, 0.975], n, correct / n) / n
    assert (interval.low, interval.high) == pytest.approx(exact, abs=0.002)
    assert (interval.kind, interval.level) == ("bootstrap", 0.95)


def test_a_mean_has_the_width_of_the_central_limit_theorem():
    values = np.random.default_rng(3).normal(5, 2, 2000)
    interval = bootstrap_mean(values, level=0.9)
    half = norm.ppf(0.95) * values.std() / np.sqrt(len(values))
    assert interval.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_units_drawn_give_the_same_interval_as_cells_drawn():
    right = np.random.default_rng(3).random(500) < 0.3
    cells = bootstrap_multinomial(np.array([right.sum(), (~right).sum()]), lambda drawn: drawn[:, 0] / 500)
    (units,) = bootstrap_units(500, lambda weights: (weights @ right / 500)[:, None])
    assert (units.low, units.high) == pytest.approx((cells.low, cells.high), abs=0.006)


def test_each_resample_draws_as_many_units_as_there_are():
    seen = []

    def statistic(weights):
        seen.append(weights)
        return weights[:, :2].astype(float)

    intervals = bootstrap_units(37, statistic, resamples=301, elements=37 * 200_000)
    drawn = np.concatenate(seen)
    assert drawn.shape == (301, 37)
    assert (drawn.sum(axis=1) == 37).all()
    assert len(seen) > 1, "a statistic that holds much is given fewer resamples at a time"
    assert len(intervals) == 2


def test_the_seed_decides():
    values = np.random.default_rng(3).normal(size=50)
    assert bootstrap_mean(values, seed=1) == bootstrap_mean(values, seed=1)
    assert bootstrap_mean(values, seed=1) != bootstrap_mean(values, seed=2)


def test_95_percent_intervals_cover_the_truth_about_95_times_in_100():
    truth = 0.7
    covered = 0
    for seed in range(400):
        values = np.random.default_rng(seed).random(150) < truth
        interval = bootstrap_mean(values, seed=seed + 1000, resamples=500)
        covered += interval.low <= truth <= interval.high
    assert 0.91 <= covered / 400 <= 0.98


def test_resamples_without_a_value_are_left_out():
    assert percentile(np.array([np.nan, 1.0, 1.0])).low == 1.0
    with pytest.raises(ValueError, match="undefined in every resample"):
        percentile(np.array([np.nan, np.nan]))


def test_nothing_to_draw_from_is_refused():
    with pytest.raises(ValueError, match="at least one example"):
        bootstrap_multinomial(np.array([0, 0]), lambda drawn: drawn[:, 0])
    with pytest.raises(ValueError, match="at least one unit"):
        bootstrap_units(0, lambda weights: weights)
    with pytest.raises(ValueError, match="level must lie"):
        percentile(np.array([1.0]), level=1.5)
