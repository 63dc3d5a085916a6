"""Heads between the one that a fit starts at and the one that it ends at (WiSE-FT, Wortsman et al. 2022)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from clipbench.arrays import Float32Array
from clipbench.heads.problem import Head


@dataclass(frozen=True)
class Mixtures:
    """The heads alpha * fitted + (1 - alpha) * origin."""

    origin: Head
    alphas: tuple[float, ...]
    """Ascending, the first 0 and the last 1."""

    def at(self, alpha: float, fitted: Head) -> Head:
        """Return one of them."""
        weight = alpha * fitted.weight + (1 - alpha) * self.origin.weight
        return Head(weight, alpha * fitted.bias + (1 - alpha) * self.origin.bias)

    def validate(
        self, fitted: Head, features: Float32Array, score: Callable[[Float32Array], float]
    ) -> dict[float, float]:
        """Return the score for each alpha on (n, D) features, from the two ends' (n, C) class scores alone."""
        first, last = self.origin.class_scores(features), fitted.class_scores(features)
        return {alpha: score(alpha * last + (1 - alpha) * first) for alpha in self.alphas}


def best_alpha(scores: Mapping[float, float]) -> float:
    """Return the alpha with the highest score, of equal ones the smallest."""
    return max(scores, key=lambda alpha: (scores[alpha], -alpha))
