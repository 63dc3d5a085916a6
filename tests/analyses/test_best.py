"""Which models of a leaderboard's column are surely apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clipbench.analyses.base import AnalysisSettings, Evidence, Finding
from clipbench.analyses.rankings.best import BestOfColumn
from clipbench.errors import UserError
from clipbench.results.records import JobResult, Record
from clipbench.stats import intervals
from clipbench.stats.simultaneous import bonferroni

from ..report.made_up import classification


def measured(model: str, dataset: str, right: Any, metric: str = "top1", labels: Any = None) -> tuple[JobResult, Any]:
    """A job with the table that says what it is right about."""
    right = np.asarray(right, bool)
    labels = np.zeros(len(right), int) if labels is None else labels
    recalls = [right[labels == label].mean() for label in np.unique(labels)]
    value = float(right.mean() if metric == "top1" else np.mean(recalls))
    low, high = (lambda found: (found.low, found.high))(intervals.wilson(value * len(right), len(right)))
    record = Record(metric, value, "fraction", low, high, 0.95, "wilson", len(right), main=True)
    table = pd.DataFrame({"id": [f"i{row}" for row in range(len(right))], "label": labels, "correct": right})
    job = replace(classification(model, dataset, 0.5), hash=f"{model}|{dataset}", records=(record,))
    return job, table


def analysed(*measurements: tuple[JobResult, Any]) -> list[Finding]:
    tables: Mapping[str, pd.DataFrame] = {job.hash: table for job, table in measurements}

    def examples(job_hash: str, columns: Any = None) -> pd.DataFrame:
        if tables[job_hash] is None:
            raise UserError("missing")
        return tables[job_hash]

    evidence = Evidence([job for job, _ in measurements], examples)
    return list(BestOfColumn().analyse(evidence, AnalysisSettings(analysis="best_of_column")))


def standings(finding: Finding) -> dict[str, tuple[int, int]]:
    rows = finding.tables["standings"].itertuples(index=False)
    return {row.model: (row.higher, row.lower) for row in rows}


def apart(only_first: int, only_second: int, both: int = 400, neither: int = 100) -> list[tuple[JobResult, Any]]:
    """Two models of which each alone is right about so many images."""
    first = [True] * only_first + [False] * only_second + [True] * both + [False] * neither
    second = [False] * only_first + [True] * only_second + [True] * both + [False] * neither
    return [measured("a", "x", first), measured("b", "x", second)]


@pytest.mark.parametrize(("counts", "surely"), [((12, 2), True), ((10, 2), True), ((9, 2), True), ((8, 2), False)])
def test_two_models_are_apart_where_the_score_test_of_statsmodels_says_so(
    counts: tuple[int, int], surely: bool
) -> None:
    contingency = pytest.importorskip("statsmodels.stats.contingency_tables")
    p = contingency.mcnemar([[0, counts[0]], [counts[1], 0]], exact=False, correction=False).pvalue
    assert (p < 0.05) == surely
    (finding,) = analysed(*apart(*counts))
    assert standings(finding) == ({"a": (0, 1), "b": (1, 0)} if surely else {"a": (0, 0), "b": (0, 0)})
    assert finding.metrics[0].params["paired"]


def test_the_comparisons_of_all_columns_hold_together() -> None:
    found = apart(12, 2)
    others = [measured(model, f"y{place}", [True, False] * 50) for place in range(20) for model in "ab"]
    first, *_ = analysed(*found, *others)
    assert first.metrics[0].params == {"paired": True, "family": 21, "critical": round(bonferroni(21), 4)}
    assert standings(first) == {"a": (0, 0), "b": (0, 0)}


def test_the_order_of_the_images_does_not_matter() -> None:
    (job, table), other = apart(12, 2)
    (finding,) = analysed((job, table.sample(frac=1, random_state=0).reset_index(drop=True)), other)
    assert standings(finding) == {"a": (0, 1), "b": (1, 0)}


def test_without_answers_the_models_own_intervals_tell_less() -> None:
    both = [(job, None) for job, _ in apart(12, 2)]
    (finding,) = analysed(*both)
    assert (standings(finding), finding.metrics[0].params["paired"]) == ({"a": (0, 0), "b": (0, 0)}, False)
    (finding,) = analysed(*((job, None) for job, _ in apart(100, 20)))
    assert standings(finding) == {"a": (0, 1), "b": (1, 0)}
    # Nor is a table believed that says another value than the record.
    (job, table), other = apart(12, 2)
    (finding,) = analysed((job, table.assign(correct=True)), other)
    assert not finding.metrics[0].params["paired"]


def test_mean_recall_weighs_images_by_their_class() -> None:
    labels = np.repeat([0, 1], [500, 20])
    rare = np.concatenate([np.ones(250), np.zeros(250), np.ones(18), np.zeros(2)])
    common = np.concatenate([np.ones(280), np.zeros(220), np.zeros(20)])
    (finding,) = analysed(
        measured("rare", "x", rare, "mean_per_class_recall", labels),
        measured("common", "x", common, "mean_per_class_recall", labels),
    )
    assert standings(finding) == {"rare": (0, 1), "common": (1, 0)}


@pytest.mark.parametrize(("size", "surely"), [(1, True), (5, False), (40, False)])
def test_images_of_one_cluster_are_no_further_evidence(size: int, surely: bool) -> None:
    """(12, 2) of 514 images lie in 3 clusters of five; of 40 each there are too few clusters for any statement."""
    found = [(job, table.assign(cluster=np.arange(len(table)) // size)) for job, table in apart(12, 2)]
    (finding,) = analysed(*found)
    assert standings(finding) == ({"a": (0, 1), "b": (1, 0)} if surely else {"a": (0, 0), "b": (0, 0)})


def test_other_means_are_compared_by_a_paired_t_test_and_those_over_draws_by_their_intervals() -> None:
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(0)
    common = random.random(300)
    values = {"a": common, "b": common + random.normal(0.02, 0.1, 300)}

    def job(model: str, task: str, metric: str, column: str) -> tuple[JobResult, Any]:
        found, _ = measured(model, "x", np.ones(300))
        record = Record(metric, float(values[model].mean()), low=0.0, high=1.0, level=0.95, main=True)
        return replace(found, task=task, records=(record,)), pd.DataFrame(
            {"id": [f"i{row}" for row in range(300)], column: values[model]}
        )

    assert stats.ttest_rel(values["a"], values["b"]).pvalue < 0.04
    (finding,) = analysed(*(job(model, "retrieval", "mean_recall_at_1", "mean_recall_at_1") for model in "ab"))
    assert (standings(finding), finding.metrics[0].params["paired"]) == ({"a": (1, 0), "b": (0, 1)}, True)
    (finding,) = analysed(*(job(model, "few_shot", "top1", "correct.0") for model in "ab"))
    assert (standings(finding), finding.metrics[0].params["paired"]) == ({"a": (0, 0), "b": (0, 0)}, False)


def test_of_a_few_images_nothing_is_apart() -> None:
    (finding,) = analysed(*apart(9, 0, both=0, neither=0))
    assert standings(finding) == {"a": (0, 0), "b": (0, 0)}


def test_jobs_that_were_not_measured_alike_are_not_compared() -> None:
    (job, table), other = apart(100, 2)
    odd = replace(job, pedigree=replace(job.pedigree, prompts="others"))
    assert analysed((odd, table), other) == []


def test_where_nothing_differs_hardly_any_board_has_models_apart() -> None:
    random, wrong, worlds = np.random.default_rng(0), 0, 60
    for _ in range(worlds):
        hard = random.random((4, 300))
        right = {(model, place): random.random(300) < hard[place] for model in "abcd" for place in range(4)}
        found = analysed(*(measured(model, f"x{place}", row) for (model, place), row in right.items()))
        wrong += any(finding.metrics[0].value for finding in found)
    assert wrong <= 0.06 * worlds
