"""Logistic regression with an L2 penalty, by preconditioned L-BFGS.

The objective is scikit-learn's: C * sum of the losses + |W|^2 / 2, with an intercept that is not penalised. What
differs is the way to its minimum. L-BFGS needs thousands of steps where some directions of the features have far
more variance than others, as those of image towers do; in variables scaled by the curvature it needs a tenth of
them or fewer. No centred, turned or float64 copy of the features is made.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clipbench.heads.problem import ELEMENTS, Head, Problem
from clipbench.heads.scaled import ScaledObjective

if TYPE_CHECKING:
    import torch
    from torch import Tensor

HISTORY = 10
"""Pairs of steps and gradients that L-BFGS keeps."""

ROUGH_TOLERANCE = 1e-2
"""Largest entry of the gradient, in the scaled variables, at which a fit stops that only tells where to look closer.

On a resplit of `benchmarks/penalty_search.py` the scores of the seven are at most 1.2 points off; at 1e-1, 49.
"""

SEARCH_TOLERANCE = 1e-4
"""The same for a fit that C is chosen by.

Of the powers of ten the loosest at which the choice there is within 0.2 points of the best of the whole grid each time;
at 1e-3 one of 21 resplits lost two images of 600.
"""

TOLERANCE = 1e-6
"""The same for a final fit, in float64: the objective is then within 1e-8 of its minimum, relatively."""

MAX_ITERATIONS = 1000
"""As in the CLIP paper."""

SMALL = 1 << 24
"""Multiplications a step up to which one thread is as fast as several."""


@dataclass(frozen=True)
class Fit:
    """A fitted head and how the fitting went."""

    head: Head
    iterations: int
    converged: bool
    """False: the gradient was still larger than the tolerance when the iterations were used up or no step
    lowered the objective."""


def fit(
    problem: Problem,
    C: float,  # noqa: N803 - the field's and scikit-learn's name
    start: Head | None = None,
    *,
    final: bool = False,
    rough: bool = False,
    max_iterations: int = MAX_ITERATIONS,
) -> Fit:
    """Minimise C * sum of losses + |W - towards|^2 / 2 over W and the bias.

    Args:
        problem: features and targets.
        C: inverse strength of the penalty, more than 0.
        start: where to start; `towards`, or zero, if None. The minimum is unique.
        final: to `TOLERANCE`, in float64 after float32 has come near; else to `SEARCH_TOLERANCE`, in float64 only
            where float32 is too coarse.
        rough: to `ROUGH_TOLERANCE`.
        max_iterations: of L-BFGS, together.

    Few examples (n < D): the minimum lies in the span of the examples, and is looked for there.
    """
    examples, width = problem.examples, problem.features.shape[1]
    with threads_for(examples, width, problem.outputs):
        if examples < width:
            return _fit_in_span(problem, C, start, final, rough, max_iterations)
        return _fit(problem, C, start, final, ROUGH_TOLERANCE if rough else SEARCH_TOLERANCE, max_iterations)


def _fit(
    problem: Problem,
    C: float,  # noqa: N803
    start: Head | None,
    final: bool,
    tolerance: float,
    max_iterations: int,
) -> Fit:
    import torch

    if start is None:
        start = Head.zeros(problem.outputs, problem.features.shape[1])
        start = start if problem.towards is None else Head(problem.towards, start.bias)
    found = _minimise(problem, C, start, torch.float32, tolerance, max_iterations)
    left = max_iterations - found.iterations
    # Where the penalty is weak, float32 may be too coarse for any further step.
    if left <= 0 or (found.converged and not final):
        return found
    polished = _minimise(problem, C, found.head, torch.float64, TOLERANCE if final else tolerance, left)
    return Fit(polished.head, found.iterations + polished.iterations, polished.converged)


def _fit_in_span(
    problem: Problem,
    C: float,  # noqa: N803
    start: Head | None,
    final: bool,
    rough: bool,
    max_iterations: int,
) -> Fit:
    inner, basis = problem.in_span
    turn, centre = basis.cpu().numpy(), problem.centre.cpu().numpy()
    moved = None if start is None else Head(start.weight @ turn, start.bias + start.weight @ centre)
    found = fit(inner, C, moved, final=final, rough=rough, max_iterations=max_iterations)
    weight = found.head.weight @ turn.T
    if problem.towards is not None:
        weight += problem.towards - problem.towards @ turn @ turn.T
    bias = found.head.bias - weight @ centre if problem.intercept else found.head.bias
    return Fit(Head(weight, bias), found.iterations, found.converged)


def _minimise(problem: Problem, C: float, start: Head, dtype: torch.dtype, tolerance: float, iterations: int) -> Fit:  # noqa: N803
    import torch

    scaled = ScaledObjective(problem, C, start, dtype)
    flat = torch.nn.Parameter(scaled.pack(start))
    with torch.no_grad():
        value, _ = scaled.value_and_gradient(flat)
    # The objective is off by about the squared gradient, so a small one needs a smaller gradient.
    tolerance *= min(1.0, float(value) ** 0.5)
    optimiser: Any = torch.optim.LBFGS(
        [flat],
        max_iter=iterations,
        max_eval=2 * iterations,
        history_size=HISTORY,
        tolerance_grad=1.0,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        with torch.no_grad():
            value, gradient = scaled.value_and_gradient(flat)
            # In units of the tolerance: torch forgets pairs of steps and gradients whose product is below 1e-10.
            flat.grad = gradient / tolerance
        return value / tolerance

    optimiser.step(closure)
    with torch.no_grad():
        _, gradient = scaled.value_and_gradient(flat)
    converged = bool(gradient.abs().max() <= tolerance)
    return Fit(scaled.unpack(flat.detach()), int(optimiser.state[flat]["n_iter"]), converged)


def fit_with_scikit(
    problem: Problem,
    C: float,  # noqa: N803 - the field's and scikit-learn's name
    start: Head | None = None,
    *,
    final: bool = False,
    rough: bool = False,
    max_iterations: int = MAX_ITERATIONS,
) -> Fit:
    """Fit as `fit` does, by `sklearn.linear_model.LogisticRegression`, as a second opinion; on the CPU.

    scikit-learn's default tolerance holds for all fits, so that the head is the one of the paper's public example. The
    problem has one class an example and no weights to be pulled towards; a final fit is in float64 instead of float32.
    """
    from sklearn.linear_model import LogisticRegression

    assert problem.towards is None
    features, targets = (part.cpu().numpy() for part in problem.rows())
    assert targets.ndim == 1 or targets.shape[1] == 1
    estimator = LogisticRegression(C=C, fit_intercept=problem.intercept, max_iter=max_iterations, warm_start=True)
    if start is not None:
        estimator.coef_, estimator.intercept_ = start.weight, start.bias
    with warnings.catch_warnings():
        # Whether it converged is in the result.
        warnings.filterwarnings("ignore", module="sklearn", message="lbfgs failed to converge")
        estimator.fit(features.astype(np.float64) if final else features, targets.ravel())
    iterations = int(estimator.n_iter_[0])
    head = Head(estimator.coef_.astype(np.float64), estimator.intercept_.astype(np.float64))
    return Fit(head, iterations, iterations < max_iterations)


@contextmanager
def threads_for(examples: int, width: int, outputs: int) -> Iterator[None]:
    """Let torch compute with one thread while a small head is fitted on (n, D) features, for K outputs.

    Steps of a millisecond are not worth a second thread; and where another process holds its core, threads that
    wait for each other in every step make a fit many times slower.
    """
    import torch

    before = torch.get_num_threads()
    try:
        if examples * min(examples, width) * outputs <= SMALL:
            torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(before)


def memory(examples: int, width: int, outputs: int) -> int:
    """Return the bytes that a fit holds: the features, the optimiser's history and what it works on at once."""
    variables = outputs * (width + 1)
    return 4 * examples * width + 8 * ((2 * HISTORY + 8) * variables + 3 * width**2 + 3 * ELEMENTS["cuda"])
