"""scikit-learn's own fits behind the same interface."""

import os
import subprocess
import sys

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


def test_it_is_scikit_learns_estimator(digits):
    features, labels = digits
    found = fit_with_scikit(Problem.of(features, labels, 10), 0.01, final=True)
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


def test_two_classes_and_several_sigmoids(digits):
    features, labels = digits
    targets, outputs = class_targets((labels > 4).astype(np.int64), 2)
    binary = fit_with_scikit(Problem.of(features, targets, outputs), 0.01, final=True)
    assert binary.head.weight.shape == (1, 64)
    present = np.eye(10, dtype=np.float32)[labels]
    several = fit_with_scikit(Problem.of(features, present, 10), 0.01, final=True)
    alone = LogisticRegression(C=0.01, max_iter=1000).fit(features.astype(np.float64), labels == 3)
    assert several.head.weight[3] == pytest.approx(alone.coef_[0], abs=1e-9)


def test_a_fit_that_was_cut_short_says_so(digits):
    features, labels = digits
    cut = fit_with_scikit(Problem.of(features, labels, 10), 1.0, max_iterations=5)
    assert (cut.converged, cut.iterations) == (False, 5)


_ON_TORCH = """
import numpy as np, torch
from sklearn import config_context
from sklearn.datasets import load_digits
from clipbench.heads import scikit
features, labels = load_digits(return_X_y=True)
x, y = torch.as_tensor(features, dtype=torch.float64), torch.as_tensor(labels)
plain = scikit._fit(features, labels, 0.01, None, True, 1000)
with config_context(array_api_dispatch=True):
    dispatched = scikit._fit(x, y, 0.01, plain.head, True, 1000)
print(np.abs(plain.head.weight - dispatched.head.weight).max())
"""


def test_the_same_estimator_runs_on_torch_tensors():
    ran = subprocess.run(
        [sys.executable, "-c", _ON_TORCH],
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(ran.stdout) < 1e-3
