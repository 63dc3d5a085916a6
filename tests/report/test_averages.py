"""Means over data sets, and what may not be averaged."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from clipbench.metrics.specs import Declared, MetricSpec
from clipbench.report.averages import means, order_by_merit
from clipbench.report.leaderboard import make_leaderboard
from clipbench.report.page import environment
from clipbench.results.records import JobResult

from .fitted import few_shot, linear_probe, wise_ft
from .made_up import classification, failure, retrieval


def test_a_mean_and_its_interval() -> None:
    jobs = [classification("a", "x", 0.5), classification("a", "y", 0.9)]
    mean = means(make_leaderboard(jobs))[0].by_model["a"]
    below = [(job.records[0].value or 0) - (job.records[0].low or 0) for job in jobs]
    assert (mean.value, mean.level) == (pytest.approx(0.7), 0.95)
    assert mean.low == pytest.approx(0.7 - math.hypot(*below) / 2)
    # A value without an interval leaves the mean without one.
    jobs[1] = replace(jobs[1], records=(replace(jobs[1].records[0], low=None, high=None, level=None),))
    mean = means(make_leaderboard(jobs))[0].by_model["a"]
    assert (mean.value, mean.low, mean.high) == (pytest.approx(0.7), None, None)


def test_regimes_and_tasks_are_not_mixed() -> None:
    jobs = [classification("a", "x", 0.9), classification("a", "y", 0.3, regime="shift"), retrieval("a", "z", 0.4)]
    groups = means(make_leaderboard(jobs))
    assert [(group.measurement.task, group.regime, group.total) for group in groups] == [
        ("zero_shot", "benchmark", 1),
        ("zero_shot", "shift", 1),
        ("retrieval", "benchmark", 1),
    ]
    assert [group.by_model["a"].value for group in groups[:2]] == [0.9, 0.3]


def test_prompt_sets_whose_wording_is_measured_are_not_mixed() -> None:
    def measured(prompts: str, value: float) -> JobResult:
        job = replace(classification("a", "x", value, variant=prompts), task="wordings")
        spec = MetricSpec("mean", "mean of templates")
        declared = Declared("effect of wording", (spec,), measures_prompts=True)
        return replace(job, records=(replace(job.records[0], metric="mean"),), declared=declared)

    jobs = [measured("wording", 0.6), measured("languages", 0.2)]
    found = [(group.measurement.prompts, group.by_model["a"].value) for group in means(make_leaderboard(jobs))]
    assert found == [("languages", 0.2), ("wording", 0.6)]
    assert said_of(*jobs) == [
        "mean of templates on x (effect of wording, languages; n = 1,000)",
        "mean of templates on x (effect of wording, wording; n = 1,000)",
    ]


@pytest.mark.parametrize(("higher_is_better", "averaged"), [(True, 1), (False, 0), (None, 0)])
def test_only_fractions_are_averaged_of_which_more_is_better(higher_is_better: bool | None, averaged: int) -> None:
    job = replace(classification("a", "x", 0.5), task="sharpness")
    declared = Declared(metrics=(MetricSpec("top1", "sharpness", higher_is_better=higher_is_better),))
    assert len(means(make_leaderboard([replace(job, declared=declared)]))) == averaged


def test_a_data_set_counts_once_however_many_prompt_sets_it_has() -> None:
    jobs = [classification("a", "x", share, variant=variant) for share, variant in ((0.2, "p"), (0.4, "q"))]
    jobs.append(classification("a", "y", 0.9))
    (group,) = means(make_leaderboard(jobs))
    assert group.total == 2
    assert group.by_model["a"].value == pytest.approx((0.3 + 0.9) / 2)


def test_a_model_that_lacks_a_set_stands_apart() -> None:
    jobs = [classification(model, name, share) for model, share in (("a", 0.4), ("b", 0.6)) for name in ("x", "y")]
    jobs += [classification("c", "x", 0.99), failure("c", "y", "missing")]
    leaderboard = make_leaderboard(jobs)
    (group,) = means(leaderboard)
    assert order_by_merit(leaderboard, [group]).models == ("b", "a", "c")
    assert {model: (mean.ranked, mean.datasets) for model, mean in group.by_model.items()} == {
        "a": (True, ("x", "y")),
        "b": (True, ("x", "y")),
        "c": (False, ("x",)),
    }
    assert [model for model, mean in group.by_model.items() if mean.best] == ["b"]


def test_models_are_ranked_by_means_over_the_sets_that_they_share() -> None:
    jobs = [classification("a", name, share) for name, share in (("x", 0.5), ("y", 0.5), ("easy", 0.9))]
    jobs += [classification("b", name, share) for name, share in (("x", 0.6), ("y", 0.6), ("hard", 0.1))]
    (group,) = means(make_leaderboard(jobs))
    assert (group.datasets, group.total) == (("x", "y"), 4)
    assert {model: mean.value for model, mean in group.by_model.items()} == {"a": 0.5, "b": pytest.approx(0.6)}
    assert order_by_merit(make_leaderboard(jobs), [group]).models == ("b", "a")


def test_the_best_mean_is_one_whose_interval_lies_apart_from_some() -> None:
    def best(*values: float) -> list[str]:
        jobs = [classification(f"m{place}", name, value) for place, value in enumerate(values) for name in "xy"]
        (group,) = means(make_leaderboard(jobs))
        return [model for model, mean in group.by_model.items() if mean.best]

    assert best(0.5, 0.51) == []
    assert best(0.5, 0.9) == ["m1"]
    assert best(0.5, 0.9, 0.91) == ["m1", "m2"]


def test_a_mean_is_at_chance_where_it_does_not_exceed_that_of_its_sets() -> None:
    jobs = [classification("a", name, 0.12) for name in "xy"]
    jobs = [replace(job, records=(replace(job.records[0], chance=0.1, commonest=0.11),)) for job in jobs]
    mean = means(make_leaderboard(jobs))[0].by_model["a"]
    assert (mean.floor, mean.at_chance) == (pytest.approx(0.11), True)
    assert said_of(*jobs) == ["top-1, mean over 2 benchmark sets (not above chance)"]


def test_marked_cells_are_not_averaged() -> None:
    jobs = [classification(model, "x", 0.5) for model in "ab"]
    odd = classification("c", "x", 0.9)
    jobs.append(replace(odd, pedigree=replace(odd.pedigree, prompts="other")))
    (group,) = means(make_leaderboard(jobs))
    assert set(group.by_model) == {"a", "b"}


TOWARDS = "towards the text classifier"


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([few_shot("a", name, k, 0.5) for name in "xy" for k in (16, 2)], [(("2 shots",), 2), (("16 shots",), 2)]),
        (
            [linear_probe("a", "x", 0.6), linear_probe("a", "x", 0.8, features="projected")],
            [((), 1), (("projected",), 1)],
        ),
        (
            [wise_ft("a", "x", 0.5, 0.6, "photo", TOWARDS), *(wise_ft("a", "x", 0.5, 0.6, name) for name in "pq")],
            [((), 2), ((TOWARDS,), 1)],
        ),
    ],
    ids=["shots", "features", "of a WiSE-FT head only the prompts are averaged"],
)
def test_conditions_are_not_averaged_together(jobs: list[JobResult], expected: list[Any]) -> None:
    groups = means(make_leaderboard(jobs))
    assert [(group.measurement.condition.words, group.by_model["a"].columns) for group in groups] == expected


def said_of(*jobs: JobResult) -> list[str]:
    """What the page says of the model a."""
    meaning = environment().get_template("macros.html.j2").module.meaning
    told = [group.by_model["a"] for group in means(make_leaderboard(jobs)) if "a" in group.by_model]
    return [meaning(mean).replace("\N{NO-BREAK SPACE}", " ") for mean in told]


FEW = [few_shot("a", name, k, 0.5) for name in "xy" for k in (1, 2)]


@pytest.mark.parametrize(
    ("jobs", "said"),
    [
        (
            [*(classification("a", name, 0.9) for name in "uv"), classification("a", "w", 0.4, regime="shift")],
            ["top-1, mean over 2 benchmark sets", "top-1 on w (n = 1,000)"],
        ),
        ([classification("a", "x", 0.5, variant=variant) for variant in "pq"], ["top-1, mean over 2 columns of x"]),
        (
            [classification("a", "x", 0.5), *(classification("b", name, 0.9) for name in "xyz")],
            ["top-1 on x, 1 of 3 benchmark sets, shared by the ranked models (n = 1,000)"],
        ),
        (FEW, [f"top-1, mean over 2 benchmark sets ({shots})" for shots in ("1 shot", "2 shots")]),
        ([linear_probe("a", "x", 0.6)], ["top-1 on x (linear probe; n = 300, fitted on 3,000 images)"]),
    ],
    ids=["regimes", "prompt sets", "incomplete", "shots", "a head"],
)
def test_what_is_said_of_a_model_names_what_its_means_are_over(jobs: list[JobResult], said: list[str]) -> None:
    assert said_of(*jobs) == said
