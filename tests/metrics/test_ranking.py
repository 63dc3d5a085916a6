import numpy as np
import pytest
import torch
from torchmetrics.functional.retrieval import retrieval_hit_rate

import clipbench.metrics.ranking as ranking
from clipbench.metrics.ranking import RightAnswers, ranks_of_best


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def pairs(right):
    query = np.array([query for query, items in enumerate(right) for _ in items])
    item = np.array([item for items in right for item in items])
    return RightAnswers(query, item, np.ones(len(item), np.int64))


def brute_force(queries, gallery, right):
    ranks = []
    for query, items in zip(queries, right, strict=True):
        scores = gallery @ query
        best = max(scores[item] for item in items)
        ranks.append(1 + sum(scores[item] >= best for item in range(len(gallery)) if item not in items))
    return ranks


@pytest.fixture
def random_task():
    random = np.random.default_rng(5)
    queries, gallery = unit(random.normal(size=(83, 16))), unit(random.normal(size=(61, 16)))
    right = [sorted(random.choice(61, size=random.integers(1, 6), replace=False).tolist()) for _ in range(83)]
    return queries, gallery, right


@pytest.mark.parametrize("tile", [1, 61 * 7, 1 << 22])
def test_ranks_agree_with_brute_force_whatever_the_tile(random_task, monkeypatch, tile):
    monkeypatch.setattr(ranking, "_TILE", tile)
    queries, gallery, right = random_task
    ranks = ranks_of_best(queries, gallery, np.ones(61, np.int64), pairs(right))
    assert ranks.tolist() == brute_force(queries, gallery, right)


@pytest.mark.parametrize("k", [1, 5, 10])
def test_recall_agrees_with_the_hit_rate_of_torchmetrics(random_task, k):
    queries, gallery, right = random_task
    ranks = ranks_of_best(queries, gallery, np.ones(61, np.int64), pairs(right))
    hits = []
    for query, items in zip(queries, right, strict=True):
        target = torch.zeros(61, dtype=torch.bool)
        target[items] = True
        hits.append(retrieval_hit_rate(torch.tensor(gallery @ query), target, top_k=k))
    assert (ranks <= k).mean() == pytest.approx(float(torch.stack(hits).mean()))


def test_wrong_entries_that_score_the_same_rank_first():
    axes = np.eye(3, dtype=np.float32)
    query = unit(np.array([[1.0, 1.0, 0.0]]))
    right = pairs([[0]])
    assert ranks_of_best(query, axes, np.array([1, 1, 1]), right).tolist() == [2]
    assert ranks_of_best(query, axes, np.array([1, 4, 9]), right).tolist() == [5]


def test_wrong_entries_in_the_row_of_the_right_one_rank_first():
    axes = np.eye(2, dtype=np.float32)
    one_of_three = RightAnswers(np.array([0]), np.array([0]), np.array([1]))
    all_three = RightAnswers(np.array([0]), np.array([0]), np.array([3]))
    assert ranks_of_best(axes[:1], axes, np.array([3, 1]), one_of_three).tolist() == [3]
    assert ranks_of_best(axes[:1], axes, np.array([3, 1]), all_three).tolist() == [1]
