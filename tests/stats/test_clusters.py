"""Examples that come in clusters."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import norm, t

from clipbench.stats.clusters import MIN_CLUSTERS, design, mean_interval, share_interval
from clipbench.stats.intervals import MIN_EXAMPLES, wilson
from clipbench.stats.paired import compare_pair, mean_difference, paired_difference, score_interval
from clipbench.stats.simultaneous import critical_value, largest_of, largest_of_pairs


def tracks(groups, seed=0, models=2, largest=None):
    """(models, n) right answers that mostly agree within a track of 8, or of up to `largest`, frames; (n,) tracks."""
    random = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(groups), random.integers(1, largest + 1, groups) if largest else 8)
    easy = random.random((models, groups))
    return easy[:, clusters] < 0.2 + 0.6 * random.random(len(clusters)), clusters


def cluster_robust(values, clusters):
    return sm.OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)


def test_of_clusters_of_one_size_a_mean_has_cluster_robust_errors_and_students_quantiles():
    (first, second), clusters = tracks(40)
    value, interval = mean_difference(first, second, clusters=clusters)
    difference = first.astype(float) - second
    assert value == pytest.approx(difference.mean())
    assert [interval.low, interval.high] == pytest.approx(cluster_robust(difference, clusters).conf_int()[0].tolist())
    assert interval.kind == "cluster t"
    plain = mean_difference(first, second)[1]
    assert [plain.low, plain.high] == pytest.approx(
        t.interval(0.95, len(difference) - 1, difference.mean(), difference.std(ddof=1) / len(difference) ** 0.5)
    )
    assert interval.high - interval.low > 1.5 * (plain.high - plain.low)


def test_of_clusters_of_many_sizes_the_errors_are_those_of_a_jackknife():
    (values, _), clusters = tracks(60, largest=30)
    left_out = np.array([values[clusters != cluster].mean() for cluster in range(60)])
    variance = 59 / 60 * np.sum((left_out - values.mean()) ** 2)
    found = design(values, clusters)
    assert found.effect == pytest.approx(variance / (values.var() / len(values)))
    sizes = np.bincount(clusters)
    assert found.clusters == pytest.approx(sizes.sum() ** 2 / (sizes**2).sum())
    assert found.clusters < 60
    half = t.isf(0.025, found.clusters - 1) * variance**0.5
    assert mean_interval(values, clusters=clusters).high == pytest.approx(values.mean() + half)


@pytest.mark.parametrize("critical", [1.959964, 3.0])
def test_a_paired_difference_has_tangos_interval_of_fewer_examples(critical):
    (first, second), clusters = tracks(40)
    found = compare_pair(first, second, critical, family=3, clusters=clusters)
    difference = first.astype(float) - second
    effect = cluster_robust(difference, clusters).bse[0] ** 2 / (difference.var() / len(difference))
    quantile = t.isf(norm.sf(critical), 39)
    counts = np.array([np.sum(first & ~second), np.sum(second & ~first), len(first)]) / effect
    assert [found.interval.low, found.interval.high] == pytest.approx(
        [end.item() for end in score_interval(*counts, quantile)]
    )
    assert (found.interval.kind, found.interval.family) == ("cluster score", 3)
    assert found.p == pytest.approx(2 * t.sf(abs(counts[0] - counts[1]) / (counts[0] + counts[1]) ** 0.5, 39))


def test_under_twenty_clusters_or_ten_examples_nothing_is_said():
    (first, second), clusters = tracks(MIN_CLUSTERS - 1)
    found = compare_pair(first, second, clusters=clusters)
    assert found.numbers == (found.difference, None, None, None)
    assert paired_difference(first, first, clusters=clusters)[1] is None
    assert mean_difference(first, second, clusters=clusters)[1] is None
    # One large cluster beside 30 small ones is not worth 20.
    assert design(np.arange(60.0), np.r_[np.zeros(30, int), np.arange(1, 31)]) is None
    few = np.arange(MIN_EXAMPLES - 1) % 2 == 0
    assert (design(few), compare_pair(few, ~few).interval, mean_interval(few)) == (None, None, None)
    assert compare_pair(np.append(few, True), np.append(~few, True)).interval is not None


def test_where_few_clusters_hold_an_error_each_counts_as_one_example():
    right, clusters = np.ones(400, bool), np.repeat(np.arange(50), 8)
    right[3:6] = False
    found = design(right, clusters)
    assert found.effect == pytest.approx(8)
    interval = share_interval(right.mean(), 400, found)
    assert interval.kind == "cluster wilson"
    assert interval.high - interval.low > 2 * (wilson(397, 400).high - wilson(397, 400).low)
    same = compare_pair(right, right, clusters=clusters)
    assert (same.interval.high, same.p) == (pytest.approx(t.isf(0.025, 49) ** 2 / (50 + t.isf(0.025, 49) ** 2)), 1)


def test_alike_answers_within_a_cluster_never_make_an_interval_narrower():
    # Each cluster has one right answer of two.
    right, clusters = np.tile([True, False], 50), np.repeat(np.arange(50), 2)
    assert design(right, clusters).effect == 1


def test_clusters_that_agree_decide_how_far_differences_stray_together():
    answers, clusters = tracks(200, models=6)
    differences = (answers[1:] * 1.0 - answers[0]).T
    # One example a cluster is no cluster.
    alone = largest_of(differences, clusters=np.arange(len(differences)))
    assert critical_value([alone]) == pytest.approx(critical_value([largest_of(differences)]), abs=1e-6)
    shuffled = np.random.default_rng(1).permutation(clusters)
    pairs = critical_value([largest_of_pairs(answers, clusters=clusters)])
    assert 2.7 < pairs < 3.0
    assert critical_value([largest_of_pairs(answers, clusters=shuffled)]) == pytest.approx(pairs, abs=0.05)


@pytest.mark.parametrize(("share", "alike"), [(0.5, 0.3), (0.9, 0.3), (0.97, 1.0)])
def test_shares_and_differences_of_clustered_answers_are_covered(share, alike):
    """Of 250 sets with 30 clusters of 10; the standard error of a rate of 0.95 is 0.014."""
    random, clusters = np.random.default_rng(0), np.repeat(np.arange(30), 10)
    covered = []
    for _ in range(250):
        of_cluster = random.random((2, 30))[:, clusters]
        own = random.random((2, 300))
        first, second = np.where(random.random(300) < alike, of_cluster, own) < share
        found = share_interval(first.mean(), 300, design(first, clusters))
        difference = compare_pair(first, second, clusters=clusters).interval
        covered.append([found.low <= share <= found.high, difference.low <= 0 <= difference.high])
    assert np.mean(covered, axis=0).min() >= 0.91
