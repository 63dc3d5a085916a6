"""The search against brute force in float64, and votes against sums written out."""

import numpy as np
import pytest

from clipbench.metrics.neighbours import Gallery, log_votes

pytestmark = pytest.mark.filterwarnings("error")


def unit(rows):
    rows = np.asarray(rows, np.float64)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def search(gallery, queries, k):
    """Without labels that tell rows apart, of equals the lower row comes first."""
    return Gallery.of(gallery, np.zeros(len(gallery), np.int64)).nearest(queries, np.ones(len(queries), np.int64), k)


def brute_force(gallery, queries, k):
    """Cosines pair by pair in float64, so that equal rows are equally similar; of equals the lower row first."""
    rows = []
    for query in queries.astype(np.float64):
        similarities = (gallery.astype(np.float64) * query).sum(axis=1)
        rows.append(np.argsort(-similarities, kind="stable")[:k])
    return np.array(rows)


def cosines(gallery, queries, rows):
    return np.einsum("nkd,nd->nk", gallery.astype(np.float64)[rows], queries.astype(np.float64))


@pytest.mark.parametrize(
    ("n", "width", "k"), [(1, 4, 1), (2, 3, 2), (50, 1, 7), (300, 16, 300), (300, 64, 20), (2000, 512, 200)]
)
def test_neighbours_are_those_of_brute_force(n, width, k):
    random = np.random.default_rng(n)
    gallery, queries = unit(random.normal(size=(n, width))), unit(random.normal(size=(60, width)))
    found = search(gallery, queries, k)
    assert np.array_equal(found.rows, brute_force(gallery, queries, k))
    np.testing.assert_allclose(found.similarities, cosines(gallery, queries, found.rows), atol=2e-7)


def test_a_gallery_and_queries_larger_than_a_tile():
    # So dense that float32 products of one query often differ by less than they are rounded.
    random = np.random.default_rng(0)
    gallery, queries = unit(random.normal(size=(70_000, 4))), unit(random.normal(size=(600, 4)))
    found = search(gallery, queries, 10)
    places = np.r_[0:40, 500:520]
    assert np.array_equal(found.rows[places], brute_force(gallery, queries[places], 10))


@pytest.mark.parametrize("size", [1, 7, 100, 599])
def test_how_queries_are_cut_into_chunks_does_not_matter(size):
    random = np.random.default_rng(1)
    gallery, queries = unit(random.normal(size=(5000, 48))), unit(random.normal(size=(200, 48)))
    gallery[2500:] = gallery[:2500]
    whole = search(gallery, queries, 25).rows
    parts = [search(gallery, queries[start : start + size], 25).rows for start in range(0, len(queries), size)]
    assert np.array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("copies", [3, 500])
def test_of_equally_similar_rows_the_lower_is_nearer(copies):
    random = np.random.default_rng(2)
    gallery = unit(random.normal(size=(2000, 96)))
    places = np.sort(random.choice(2000, copies, replace=False))
    gallery[places] = gallery[places[0]]
    queries = unit(gallery[places[:1]] + 0.02 * random.normal(size=(50, 96)))
    found = search(gallery, queries, 30)
    assert np.array_equal(found.rows, brute_force(gallery, queries, 30))
    assert np.array_equal(found.rows[:, : min(30, copies)], np.tile(places[:30], (50, 1)))


@pytest.mark.parametrize("copies", [12, 600])
def test_of_equally_similar_rows_those_of_the_true_class_come_last_whatever_the_order_of_rows(copies):
    random = np.random.default_rng(3)
    gallery, labels = unit(random.normal(size=(900, 32))), random.integers(0, 4, 900)
    gallery[:copies] = gallery[0]
    queries, true = unit(np.tile(gallery[:1], (8, 1)) + 0.01 * random.normal(size=(8, 32))), np.arange(8) % 4
    found = labels[Gallery.of(gallery, labels).nearest(queries, true, copies).rows]
    for row, own in zip(found, true, strict=True):
        others = np.sort(labels[:copies][labels[:copies] != own])
        assert row.tolist() == [*others, *np.full(copies - len(others), own)]
    shuffled = random.permutation(900)
    again = labels[shuffled][Gallery.of(gallery[shuffled], labels[shuffled]).nearest(queries, true, 10).rows]
    assert np.array_equal(again, found[:, :10])


def shares(logs):
    weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def test_without_a_temperature_every_vote_counts_the_same():
    votes = log_votes(np.array([[0, 2, 2, 1]]), np.array([[0.9, 0.1, -1, 0.2]]), 4, temperature=None)
    np.testing.assert_allclose(np.exp(votes), [[1, 1, 2, 0]], rtol=1e-6)
    assert votes[0, 0] == votes[0, 1]


def test_a_low_temperature_still_tells_distant_classes_apart():
    # exp(-20,000) is zero in float64: the class would seem to have no vote.
    votes = log_votes(np.array([[0, 1, 2]]), np.array([[1.0, -0.99, -1.0]]), 4, temperature=1e-4)
    assert np.argsort(-votes[0]).tolist() == [0, 1, 2, 3]
    assert votes[0, 1] == pytest.approx(-19_900)
    assert np.isneginf(votes[0, 3])


def test_votes_are_weighted_by_the_exponential_of_the_similarity():
    random = np.random.default_rng(3)
    labels, similarities = random.integers(0, 30, (50, 40)), random.uniform(-0.2, 0.9, (50, 40))
    expected = np.zeros((50, 30))
    for row in range(50):
        np.add.at(expected[row], labels[row], np.exp(similarities[row] / 0.07))
    votes = log_votes(labels, similarities, 30, 0.07)
    np.testing.assert_allclose(shares(votes), expected / expected.sum(axis=1, keepdims=True), rtol=1e-5)
    assert np.isneginf(votes).tolist() == (expected == 0).tolist()
    assert votes.dtype == np.float32
