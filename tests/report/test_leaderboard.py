"""The leaderboard: which cells may be compared, and which is best."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipbench.metrics.specs import Declared, MetricSpec
from clipbench.report.averages import means
from clipbench.report.leaderboard import Column, Leaderboard, make_leaderboard
from clipbench.results.records import JobResult, Record

from .fitted import few_shot, knn, linear_probe, wise_ft
from .made_up import classification, failure, proportion, retrieval


def one_column(leaderboard: Leaderboard) -> Column:
    (column,) = leaderboard.columns
    return column


def altered(job: JobResult, **parts: str) -> JobResult:
    return replace(job, hash=f"{job.hash[:-1]}x", pedigree=replace(job.pedigree, **parts))


@pytest.mark.parametrize(
    ("values", "higher_is_better", "best"),
    [
        ({"a": 0.5, "b": 0.6}, True, ["b"]),
        ({"a": 3.0, "b": 12.0}, False, ["a"]),
        ({"a": 0.5, "b": 0.5}, True, ["a", "b"]),
        ({"a": 0.5, "b": 0.6}, None, []),
        ({"a": 0.5}, True, []),
        ({"a": 0.5, "b": None}, True, []),
    ],
    ids=["higher", "lower", "ties", "neither", "alone", "undefined"],
)
def test_the_best_values_of_a_column_are_marked(
    values: dict[str, float | None], higher_is_better: bool | None, best: list[str]
) -> None:
    declared = Declared(metrics=(MetricSpec("level", "level", "dB", higher_is_better),))
    like = replace(classification("a", "d", 0.5), task="noise", declared=declared)
    jobs = [replace(like, model=name, records=(Record("level", value, main=True),)) for name, value in values.items()]
    column = one_column(make_leaderboard(jobs))
    assert [model for model, cell in column.cells.items() if cell.best] == best
    assert column.heading == "level, dB"


@pytest.mark.parametrize(
    ("part", "words"),
    [("protocol", "differs"), *((part, "differ") for part in ("data", "labels", "prompts", "settings"))],
)
def test_a_job_that_was_measured_otherwise_is_marked_and_not_ranked(part: str, words: str) -> None:
    jobs = [classification(name, "digits", share) for name, share in (("a", 0.5), ("b", 0.6))]
    jobs.append(altered(classification("c", "digits", 0.99), **{part: "other"}))
    leaderboard = make_leaderboard(jobs)
    column = one_column(leaderboard)
    assert [cell.footnote for cell in column.cells.values()] == [None, None, 1]
    assert [model for model, cell in column.cells.items() if cell.best] == ["b"]
    (note,) = leaderboard.footnotes
    assert note.models == ("c",)
    assert note.text == f"{part} {words} from a and b; not ranked."


def test_where_there_is_no_majority_none_is_ranked() -> None:
    jobs = [classification("a", "digits", 0.5), altered(classification("b", "digits", 0.6), data="x", prompts="y")]
    leaderboard = make_leaderboard(jobs)
    assert not any(cell.best for cell in one_column(leaderboard).cells.values())
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
    assert (column.name, column.subset) == ("digits", "")
    assert {model: cell.footnote for model, cell in column.cells.items()} == {"a": None, "b": None, "c": 1}
    assert [model for model, cell in column.cells.items() if cell.best] == ["b"]
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
