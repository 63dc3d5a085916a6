"""The same fits by scikit-learn's own L-BFGS, as a second opinion: on the CPU, for one class an example."""

from __future__ import annotations

import warnings

import numpy as np

from clipbench.heads.logistic import MAX_ITERATIONS, Fit
from clipbench.heads.problem import Head, Problem


def fit_with_scikit(
    problem: Problem,
    C: float,  # noqa: N803 - the field's and scikit-learn's name
    start: Head | None = None,
    *,
    final: bool = False,
    max_iterations: int = MAX_ITERATIONS,
) -> Fit:
    """Fit as `clipbench.heads.logistic.fit` does, with `sklearn.linear_model.LogisticRegression`.

    scikit-learn's default tolerance holds, so that the head is the one of the paper's public example. Final fits are
    in float64, others in float32; there are no weights to be pulled towards.
    """
    from sklearn.linear_model import LogisticRegression

    assert problem.towards is None
    targets = problem.targets.cpu().numpy()
    assert targets.ndim == 1 or targets.shape[1] == 1
    estimator = LogisticRegression(C=C, fit_intercept=problem.intercept, max_iter=max_iterations, warm_start=True)
    if start is not None:
        estimator.coef_, estimator.intercept_ = start.weight, start.bias
    with warnings.catch_warnings():
        # Whether it converged is in the result.
        warnings.filterwarnings("ignore", module="sklearn", message="lbfgs failed to converge")
        estimator.fit((problem.features.double() if final else problem.features).cpu().numpy(), targets.ravel())
    iterations = int(estimator.n_iter_[0])
    head = Head(estimator.coef_.astype(np.float64), estimator.intercept_.astype(np.float64))
    return Fit(head, iterations, iterations < max_iterations)
