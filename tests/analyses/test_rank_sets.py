"""The ranks that models may have: by hand, against pairwise tests, and how often they leave out the truth."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportions_ztest

from clipbench.analyses.rankings.rank_sets import PublishedAccuracy, RankSet, rank_sets
from clipbench.stats.pairs import PairedValues
from clipbench.stats.simultaneous import bonferroni, critical_value, level_of


def similar(accuracies: list[float], n: int, seed: int = 0) -> np.ndarray:
    """(M, n) right answers of models that find the same images hard."""
    generator = np.random.default_rng(seed)
    hard = generator.normal(size=n)
    noise = generator.normal(scale=0.5, size=(len(accuracies), n))
    levels = np.quantile(hard + noise[0], accuracies)
    return (hard + noise < levels[:, None]).astype(bool)


def test_ranks_follow_from_which_pairs_differ_at_the_common_critical_value() -> None:
    right = similar([0.5, 0.52, 0.6, 0.75], 800)
    names = ["a", "b", "c", "d"]
    found = rank_sets(right, names)
    alpha = 1 - level_of(critical_value([PairedValues(right).largest()]))
    better = np.zeros((4, 4), bool)
    for one, other in combinations(range(4), 2):
        both, only_one = np.sum(right[one] & right[other]), np.sum(right[one] & ~right[other])
        only_other = np.sum(~right[one] & right[other])
        table = [[both, only_one], [only_other, 800 - both - only_one - only_other]]
        if mcnemar(table, exact=False, correction=False).pvalue < alpha:
            ahead = (one, other) if only_one > only_other else (other, one)
            better[ahead] = True
    assert found == [
        RankSet(name, 1 + int(better[:, place].sum()), 4 - int(better[place].sum()), right[place].mean())
        for place, name in enumerate(names)
    ]
    assert [(rank.lowest, rank.highest) for rank in found] == [(3, 4), (3, 4), (2, 2), (1, 1)]
    assert [rank.model for rank in found if rank.may_be_best] == ["d"]
    turned = rank_sets(right, names, higher_is_better=False)
    assert [(rank.lowest, rank.highest) for rank in turned] == [(1, 2), (1, 2), (3, 3), (4, 4)]


def test_ranks_of_means_over_sets_are_narrower_than_over_one() -> None:
    sets = [similar([0.5, 0.54, 0.58], 400, seed) for seed in range(8)]
    alone, together = rank_sets(sets[0], list("abc")), rank_sets(sets, list("abc"))
    assert [(rank.lowest, rank.highest) for rank in together] == [(3, 3), (2, 2), (1, 1)]
    assert sum(rank.highest - rank.lowest for rank in alone) > 0
    assert together[0].value == pytest.approx(np.mean([right[0].mean() for right in sets]))


def test_published_models_are_compared_as_independent_shares_for_all_pairs_at_once() -> None:
    right = similar([0.5, 0.7], 1000)
    published = [PublishedAccuracy("p", 0.62, 50_000), PublishedAccuracy("q", 0.63, 50_000)]
    found = rank_sets(right, ["a", "b"], published=published)
    z, _ = proportions_ztest([31_000, 31_500], [50_000, 50_000])
    assert abs(z) > bonferroni(6)
    assert [(rank.model, rank.lowest, rank.highest, rank.paired) for rank in found] == [
        ("a", 4, 4, True),
        ("b", 1, 1, True),
        ("p", 3, 3, False),
        ("q", 2, 2, False),
    ]
    close = rank_sets(right, ["a", "b"], published=[PublishedAccuracy("p", right[1].mean() - 0.04, 1000)])
    assert [(rank.lowest, rank.highest) for rank in close] == [(3, 3), (1, 2), (1, 2)]


def test_one_model_and_equal_models_have_every_rank() -> None:
    right = similar([0.5], 100)
    assert rank_sets(right, ["a"]) == [RankSet("a", 1, 1, right.mean())]
    same = np.repeat(right, 3, axis=0)
    assert {(rank.lowest, rank.highest) for rank in rank_sets(same, list("abc"))} == {(1, 3)}


def test_frames_of_a_few_tracks_decide_nothing() -> None:
    right, tracks = similar([0.5, 0.8], 600), np.arange(600)
    for clusters, ranks in ((tracks // 40, [(1, 2), (1, 2)]), (tracks // 10, [(2, 2), (1, 1)])):
        found = rank_sets([PairedValues(right, clusters)], ["a", "b"])
        assert [(rank.lowest, rank.highest) for rank in found] == ranks


def test_of_equal_models_a_rank_is_left_out_in_no_more_than_one_world_of_twenty() -> None:
    false = sum(
        any(rank.lowest > 1 or rank.highest < 5 for rank in rank_sets(similar([0.6] * 5, 300, seed), list("abcde")))
        for seed in range(150)
    )
    # 12 or fewer of 150 in 97 % of samples, were it 5 %.
    assert false <= 12
