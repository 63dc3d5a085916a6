"""scikit-learn's own fits behind the same interface."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from clipbench.heads.logistic import fit
from clipbench.heads.problem import Problem, class_targets
from clipbench.heads.scikit import fit_with_scikit


@pytest.fixture(scope="module")
def digits():
    features, labels = load_digits(return_X_y=True)
    return features.astype(np.float32), labels.astype(np.int64)


@pytest.mark.parametrize("classes", [10, 2])
def test_it_is_scikit_learns_estimator(digits, classes):
    features, labels = digits
    labels = labels if classes == 10 else (labels > 4).astype(np.int64)
    found = fit_with_scikit(Problem.of(features, *class_targets(labels, classes)), 0.01, final=True)
    reference = LogisticRegression(C=0.01, max_iter=1000).fit(features.astype(np.float64), labels)
    assert found.head.weight == pytest.approx(reference.coef_, abs=1e-12)
    assert found.iterations == reference.n_iter_[0]
    assert found.converged


def test_both_solvers_agree_on_the_predictions(digits):
    features, labels = digits
    problem = Problem.of(features, labels, 10)
    ours, theirs = (solve(problem, 0.01, final=True).head.scores(features) for solve in (fit, fit_with_scikit))
    # At its default tolerance scikit-learn stops before the minimum.
    assert (ours.argmax(axis=1) == theirs.argmax(axis=1)).mean() >= 0.995


def test_a_fit_that_was_cut_short_says_so(digits):
    features, labels = digits
    cut = fit_with_scikit(Problem.of(features, labels, 10), 1.0, max_iterations=5)
    assert (cut.converged, cut.iterations) == (False, 5)
