"""Fitting linear heads: the minimum is scikit-learn's, however it is reached."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.linear_model import LogisticRegression

from clipbench.heads.logistic import fit, fit_with_scikit, memory, threads_for
from clipbench.heads.problem import ELEMENTS, Head, Problem, class_targets


def digits(rows=slice(None)):
    features, labels = load_digits(return_X_y=True)
    return features[rows].astype(np.float32), labels[rows].astype(np.int64)


def tight(features, labels, C, **settings):
    """A float64 fit to 1e-10; L-BFGS stops before that, whatever its tolerance, so by Newton's method."""
    estimator = LogisticRegression(C=C, tol=1e-10, max_iter=1000, solver="newton-cholesky", **settings)
    return estimator.fit(features.astype(np.float64), labels)


def objective(weight, bias, features, labels, C):
    scores = features.astype(np.float64) @ weight.T + bias
    losses = logsumexp(scores, axis=1) - scores[np.arange(len(labels)), labels]
    return C * losses.sum() + np.square(weight).sum() / 2


def problem(features, labels, classes=10, **settings):
    return Problem.of(features, *class_targets(labels, classes), **settings)


def excess(found, features, labels, C):
    """How far the objective lies above that of a tight fit, relatively, and the tight fit."""
    reference = tight(features, labels, C)
    lowest = objective(reference.coef_, reference.intercept_, features, labels, C)
    return objective(found.head.weight, found.head.bias, features, labels, C) / lowest - 1, reference


@pytest.mark.parametrize("C", [1e-4, 1e-2, 1.0, 100.0])
def test_the_minimum_is_that_of_a_tight_float64_fit(C):
    features, labels = digits()
    found = fit(problem(features, labels), C, final=True)
    above, reference = excess(found, features, labels, C)
    assert found.converged
    assert above == pytest.approx(0, abs=1e-8)
    assert np.abs(found.head.weight - reference.coef_).max() < 1e-4
    agree = found.head.scores(features).argmax(axis=1) == reference.predict(features)
    assert agree.mean() >= 0.999


@pytest.mark.parametrize("C", [1e-2, 1.0])
def test_features_of_very_different_scales_and_far_from_zero_are_no_obstacle(C):
    features, labels = load_wine(return_X_y=True)
    features = (features + 50).astype(np.float32)
    found = fit(problem(features, labels, 3), C, final=True)
    assert found.converged
    assert excess(found, features, labels, C)[0] == pytest.approx(0, abs=1e-6)


def test_two_classes_have_one_score_as_in_scikit_learn():
    features, labels = load_breast_cancer(return_X_y=True)
    features = features.astype(np.float32)
    found, reference = fit(problem(features, labels, 2), 0.1, final=True), tight(features, labels, 0.1)
    assert found.head.weight.shape == (1, features.shape[1])
    assert np.abs(found.head.weight - reference.coef_).max() < 1e-4
    scores = found.head.class_scores(features)
    assert scores.shape == (len(features), 2)
    assert (scores.argmax(axis=1) == reference.predict(features)).mean() >= 0.999


def test_several_sigmoids_at_once_are_one_fit_each():
    features, labels = digits()
    found = fit(Problem.of(features, np.eye(10, dtype=np.float32)[labels], 10), 0.1, final=True)
    for place in (0, 7):
        reference = tight(features, labels == place, 0.1)
        assert np.abs(found.head.weight[place] - reference.coef_[0]).max() < 1e-4


def test_without_an_intercept():
    features, labels = digits()
    found = fit(problem(features, labels, intercept=False), 0.3, final=True)
    reference = tight(features, labels, 0.3, fit_intercept=False)
    assert np.abs(found.head.weight - reference.coef_).max() < 1e-4
    assert not found.head.bias.any()


@pytest.mark.parametrize("rows", [20, 40])
def test_fewer_examples_than_features(rows):
    features, labels = digits(slice(rows))
    found, reference = fit(problem(features, labels), 0.3, final=True), tight(features, labels, 0.3)
    assert np.abs(found.head.weight - reference.coef_).max() < 1e-4
    # A constant added to every intercept changes nothing.
    assert np.ptp(found.head.bias - reference.intercept_) < 1e-3


