"""The same fits by scikit-learn's own L-BFGS, as a second opinion."""

from __future__ import annotations

import os
import warnings
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from clipbench.errors import UserError
from clipbench.heads.logistic import MAX_ITERATIONS, Fit
from clipbench.heads.problem import Head, Problem

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression


def fit_with_scikit(
    problem: Problem,
    C: float,  # noqa: N803 - the field's and scikit-learn's name
    start: Head | None = None,
    *,
    final: bool = False,
    max_iterations: int = MAX_ITERATIONS,
) -> Fit:
    """Fit as `clipbench.heads.logistic.fit` does, with `sklearn.linear_model.LogisticRegression`.

    scikit-learn's default tolerance holds, so that the head is the one of the paper's public example. On a GPU
    its array API dispatch computes with torch; the variables themselves travel to the CPU for each step.

    Args:
        problem: without weights to be pulled towards.
        C: inverse strength of the penalty.
        start: where to start.
        final: in float64 instead of float32.
        max_iterations: of L-BFGS; with several sigmoids, of each.

    Raises:
        UserError: on a GPU without SCIPY_ARRAY_API=1 in the environment.
    """
    assert problem.towards is None
    features, targets = problem.features.double() if final else problem.features, problem.targets
    on_cpu = features.device.type == "cpu"
    arrays = (features.numpy(), targets.numpy()) if on_cpu else (features, targets)
    with _dispatching(not on_cpu), warnings.catch_warnings():
        # Whether it converged is in the result.
        warnings.filterwarnings("ignore", module="sklearn", message="lbfgs failed to converge")
        if targets.ndim == 1:
            return _fit(arrays[0], arrays[1], C, start, problem.intercept, max_iterations)
        starts = [None if start is None else Head(start.weight[k : k + 1], start.bias[k : k + 1])
                  for k in range(problem.outputs)]  # fmt: skip
        fits = [
            _fit(arrays[0], arrays[1][:, k], C, starts[k], problem.intercept, max_iterations)
            for k in range(problem.outputs)
        ]
    weight = np.concatenate([fit.head.weight for fit in fits])
    bias = np.concatenate([fit.head.bias for fit in fits])
    return Fit(Head(weight, bias), max(fit.iterations for fit in fits), all(fit.converged for fit in fits))


def _fit(features: Any, targets: Any, C: float, start: Head | None, intercept: bool, max_iterations: int) -> Fit:  # noqa: N803
    from sklearn.linear_model import LogisticRegression

    estimator = LogisticRegression(C=C, fit_intercept=intercept, max_iter=max_iterations, warm_start=True)
    if start is not None:
        estimator.coef_, estimator.intercept_ = start.weight, start.bias
    estimator.fit(features, targets)
    iterations = int(estimator.n_iter_[0])
    return Fit(_head(estimator), iterations, iterations < max_iterations)


def _head(estimator: LogisticRegression) -> Head:
    weight, bias = estimator.coef_, estimator.intercept_
    if not isinstance(weight, np.ndarray):
        weight, bias = weight.cpu().numpy(), bias.cpu().numpy()
    return Head(weight.astype(np.float64), bias.astype(np.float64))


def _dispatching(wanted: bool) -> AbstractContextManager[None]:
    from sklearn import config_context

    if wanted and os.environ.get("SCIPY_ARRAY_API") != "1":
        raise UserError(
            "scikit-learn computes on a GPU only with SCIPY_ARRAY_API=1 in the environment",
            where="solver: scikit-learn",
            fix="set it before starting, or use solver: lbfgs",
        )
    context: AbstractContextManager[None] = config_context(array_api_dispatch=wanted)
    return context
