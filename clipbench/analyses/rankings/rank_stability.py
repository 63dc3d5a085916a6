"""Whether the order of models depends on the wording of the prompts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from clipbench.analyses.base import AnalysisSettings, Evidence, Finding, verdict_of
from clipbench.analyses.comparable import side_by_side, subject_of
from clipbench.analyses.rankings.template_orders import TemplateOrders, read_orders
from clipbench.errors import listed
from clipbench.metrics.specs import ColumnSpec, MetricSpec, TableSpec
from clipbench.results.records import JobResult
from clipbench.stats.intervals import ends
from clipbench.stats.paired import Comparison
from clipbench.stats.ranks import flip_shares, mean_tau_b, tie_shares
from clipbench.tasks.base import Metric

_SHOWN = 3
"""Templates against a claim that stand in the table."""

METRICS = (
    MetricSpec(
        "kendall_tau",
        "agreement of orders",
        "tau",
        None,
        "how far prompt templates agree on the order of the models: Kendall's tau-b averaged over pairs of templates "
        "(1: the same order, -1: the reverse). Models that the images cannot tell apart change order by chance, which "
        "counts.",
        "Kendall 1945",
    ),
    MetricSpec(
        "order_flip_share",
        "order flips",
        higher_is_better=None,
        definition="share of pairs of models and of templates that change order; changes by chance count.",
    ),
    MetricSpec(
        "surviving_claims",
        "claims that survive",
        "pairs",
        None,
        "pairs of models of which the same one is ahead with every template.",
    ),
    MetricSpec(
        "significant_surviving_claims",
        "of these significant",
        "pairs",
        None,
        "claims that survive and whose interval with the first template leaves out zero; those of all pairs hold "
        "together.",
    ),
    MetricSpec(
        "significant_order_flips",
        "significant order flips",
        "pairs",
        None,
        "pairs of models of which each is significantly ahead with some template, by tests that hold for all pairs and "
        "templates together: the wording changes their order, not the choice of images.",
    ),
)
RANK_FLIPS = TableSpec(
    "rank_flips",
    "Pairs of models",
    (
        ColumnSpec("first"),
        ColumnSpec("second"),
        ColumnSpec("first_ahead", unit="count"),
        ColumnSpec("second_ahead", unit="count"),
        ColumnSpec("ties", unit="count"),
        ColumnSpec("first_significant", unit="count"),
        ColumnSpec("second_significant", unit="count"),
        ColumnSpec("flip_share", "order flips", "fraction"),
        ColumnSpec("survives"),
        ColumnSpec("against"),
        ColumnSpec("difference", "difference, points", "difference", "low", "high"),
    ),
    largest_by="flip_share",
    definition="The difference is that with the first template; the intervals of all pairs hold together. Tests of "
    "significance hold for all pairs and templates together.",
)
ORDERS = TableSpec("orders", "Orders", (ColumnSpec("template"), ColumnSpec("models")))


class RankStability:
    """How far the templates of prompt sensitivity agree on the order of the models, and which claims all support."""

    name: ClassVar[str] = "rank_stability"
    protocol: ClassVar[int] = 2
    tasks: ClassVar[tuple[str, ...]] = ("prompt_sensitivity",)
    automatic: ClassVar[bool] = True
    label: ClassVar[str] = "rank stability"
    metrics: ClassVar[tuple[MetricSpec, ...]] = METRICS
    tables: ClassVar[tuple[TableSpec, ...]] = (RANK_FLIPS, ORDERS)
    Settings = AnalysisSettings

    def analyse(self, evidence: Evidence, settings: AnalysisSettings) -> Sequence[Finding]:
        """Order the models of each data set, split, prompt set and subset that two models or more have."""
        return side_by_side(evidence.jobs, lambda jobs: _finding(jobs, evidence))


def _finding(jobs: Sequence[JobResult], evidence: Evidence) -> Finding:
    answers = read_orders(jobs, evidence)
    return Finding(
        subject_of(jobs),
        tuple(_metrics(answers)),
        tables={"rank_flips": _rank_flips(answers), "orders": _orders(answers)},
        jobs=tuple(job.hash for job in jobs),
    )


def _metrics(answers: TemplateOrders) -> Iterator[Metric]:
    """Yield tau, which stands for the finding, the flips, and the claims that every template supports."""
    signs, n = answers.signs, answers.n
    size: dict[str, Any] = {"models": len(answers.models), "templates": len(answers.templates), "pairs": len(signs)}
    ordered = int(np.count_nonzero(signs.any(axis=0)))
    template_pairs = size | {"template_pairs": ordered * (ordered - 1) // 2}
    yield Metric("kendall_tau", mean_tau_b(signs), n, unit="tau", main=True, params=template_pairs)
    yield Metric(
        "order_flip_share", float(flip_shares(signs).mean()), n, params=size | {"ties": float(tie_shares(signs).mean())}
    )
    survives = answers.survives
    significant = [kept and _is_clear(claim) for kept, claim in zip(survives, answers.claims, strict=True)]
    yield Metric("surviving_claims", sum(survives), n, unit="pairs", params=size)
    first = size | {"template": answers.templates[0]}
    yield Metric("significant_surviving_claims", sum(significant), n, unit="pairs", params=first)
    flipped = int(np.count_nonzero(flip_shares(answers.significant)))
    tests = size | {"tests": answers.significant.size}
    yield Metric("significant_order_flips", flipped, n, unit="pairs", params=tests)


def _is_clear(claim: Comparison) -> bool:
    found = claim.interval
    return found is not None and verdict_of(found.low, found.high) != "not_distinguishable"


def _rank_flips(answers: TemplateOrders) -> pd.DataFrame:
    """Return one row a pair of models; the difference and its interval are those with the first template."""
    rows, survives = [], answers.survives
    for at, pair in enumerate(answers.pairs):
        signs, decided, claim = answers.signs[at], answers.significant[at], answers.claims[at]
        low, high = ends(claim.interval)
        rows.append(
            {
                "first": pair[0],
                "second": pair[1],
                "first_ahead": int(np.count_nonzero(signs > 0)),
                "second_ahead": int(np.count_nonzero(signs < 0)),
                "ties": int(np.count_nonzero(signs == 0)),
                "first_significant": int(np.count_nonzero(decided > 0)),
                "second_significant": int(np.count_nonzero(decided < 0)),
                "flip_share": float(flip_shares(signs)),
                "survives": "yes" if survives[at] else "no",
                "against": listed(answers.against[at], _SHOWN),
                "difference": claim.difference,
                "low": low,
                "high": high,
            }
        )
    return pd.DataFrame(rows)


def _orders(answers: TemplateOrders) -> pd.DataFrame:
    """Return each template with its models, best first; ' = ' stands between models that are equal."""
    rows = []
    for template, right in zip(answers.templates, answers.right.T.tolist(), strict=True):
        order = sorted(range(len(right)), key=lambda at: -right[at])
        words = answers.models[order[0]]
        for ahead, at in pairwise(order):
            words += f" {'=' if right[ahead] == right[at] else '>'} {answers.models[at]}"
        rows.append((template, words))
    return pd.DataFrame(rows, columns=["template", "models"])
