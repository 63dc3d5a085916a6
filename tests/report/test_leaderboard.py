"""The leaderboard: which cells may be compared, and which is best."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipbench.metrics.specs import Declared, MetricSpec
from clipbench.report.averages import means
from clipbench.report.leaderboard import Column, Leaderboard, make_leaderboard
from clipbench.results.records import JobResult, Record

from .findings import standings
from .fitted import few_shot, knn, linear_probe, wise_ft
from .made_up import classification, failure, proportion, retrieval


def one_column(leaderboard: Leaderboard) -> Column:
    (column,) = leaderboard.columns
    return column


def altered(job: JobResult, **parts: str) -> JobResult:
    return replace(job, hash=f"{job.hash[:-1]}x", pedigree=replace(job.pedigree, **parts))


def best(leaderboard: Leaderboard) -> list[str]:
    return [model for model, cell in one_column(leaderboard).cells.items() if cell.best]


@pytest.mark.parametrize(
    ("worse", "better", "higher_is_better", "expected"),
    [
        ({"a": 2, "b": 1}, {"b": 1, "c": 2}, True, ["c"]),
        ({"a": 2}, {"b": 1, "c": 1}, True, ["b", "c"]),
        ({"a": 2}, {"b": 1, "c": 1}, False, ["a"]),
        ({"a": 2}, {"b": 1, "c": 1}, None, []),
        ({}, {}, True, []),
    ],
    ids=["one", "two that are not distinguishable", "lower", "neither end is better", "all"],
)
def test_the_best_of_a_column_is_what_no_other_surely_exceeds(
    worse: dict[str, int], better: dict[str, int], higher_is_better: bool | None, expected: list[str]
) -> None:
    declared = Declared(metrics=(MetricSpec("level", "level", "dB", higher_is_better),))
    like = replace(classification("a", "d", 0.5), task="noise", declared=declared)
    records = (Record("level", 0.5, main=True),)
    jobs = [replace(like, model=name, hash=name, records=records) for name in "abc"]
    leaderboard = make_leaderboard(jobs, standings=[standings(jobs, worse, better)])
    assert best(leaderboard) == expected
    assert one_column(leaderboard).heading == "level, dB"
    # What was not compared, or only with other models than stand there, is not the best.
    assert best(make_leaderboard(jobs)) == []
    assert best(make_leaderboard(jobs, standings=[standings(jobs[:2], worse, better)])) == []


def test_only_the_metric_that_was_compared_has_a_best() -> None:
    jobs = [classification(name, "digits", share) for name, share in (("a", 0.5), ("b", 0.6))]
    found = [standings(jobs, {"a": 1}, {"b": 1})]
    assert best(make_leaderboard(jobs, standings=found)) == ["b"]
    assert best(make_leaderboard(jobs, "top5", found)) == []


def test_what_is_not_above_chance_is_not_the_best_and_its_column_says_what_chance_is() -> None:
    def job(model: str, share: float, commonest: float) -> JobResult:
        found = classification(model, "digits", share)
        return replace(found, records=(replace(found.records[0], chance=0.1, commonest=commonest),))

    jobs = [job("a", 0.1, 0.18), job("b", 0.2, 0.18)]
    column = one_column(make_leaderboard(jobs, standings=[standings(jobs, {"a": 1}, {"b": 1})]))
    # 20.0 % [17.6, 22.6] of 1,000 is above 10 %, and not above 18 %.
    assert [(cell.best, cell.at_chance) for cell in column.cells.values()] == [(False, True), (False, True)]
    assert column.chance == "chance 10.0\u202f%, commonest class 18.0\u202f%"
    jobs = [job("a", 0.1, 0.1), job("b", 0.2, 0.1)]
    column = one_column(make_leaderboard(jobs, standings=[standings(jobs, {"a": 1}, {"b": 1})]))
    assert [(cell.best, cell.at_chance) for cell in column.cells.values()] == [(False, True), (True, False)]
    assert column.chance == "chance 10.0\u202f%"


def test_a_model_that_declares_the_data_set_among_its_training_data_is_marked_there() -> None:
    def job(dataset: str, trained_on: list[str] | None, names: tuple[str, ...] = ()) -> JobResult:
        found = classification("a", dataset, 0.5)
        return replace(found, run_metadata={"trained_on": trained_on}, about={"training_names": names})

    jobs = [
        job("imagenet", ["ImageNet-1k"], ("ImageNet-1k",)),
        job("CIFAR10", ["cifar10", "LAION-2B"]),
        job("sketch", ["ImageNet-1k"]),
        job("undeclared", None, ("ImageNet-1k",)),
    ]
    board = make_leaderboard(jobs)
    seen = {column.name: column.cells["a"].seen_in_training for column in board.columns}
    assert seen == {"imagenet": True, "CIFAR10": True, "sketch": False, "undeclared": False}


@pytest.mark.parametrize(
    ("part", "words"),
    [("protocol", "differs"), *((part, "differ") for part in ("data", "labels", "prompts", "settings"))],
)
def test_a_job_that_was_measured_otherwise_is_marked_and_not_ranked(part: str, words: str) -> None:
    jobs = [classification(name, "digits", share) for name, share in (("a", 0.5), ("b", 0.6))]
    compared = standings(jobs, {"a": 1}, {"b": 1})
    jobs.append(altered(classification("c", "digits", 0.99), **{part: "other"}))
    leaderboard = make_leaderboard(jobs, standings=[compared])
    column = one_column(leaderboard)
    assert [cell.footnote for cell in column.cells.values()] == [None, None, 1]
    assert best(leaderboard) == ["b"]
    (note,) = leaderboard.footnotes
    assert note.models == ("c",)
    assert note.text == f"{part} {words} from a and b; not ranked."


def test_where_there_is_no_majority_none_is_ranked() -> None:
    jobs = [classification("a", "digits", 0.5), altered(classification("b", "digits", 0.6), data="x", prompts="y")]
    leaderboard = make_leaderboard(jobs)
    assert best(leaderboard) == []
    assert leaderboard.footnotes[0].text == "data and prompts differ between a and b; none of them is ranked."


def test_different_main_metrics_are_not_compared_but_what_belongs_to_the_model_may_differ() -> None:
    jobs = [classification("a", "digits", 0.5), altered(classification("b", "digits", 0.6), precision="bfloat16")]
    assert make_leaderboard(jobs).footnotes == ()
    odd = replace(classification("c", "digits", 0.5), records=(proportion("mean_per_class_recall", 0.9, main=True),))
    (note,) = make_leaderboard([*jobs, odd]).footnotes
    assert note.text == "metric differs from a and b; not ranked."


def test_one_name_for_two_models_is_noted_and_gets_no_mean() -> None:
    jobs = [classification("a", "digits", 0.5), altered(classification("a", "scenes", 0.6), weights="others")]
    leaderboard = make_leaderboard(jobs)
    assert leaderboard.mixed == {"a": 1}
    assert leaderboard.footnotes[0].text == "weights differ between the columns of this row; no mean."
    assert means(leaderboard)[0].by_model == {}


def test_a_model_measured_on_fewer_examples_stands_in_the_same_column_unranked() -> None:
    trial = altered(classification("c", "digits", 0.9), subset="limit 100")
    jobs = [classification("a", "digits", 0.5), classification("b", "digits", 0.6), trial]
    leaderboard = make_leaderboard(jobs)
    (column,) = leaderboard.columns
    assert (column.name, column.basis) == ("digits", "n = 1,000")
    assert leaderboard.limited == {"digits": "limit 100"}
    assert {model: cell.footnote for model, cell in column.cells.items()} == {"a": None, "b": None, "c": 1}
    assert [note.text for note in leaderboard.footnotes] == ["subset differs from a and b; not ranked."]
    (group,) = means(leaderboard)
    assert set(group.by_model) == {"a", "b"}


def test_a_job_that_failed_early_stands_in_the_column_that_it_would_have_been_in() -> None:
    done = classification("a", "digits", 0.5)
    column = one_column(make_leaderboard([done, failure("b", "digits", "no weights")]))
    assert (column.name, column.cells["b"].job.error) == ("digits", "no weights")
    mended = make_leaderboard([done, failure("a", "digits", "no weights")])
    assert one_column(mended).cells["a"].value == 0.5
    column = one_column(make_leaderboard([failure("a", "digits", "missing")]))
    assert (column.cells["a"].value, column.heading) == (None, "")


def test_columns_stand_by_task_regime_and_natural_order() -> None:
    jobs = [retrieval("a", "captions", 0.4)]
    jobs += [classification("a", name, 0.5) for name in ("set-10", "set-2")]
    jobs.append(classification("a", "set-1", 0.5, regime="shift"))
    assert [column.name for column in make_leaderboard(jobs).columns] == ["set-2", "set-10", "set-1", "captions"]


def test_a_pedigree_written_for_one_metric_does_not_hide_the_others() -> None:
    leaderboard = make_leaderboard([classification("a", "digits", 0.5)], metric="top5")
    assert one_column(leaderboard).cells["a"].value == pytest.approx(0.7)
    assert make_leaderboard([classification("a", "digits", 0.5)], metric="ece").columns == ()


def test_tasks_stand_from_zero_shot_to_retrieval() -> None:
    jobs = [
        retrieval("a", "captions", 0.4),
        wise_ft("a", "digits", 0.5, 0.6),
        knn("a", "digits", 0.5),
        few_shot("a", "digits", 4, 0.5),
        linear_probe("a", "digits", 0.5),
        classification("a", "digits", 0.5),
    ]
    tasks = [column.task for column in make_leaderboard(jobs).columns]
    assert tasks == ["zero_shot", "linear_probe", "few_shot", "knn", "wise_ft", "retrieval"]


def test_few_shot_columns_stand_by_the_number_of_shots_and_by_features() -> None:
    jobs = [few_shot("a", name, k, 0.5) for name in ("set-10", "set-2") for k in (16, 1, 2)]
    jobs += [few_shot("a", "set-2", k, 0.5, features="projected") for k in (2, 1)]
    assert [column.label for column in make_leaderboard(jobs).columns] == [
        *(f"set-2 ({condition})" for condition in ("1 shot", "2 shots", "16 shots")),
        *(f"set-2 ({condition}, projected)" for condition in ("1 shot", "2 shots")),
        *(f"set-10 ({condition})" for condition in ("1 shot", "2 shots", "16 shots")),
    ]


def test_a_label_leaves_out_the_task_that_the_heading_above_it_says() -> None:
    jobs = [classification("a", "digits", 0.5), linear_probe("a", "digits", 0.5), knn("a", "digits", 0.5)]
    leaderboard = make_leaderboard(jobs)
    assert {column.label for column in leaderboard.columns} == {"digits"}
    assert len({column.name for column in leaderboard.columns}) == 3
