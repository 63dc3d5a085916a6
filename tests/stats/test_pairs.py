"""Differences of all pairs agree with those of two at a time, whatever the values are made of."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import ttest_rel

from clipbench.stats.crossed import crossed_mean
from clipbench.stats.paired import compare_pair, paired_recall_difference
from clipbench.stats.pairs import PairedValues, mean_of_sets

RIGHT = np.random.default_rng(0).random((4, 300)) < np.array([[0.5], [0.6], [0.6], [0.9]])
NUMBERS = np.random.default_rng(1).random((4, 300))
PLACES = list(combinations(range(4), 2))
TRACKS = np.arange(300) // 10
CLASSES = np.arange(300) % 7 * (np.arange(300) % 2)


def ends(values: PairedValues, critical: float = 1.96) -> np.ndarray:
    found = values.differences(critical)
    assert found.values == pytest.approx([values.values[one] - values.values[other] for one, other in PLACES])
    return np.column_stack([found.low, found.high])


@pytest.mark.parametrize("clusters", [None, TRACKS])
def test_accuracies_have_the_interval_of_a_single_comparison(clusters: np.ndarray | None) -> None:
    each = [compare_pair(RIGHT[one], RIGHT[other], 2.5, clusters=clusters).interval for one, other in PLACES]
    expected = [(interval.low, interval.high) for interval in each if interval]
    assert ends(PairedValues(RIGHT, clusters), 2.5) == pytest.approx(np.array(expected))


def test_numbers_of_any_size_have_scipys_paired_t() -> None:
    tests = [ttest_rel(9 * NUMBERS[one], 9 * NUMBERS[other]).confidence_interval(0.95) for one, other in PLACES]
    assert ends(PairedValues(9 * NUMBERS), 1.959964) == pytest.approx(np.array(tests), abs=1e-6)


def test_numbers_up_to_one_have_tangos_interval_which_of_many_is_students() -> None:
    tests = [ttest_rel(NUMBERS[one], NUMBERS[other]).confidence_interval(0.95) for one, other in PLACES]
    assert ends(PairedValues(NUMBERS)) == pytest.approx(np.array(tests), abs=0.002)
    assert ends(PairedValues(RIGHT.astype(float))) == pytest.approx(ends(PairedValues(RIGHT)))


def test_where_a_few_of_many_examples_differ_the_interval_holds_what_made_them() -> None:
    generator = np.random.default_rng(0)
    values = np.where(
        generator.random((500, 300)) < 0.01, generator.choice([1, 0.5, -0.5], (500, 300), p=[0.3, 0.6, 0.1]), 0
    )
    true = 0.01 * (0.3 + 0.3 - 0.05)
    found = [PairedValues(np.stack([row, np.zeros(300)])).differences() for row in values]
    assert np.mean([one.low[0] <= true <= one.high[0] for one in found]) > 0.935


@pytest.mark.parametrize("clusters", [None, TRACKS])
def test_mean_per_class_recall_has_the_interval_of_a_single_comparison(clusters: np.ndarray | None) -> None:
    each = [paired_recall_difference(CLASSES, RIGHT[one], RIGHT[other], 2.5, clusters)[1] for one, other in PLACES]
    expected = [(interval.low, interval.high) for interval in each if interval]
    assert ends(PairedValues(RIGHT, clusters, CLASSES), 2.5) == pytest.approx(np.array(expected))


def test_draws_have_the_interval_of_crossed_factors() -> None:
    drawn = np.random.default_rng(2).random((4, 300, 5)) < 0.6
    for strata in (None, CLASSES):
        apart = [drawn[one].astype(float) - drawn[other] for one, other in PLACES]
        each = [crossed_mean(values, strata).interval(1.96) for values in apart]
        expected = [(interval.low, interval.high) for interval in each if interval]
        assert ends(PairedValues(drawn, strata=strata)) == pytest.approx(np.array(expected))
    too_alike = PairedValues(drawn, pool_share=0.8).differences()
    assert np.isnan(too_alike.low).all()
    assert not too_alike.directions.any()


def test_values_weigh_strata_equally() -> None:
    means = [np.mean([row[label == CLASSES].mean() for label in np.unique(CLASSES)]) for row in RIGHT]
    assert PairedValues(RIGHT, strata=CLASSES).values == pytest.approx(means)


def test_a_mean_of_sets_adds_squared_distances() -> None:
    parts = [PairedValues(RIGHT[:, :200]).differences(), PairedValues(NUMBERS).differences()]
    mean = mean_of_sets(parts)
    assert mean.values.tolist() == pytest.approx(((parts[0].values + parts[1].values) / 2).tolist())
    below = np.hypot(parts[0].values - parts[0].low, parts[1].values - parts[1].low) / 2
    assert (mean.values - mean.low).tolist() == pytest.approx(below.tolist())
    assert mean_of_sets(parts[:1]) is parts[0]


def test_where_nothing_ever_differs_a_difference_is_as_small_as_for_right_and_wrong() -> None:
    same = PairedValues(np.repeat(NUMBERS[:1], 2, axis=0)).differences(1.96)
    assert (same.values.tolist(), same.high[0]) == ([0.0], pytest.approx(1.96**2 / (300 + 1.96**2)))


def test_few_examples_or_clusters_have_no_interval() -> None:
    few = np.arange(300) // 30
    for values in (PairedValues(RIGHT[:, :9]), PairedValues(NUMBERS[:, :9]), PairedValues(RIGHT, few)):
        assert np.isnan(values.differences().low).all()
