"""Whether the order of models depends on the wording of the prompts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from clipbench.analyses.base import AnalysisSettings, Evidence, Finding
from clipbench.analyses.comparable import side_by_side, subject_of
from clipbench.analyses.rankings.template_orders import TemplateOrders, read_orders
from clipbench.arrays import Float64Array, IntArray
from clipbench.errors import listed
from clipbench.metrics.specs import ColumnSpec, MetricSpec, TableSpec
from clipbench.results.records import JobResult
from clipbench.stats.bootstrap import RESAMPLES, SEED, bootstrap_units
from clipbench.stats.intervals import Interval
from clipbench.stats.ranks import flip_shares, mean_tau_b, order_signs, tie_shares
from clipbench.stats.significance import ALPHA
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
        "claims that survive and are significant with the first template.",
    ),
    MetricSpec(
        "significant_order_flips",
        "significant order flips",
        "pairs",
        None,
        "pairs of models of which each is significantly ahead with some template, after correction for all pairs and "
        "templates: the wording changes their order, not the choice of images.",
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
        ColumnSpec("p_holm", "p, Holm", "p"),
    ),
    largest_by="flip_share",
)
ORDERS = TableSpec("orders", "Orders", (ColumnSpec("template"), ColumnSpec("models")))


class RankStability:
    """How far the templates of prompt sensitivity agree on the order of the models, and which claims all support."""

    name: ClassVar[str] = "rank_stability"
    protocol: ClassVar[int] = 1
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
    tau, flips = float(mean_tau_b(signs)), float(flip_shares(signs).mean())
    of_tau, of_flips = _intervals(answers, tau, flips)
    size: dict[str, Any] = {"models": len(answers.models), "templates": len(answers.templates)}
    drawn = size | {"seed": SEED, "resamples": RESAMPLES}
    ordered = int(np.count_nonzero(signs.any(axis=0)))
    yield Metric(
        "kendall_tau",
        None if np.isnan(tau) else tau,
        n,
        of_tau,
        "tau",
        main=True,
        params=drawn | {"template_pairs": ordered * (ordered - 1) // 2},
    )
    yield Metric("order_flip_share", flips, n, of_flips, params=drawn | {"ties": float(tie_shares(signs).mean())})
    survives = answers.survives
    significant = [kept and p < ALPHA for kept, (_, p) in zip(survives, answers.claims, strict=True)]
    params = size | {"pairs": len(signs)}
    yield Metric("surviving_claims", sum(survives), n, unit="pairs", params=params)
    params = params | {"template": answers.templates[0], "alpha": ALPHA}
    yield Metric("significant_surviving_claims", sum(significant), n, unit="pairs", params=params)
    params = size | {"pairs": len(signs), "alpha": ALPHA, "tests": answers.significant.size}
    flipped = int(np.count_nonzero(flip_shares(answers.significant)))
    yield Metric("significant_order_flips", flipped, n, unit="pairs", params=params)


def _intervals(answers: TemplateOrders, tau: float, flips: float) -> tuple[Interval | None, Interval | None]:
    """Return the intervals over images of tau and of the share of flips; None where next to nothing varies.

    Resampling adds noise to each accuracy, so flips to the orders, which centring on the value takes off again.
    """
    models, n, templates = answers.correct.shape
    flat = answers.correct.transpose(1, 0, 2).reshape(n, models * templates).astype(np.float32)
    defined = not np.isnan(tau)

    def statistic(weights: IntArray) -> Float64Array:
        # float32 holds whole numbers to 2^24, so that equal counts are equal.
        right = (weights.astype(np.float32) @ flat).reshape(-1, models, templates)
        signs = order_signs(right)
        of_flips = flip_shares(signs).mean(axis=-1)
        return np.column_stack([of_flips, mean_tau_b(signs)] if defined else [of_flips])

    elements = templates * len(answers.pairs) * 2
    centre = np.array([flips, tau] if defined else [flips])
    found = bootstrap_units(n, statistic, elements=elements, centre=centre)
    return (_within(found[1], -1.0) if defined else None), _within(found[0], 0.0)


def _within(interval: Interval, lowest: float) -> Interval | None:
    found = replace(interval, low=max(lowest, interval.low), high=min(1.0, interval.high))
    return None if np.isclose(found.low, found.high, rtol=0, atol=1e-12) else found


def _rank_flips(answers: TemplateOrders) -> pd.DataFrame:
    """Return one row a pair of models; difference, its interval and p_holm are those with the first template."""
    rows, survives = [], answers.survives
    for at, pair in enumerate(answers.pairs):
        signs, decided, (claim, p_holm) = answers.signs[at], answers.significant[at], answers.claims[at]
        assert claim.interval is not None
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
                "low": claim.interval.low,
                "high": claim.interval.high,
                "p_holm": p_holm,
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
