"""The tester that every metric goes through: ours against independent implementations, on many random inputs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest


@dataclass(frozen=True)
class Case:
    scores: np.ndarray
    labels: np.ndarray
    positive: np.ndarray

    @property
    def predictions(self) -> np.ndarray:
        return self.scores.argmax(axis=1)


def _cases() -> list[Case]:
    cases = []
    for seed, (n, classes) in enumerate([(1, 2), (7, 3), (50, 10), (400, 6), (400, 101), (3000, 12)]):
        random = np.random.default_rng(seed)
        labels = random.integers(0, classes, n)
        scores = random.normal(size=(n, classes)).astype(np.float32)
        scores[np.arange(n), labels] += 1
        positive = random.random(n) < 0.3
        positive[0] = True
        cases.append(Case(scores, labels, positive))
    return cases


@pytest.fixture
def agree() -> Callable[..., None]:
    """agree(ours, reference, ...): every function Case -> number gives the same as the first on every case."""

    def check(ours: Callable[[Case], float], *references: Callable[[Case], float]) -> None:
        for case in _cases():
            value = ours(case)
            for reference in references:
                assert float(reference(case)) == pytest.approx(value, abs=1e-6), case.scores.shape

    return check