def test_a_fit_of_few_examples_that_starts_at_its_minimum_ends_there():
    generator, labels = np.random.default_rng(0), np.arange(30) % 3
    features = generator.normal(3, 1, (30, 64)) + 2 * generator.normal(size=(3, 64))[labels]
    targets, _ = class_targets(labels, 3)
    problem = Problem.of(features.astype(np.float32), targets, 3)
    minimum = fit(problem, 1.0, final=True)
    again = fit(problem, 1.0, minimum.head)
    assert minimum.iterations > 10
    assert again.iterations <= 1


@pytest.mark.parametrize("rows", [40, 400])
def test_a_strong_pull_keeps_the_weights_where_they_are_pulled(rows):
    features, labels = digits(slice(rows))
    towards = np.random.default_rng(0).normal(size=(10, 64))
    pulled = problem(features, labels, intercept=False, towards=towards)
    assert np.abs(fit(pulled, 1e-12, final=True).head.weight - towards).max() < 1e-6
    free = fit(pulled, 1.0, final=True)
    assert free.converged
    scores = features @ free.head.weight.T
    residual = np.eye(10)[labels] - np.exp(scores - logsumexp(scores, axis=1, keepdims=True))
    # At the minimum the distance is C times the gradient of the likelihood.
    assert free.head.weight - towards == pytest.approx(residual.T @ features, abs=1e-3)


def test_neither_where_it_starts_nor_chunks_matter(monkeypatch):
    features, labels = digits()
    far = Head(np.random.default_rng(1).normal(size=(10, 64)), np.ones(10))
    cold, warm = (fit(problem(features, labels), 0.1, start, final=True) for start in (None, far))
    assert np.abs(cold.head.weight - warm.head.weight).max() < 1e-5
    monkeypatch.setitem(ELEMENTS, "cpu", 1)
    pieces = fit(problem(features, labels), 0.1, final=True)
    assert np.abs(cold.head.weight - pieces.head.weight).max() < 1e-5


@pytest.mark.parametrize("solve", [fit, fit_with_scikit])
@pytest.mark.parametrize(("rows", "held"), [(600, slice(0, 200)), (600, slice(300, 450)), (60, slice(50, 60))])
def test_rows_that_are_held_out_have_no_part_in_a_fit(solve, rows, held):
    features, labels = digits(slice(rows))
    kept = np.delete(np.arange(rows), held)
    whole = problem(features, labels)
    part = solve(whole.without(held), 0.1, final=True)
    alone = solve(problem(features[kept], labels[kept]), 0.1, final=True)
    assert whole.without(held).examples == len(kept)
    assert np.abs(part.head.weight - alone.head.weight).max() < 1e-5
    assert np.abs(part.head.weight - solve(whole, 0.1, final=True).head.weight).max() > 1e-3


@pytest.mark.parametrize("solve", [fit, fit_with_scikit])
def test_a_fit_that_was_cut_short_says_so(solve):
    cut = solve(problem(*digits()), 1.0, final=True, max_iterations=3)
    assert (cut.converged, cut.iterations) == (False, 3)


@pytest.mark.parametrize("classes", [10, 2])
def test_scikit_learns_own_estimator_as_solver(classes):
    features, labels = digits()
    labels = labels if classes == 10 else (labels > 4).astype(np.int64)
    found = fit_with_scikit(problem(features, labels, classes), 0.01, final=True)
    reference = LogisticRegression(C=0.01, max_iter=1000).fit(features.astype(np.float64), labels)
    assert found.head.weight == pytest.approx(reference.coef_, abs=1e-12)
    assert (found.iterations, found.converged) == (reference.n_iter_[0], True)


def test_a_search_fit_goes_on_in_float64_where_float32_is_too_coarse():
    features, labels = digits()
    assert fit(problem(features[::2], labels[::2]), 1e4).converged


def test_memory_is_the_features_and_the_history():
    million = memory(1_281_167, 768, 1000)
    features = 4 * 1_281_167 * 768
    history = 8 * 20 * 1000 * 769
    assert features + history < million < 1.5 * (features + history)


@pytest.mark.parametrize(("size", "inside"), [((160, 1024, 10), 1), ((100_000, 768, 1000), 2)])
def test_a_small_fit_takes_one_thread_and_gives_the_others_back(size, inside):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threads_for(*size):
            assert torch.get_num_threads() == inside
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
