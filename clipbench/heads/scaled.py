"""The objective of logistic regression in variables that are scaled by its curvature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clipbench.heads.problem import Head, Problem

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class ScaledObjective:
    """C * sum of losses + |W - towards|^2 / 2, divided by C n, as a function of scaled variables U and c.

    W = towards + (U * scale) @ axes.T and bias = c * bias_scale - W @ centre: the features are taken as centred
    and turned to their principal axes, and each axis is divided by sqrt(h * variance + 1 / (C n)), where h is
    a class's mean of p (1 - p) at the start.
    """

    def __init__(self, problem: Problem, C: float, start: Head, dtype: torch.dtype) -> None:  # noqa: N803
        import torch

        self.problem = problem
        self.penalty = 1 / (C * problem.examples)
        self.loss = _softmax_loss if problem.targets.ndim == 1 else _sigmoid_loss
        self.dtype = dtype
        device = problem.features.device
        variances, axes = problem.axes
        curvature = self._curvature(start)[:, None]
        self.scale = (curvature * variances + self.penalty).rsqrt().to(dtype)
        self.bias_scale = curvature[:, 0].clamp(min=1e-12).rsqrt().to(dtype)
        self.axes = axes.to(dtype)
        self.centre = problem.centre.to(dtype)
        towards = np.zeros((problem.outputs, len(variances))) if problem.towards is None else problem.towards
        self.towards = torch.as_tensor(towards, dtype=dtype, device=device)

    def _curvature(self, head: Head) -> Tensor:
        """Return (K,) float64: the mean of p (1 - p), or of the squared error of p where that is larger.

        Both are the curvature of a head that is right about its own errors. One that is sure and wrong has none
        where it stands, but will have it on its way.
        """
        import torch

        weight, bias = self._tensors(head, torch.float32)
        spread = torch.zeros(2, len(bias), dtype=torch.float64, device=bias.device)
        softmax = self.problem.targets.ndim == 1
        for rows, targets in self.problem.chunks():
            scores = torch.addmm(bias, rows, weight.T)
            shares = scores.softmax(dim=1) if softmax else scores.sigmoid()
            _, errors = self.loss(scores, targets)
            spread[0] += (shares * (1 - shares)).sum(dim=0, dtype=torch.float64)
            spread[1] += errors.square().sum(dim=0, dtype=torch.float64)
        return spread.amax(dim=0) / self.problem.examples

    def _tensors(self, head: Head, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        import torch

        device = self.problem.features.device
        return (
            torch.as_tensor(head.weight, dtype=dtype, device=device),
            torch.as_tensor(head.bias, dtype=dtype, device=device),
        )

    def pack(self, head: Head) -> Tensor:
        """Return a head as one vector of scaled variables."""
        import torch

        weight, bias = self._tensors(head, torch.float64)
        turned = (weight - self.towards.double()) @ self.axes.double() / self.scale.double()
        centred = (bias + weight @ self.centre.double()) / self.bias_scale.double()
        return torch.cat([turned.ravel(), centred]).to(self.dtype)

    def unpack(self, flat: Tensor) -> Head:
        """Return the head that a vector stands for."""
        weight, centred = self._weights(flat)
        weight = weight.double()
        bias = centred.double() - weight @ self.centre.double()
        if not self.problem.intercept:
            bias = bias * 0
        return Head(weight.cpu().numpy(), bias.cpu().numpy())

    def _weights(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        outputs, width = self.scale.shape
        turned = flat[: outputs * width].view(outputs, width) * self.scale
        return self.towards + turned @ self.axes.T, flat[outputs * width :] * self.bias_scale

    def value_and_gradient(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        """Return the objective, float64, and its gradient by the scaled variables."""
        import torch

        weight, centred = self._weights(flat)
        offset = centred - weight @ self.centre
        value = torch.zeros((), dtype=torch.float64, device=flat.device)
        by_weight, by_bias = torch.zeros_like(weight), torch.zeros_like(centred)
        for rows, targets in self.problem.chunks():
            rows = rows.to(self.dtype)
            loss, slope = self.loss(torch.addmm(offset, rows, weight.T), targets)
            value += loss
            by_weight += slope.T @ rows
            by_bias += slope.sum(dim=0)
        by_weight -= torch.outer(by_bias, self.centre)
        distance = weight - self.towards
        n = self.problem.examples
        value = value / n + self.penalty / 2 * distance.double().square().sum()
        by_weight = by_weight / n + self.penalty * distance
        if not self.problem.intercept:
            by_bias = torch.zeros_like(by_bias)
        gradient = torch.cat([((by_weight @ self.axes) * self.scale).ravel(), by_bias / n * self.bias_scale])
        return value, gradient


def _softmax_loss(scores: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the summed cross-entropy, float64, and its (n, K) gradient by the scores."""
    import torch

    rows = torch.arange(len(classes), device=classes.device)
    logs = scores.log_softmax(dim=1)
    slope = logs.exp()
    slope[rows, classes] -= 1
    return -logs[rows, classes].sum(dtype=torch.float64), slope


def _sigmoid_loss(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the binary cross-entropies summed over examples and outputs, and their gradient by the scores."""
    import torch

    targets = targets.to(scores.dtype)
    losses = torch.nn.functional.softplus(scores) - scores * targets
    return losses.sum(dtype=torch.float64), scores.sigmoid() - targets
