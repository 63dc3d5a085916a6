"""What several models make of the same images with the same templates, and whom each template puts ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from clipbench.analyses.base import Evidence
from clipbench.analyses.comparable import read_clusters, read_correct
from clipbench.arrays import BoolArray, Float64Array, IntArray
from clipbench.errors import UserError
from clipbench.results.records import JobResult
from clipbench.stats.intervals import MIN_EXAMPLES
from clipbench.stats.paired import Comparison, compare_pair
from clipbench.stats.ranks import Signs, order_signs
from clipbench.stats.simultaneous import bonferroni, critical_value, largest_of_pairs, level_of

_MOST_VARIABLES, _MOST_ANSWERS = 1000, 20_000_000
"""Models x templates, and these x images, up to which their correlations are used: beyond, Bonferroni's correction."""


@dataclass(frozen=True)
class TemplateOrders:
    """What several models make of the same images with the same templates."""

    models: tuple[str, ...]
    """Best first, by the mean over templates."""
    templates: tuple[str, ...]
    correct: BoolArray
    """(M, n, T) whether a model is right about an image with a template."""
    clusters: IntArray | None = None
    """(n,) of the images, where they come in clusters."""

    @property
    def n(self) -> int:
        """Images."""
        return int(self.correct.shape[1])

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The P = M (M - 1) / 2 pairs of models, the one that is better by the mean first."""
        return list(combinations(self.models, 2))

    @cached_property
    def right(self) -> IntArray:
        """(M, T) right answers."""
        right: IntArray = self.correct.sum(axis=1, dtype=np.int64)
        return right

    @cached_property
    def signs(self) -> Signs:
        """(P, T) which of two models is ahead."""
        return order_signs(self.right)

    @property
    def survives(self) -> list[bool]:
        """Of every pair, whether the same model is ahead with all templates."""
        return [abs(total) == len(self.templates) for total in self.signs.sum(axis=1, dtype=np.int64).tolist()]

    @cached_property
    def claims(self) -> list[Comparison]:
        """Every pair with the first template; the intervals of all pairs hold together."""
        first = self.correct[:, :, 0]
        critical = critical_value([largest_of_pairs(first, clusters=self.clusters)])
        return [compare_pair(*pair, critical, len(self.pairs), self.clusters) for pair in combinations(first, 2)]

    @cached_property
    def significant(self) -> Signs:
        """(P, T) which of two models is ahead beyond chance: `signs`, and 0 where the images may have decided.

        The score test of every pair with every template, at the critical value that holds for all of them together.
        """
        if self.clusters is None and self.n >= MIN_EXAMPLES:
            clear = self._statistics > self._critical
        else:
            clear = self._p_values < 1 - level_of(self._critical)
        decided: Signs = np.where(clear, self.signs, 0).astype(np.int8)
        return decided

    @property
    def _critical(self) -> float:
        models, _, templates = self.correct.shape
        if models * templates > _MOST_VARIABLES or self.correct.size > _MOST_ANSWERS:
            return bonferroni(self.signs.size)
        return critical_value([largest_of_pairs(self.correct, clusters=self.clusters)])

    @property
    def _statistics(self) -> Float64Array:
        """(P, T) absolute values of the score test's statistic, of independent images."""
        first, second = np.triu_indices(len(self.models), 1)
        both = np.empty((len(first), len(self.templates)))
        for at in range(len(self.templates)):
            # float32 holds whole numbers to 2^24, and multiplies fast.
            correct = self.correct[:, :, at].astype(np.float32)
            both[:, at] = (correct @ correct.T)[first, second]
        one, other = self.right[first], self.right[second]
        return np.asarray(np.abs(one - other) / np.sqrt(np.maximum(one + other - 2 * both, 1)))

    @property
    def _p_values(self) -> Float64Array:
        """(P, T) p values, of images that may come in clusters; 1 where there is no test of so few."""
        answers = combinations(self.correct.transpose(0, 2, 1), 2)
        tests = [[compare_pair(*pair, clusters=self.clusters).p for pair in zip(*of, strict=True)] for of in answers]
        return np.array([[1.0 if p is None else p for p in row] for row in tests])

    @cached_property
    def against(self) -> list[tuple[str, ...]]:
        """Of every pair, the templates with which the model is ahead that is so less often; of equals the second."""
        more = np.where(np.sum(self.signs, axis=1, dtype=np.int64) < 0, -1, 1)
        return [tuple(np.array(self.templates)[row].tolist()) for row in self.signs == -more[:, None]]


def read_orders(jobs: Sequence[JobResult], evidence: Evidence) -> TemplateOrders:
    """Read the answers, images in the first job's order.

    Raises:
        UserError: a table cannot be read, or is of other images, labels or templates.
    """
    templates = _counted(jobs[0])
    if len(templates) < 2:
        raise UserError("its templates are not two or more", where=f"{jobs[0].model} on {jobs[0].dataset}")
    correct = read_correct(jobs, evidence.examples, [f"correct.{position}" for position in range(len(templates))])
    # Of each model right answers are (n, T); a stable sort keeps equal models in their order.
    best_first = np.argsort(-correct.sum(axis=(1, 2)), kind="stable")
    models = tuple(jobs[place].model for place in best_first)
    return TemplateOrders(models, templates, correct[best_first], read_clusters(jobs, evidence.examples))


def _counted(job: JobResult) -> tuple[str, ...]:
    """Return the templates that stand for reasonable wordings: controls are there to be worse."""
    return tuple(row["template"] for row in job.tables["templates"].dicts() if row["role"] == "")
