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
from clipbench.stats.clusters import MIN_CLUSTERS, cluster_residuals, t_critical
from clipbench.stats.paired import Comparison, compare_pair
from clipbench.stats.ranks import Signs, order_signs
from clipbench.stats.simultaneous import bonferroni, critical_value, largest_of_pairs

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

        The score test of every pair with every template, at the critical value that holds for all of them together; of
        clusters the cluster-robust t test.
        """
        critical = self._critical
        if critical is None:
            return np.zeros_like(self.signs)
        first, second = np.triu_indices(len(self.models), 1)
        apart = self.right[first] - self.right[second]
        variances = np.stack([self._variances(at)[first, second] for at in range(len(self.templates))], axis=1)
        decided: Signs = np.where(apart**2 > critical**2 * variances, self.signs, 0).astype(np.int8)
        return decided

    def _variances(self, template: int) -> Float64Array:
        """Return (M, M) variances of the difference in right answers, where two models are equally good."""
        # float32 holds whole numbers to 2^24, and multiplies fast.
        rows = self.correct[:, :, template].T.astype(np.float32)
        if self.clusters is not None:
            residuals = cluster_residuals(rows, self.clusters)
            rows = residuals * np.sqrt(len(residuals) / max(1, len(residuals) - 1))
        products = np.asarray(rows.T @ rows, np.float64)
        return np.asarray(np.diag(products)[:, None] + np.diag(products) - 2 * products)

    @property
    def _critical(self) -> float | None:
        """Of all pairs and templates together; None where clusters are too few for a test."""
        models, _, templates = self.correct.shape
        if models * templates > _MOST_VARIABLES or self.correct.size > _MOST_ANSWERS:
            critical = bonferroni(self.signs.size)
        else:
            critical = critical_value([largest_of_pairs(self.correct, clusters=self.clusters)])
        if self.clusters is None:
            return critical
        count = len(np.unique(self.clusters))
        return t_critical(critical, count) if count >= MIN_CLUSTERS else None

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
