"""Examples that come in clusters."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import norm, t

from clipbench.stats.clusters import MIN_CLUSTERS
from clipbench.stats.paired import compare_pair, paired_difference
from clipbench.stats.simultaneous import critical_value, largest_of, largest_of_pairs


def tracks(groups, seed=0, models=2):
    """(models, n) right answers that mostly agree within a track of 1 to 20 frames, and (n,) tracks."""
    random = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(groups), random.integers(1, 21, groups))
    easy = random.random((models, groups))
    return easy[:, clusters] < 0.2 + 0.6 * random.random(len(clusters)), clusters


@pytest.mark.parametrize("critical", [1.959964, 3.0])
def test_a_paired_difference_has_cluster_robust_errors_and_students_quantiles(critical):
    (first, second), clusters = tracks(40)
    found = compare_pair(first, second, critical, family=3, clusters=clusters)
    difference = first.astype(float) - second
    fit = sm.OLS(difference, np.ones(len(difference))).fit(cov_type="cluster", cov_kwds={"groups": clusters})
    low, high = difference.mean() + np.array([-1, 1]) * t.isf(norm.sf(critical), 39) * fit.bse[0]
    assert [found.interval.low, found.interval.high] == pytest.approx([low, high])
    assert (found.interval.kind, found.interval.family) == ("cluster t", 3)
    assert found.p == pytest.approx(2 * t.sf(abs(difference.mean()) / fit.bse[0], 39))


def test_under_twenty_clusters_nothing_is_said_of_a_difference():
    (first, second), clusters = tracks(MIN_CLUSTERS - 1)
    found = compare_pair(first, second, clusters=clusters)
    assert (found.interval, found.p) == (None, None)
    assert found.numbers == (found.difference, None, None, None)
    assert paired_difference(first, first, clusters=clusters)[1] is None


def test_where_no_cluster_differs_each_counts_as_one_pair():
    (first, _), clusters = tracks(50)
    same = compare_pair(first, first, clusters=clusters)
    z2 = 1.959964**2
    assert (same.interval.low, same.interval.high) == pytest.approx((-z2 / (50 + z2), z2 / (50 + z2)))
    assert same.p == 1


def test_clusters_that_agree_decide_how_far_differences_stray_together():
    answers, clusters = tracks(200, models=6)
    apart = np.random.default_rng(1).permutation(clusters)
    differences = (answers[1:] * 1.0 - answers[0]).T
    # One example a cluster is no cluster.
    alone = largest_of(differences, clusters=np.arange(len(differences)))
    assert critical_value([alone]) == pytest.approx(critical_value([largest_of(differences)]), abs=1e-6)
    pairs = critical_value([largest_of_pairs(answers, clusters=clusters)])
    assert 2.7 < pairs < 3.0
    assert critical_value([largest_of_pairs(answers, clusters=apart)]) == pytest.approx(pairs, abs=0.05)
