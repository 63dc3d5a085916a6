"""Comparing two models: known answers, what is refused, and what is printed."""

from __future__ import annotations

import io
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy import stats
from scipy.stats import chi2, ttest_rel

import clipbench
from clipbench.cli.comparison import print_comparison
from clipbench.metrics.specs import Declared, MetricSpec
from clipbench.results.records import Record
from clipbench.stats.paired import score_interval
from clipbench.stats.power import detectable_difference, examples_needed
from clipbench.tasks.base import Condition

from ..conftest import CommandLine, user_error

Answers = tuple[np.ndarray, np.ndarray]
OWN = ("weights", "tokenizer", "transform", "precision", "architecture")
"""The parts of a pedigree in which models may differ."""


def answers(both: int = 50, only_first: int = 30, only_second: int = 10, neither: int = 10) -> Answers:
    counts = (both, only_first, only_second, neither)
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


def write_pair(world, right: Answers | None = None, differing=OWN, subset: str = "", **more: Any) -> None:
    for model, correct in zip("ab", right or answers(), strict=True):
        world.answers(model, correct, pedigree={"subset": subset} | dict.fromkeys(differing, model), **more)


def named(table: pd.DataFrame) -> list[str]:
    return [table.attrs["first"], table.attrs["second"]]


def compared(world, first: str = "a", second: str = "b") -> dict[str, Any]:
    (row,) = clipbench.compare(world.results, first, second).to_dict("records")
    return row


def test_accuracies_their_difference_and_its_interval_are_of_the_same_examples(made_up):
    write_pair(made_up)
    row = compared(made_up)
    assert (row["n"], row["first"], row["second"], row["note"]) == (100, 0.8, 0.6, "")
    assert row["difference"] == pytest.approx(0.2)
    # Of paired answers: sqrt((b + c - (b - c)^2 / n) / n^2) = 0.06, so about 0.2 +- 0.118.
    assert (row["low"], row["high"]) == pytest.approx((0.2 - 1.96 * 0.06, 0.2 + 1.96 * 0.06), abs=0.015)
    assert (row["interval"], row["verdict"], row["metric"]) == ("score", "higher", "top1")
    back = compared(made_up, "b", "a")
    assert (back["difference"], back["p"], back["verdict"]) == (-row["difference"], row["p"], "lower")
    assert (back["low"], back["high"]) == pytest.approx((-row["high"], -row["low"]))


def test_the_textbook_example_of_mcnemar_with_its_power(made_up):
    """Agresti, Categorical Data Analysis, table 10.1: 794, 150, 86, 570; difference 0.04, z^2 = 17.36."""
    write_pair(made_up, answers(794, 150, 86, 570))
    row = compared(made_up)
    assert (row["difference"], row["p"]) == (pytest.approx(64 / 1600), pytest.approx(chi2.sf(64**2 / 236, 1)))
    assert row["spread"] == pytest.approx(236 / 1600)
    assert (row["detectable"], row["n_needed"]) == (
        pytest.approx(detectable_difference(236 / 1600, 1600)),
        examples_needed(0.04, 236 / 1600),
    )


def test_the_intervals_of_a_table_hold_together_and_verdicts_are_read_from_them(made_up):
    for dataset, (b, c) in {"one": (25, 12), "two": (40, 2), "three": (3, 3)}.items():
        write_pair(made_up, answers(500, b, c, 300), dataset=dataset)
    table = clipbench.compare(made_up.results, "a", "b").set_index("dataset")
    assert list(table.index) == ["one", "three", "two", "mean of 3"]
    # Alone the first is significant; of four rows it is not.
    assert table.loc["one", "p"] < 0.05
    critical = table.attrs["critical"]
    assert (table.attrs["family"], NormalDist().inv_cdf(1 - 0.05 / 8)) == (4, pytest.approx(critical, abs=0.03))
    assert table["verdict"].to_dict() == {
        "one": "not_distinguishable",
        "two": "higher",
        "three": "not_distinguishable",
        "mean of 3": "higher",
    }
    for dataset, (b, c) in {"one": (25, 12), "two": (40, 2), "three": (3, 3)}.items():
        ends = score_interval(b, c, len(answers(500, b, c, 300)[0]), critical)
        assert table.loc[dataset, ["low", "high"]].tolist() == pytest.approx([float(end) for end in ends])


def test_rows_on_the_same_images_need_less_than_as_many_on_others(made_up):
    for prompts in ("photo", "drawing", "name"):
        write_pair(made_up, answers(50, 9, 1, 10), prompts=prompts)
    alike = clipbench.compare(made_up.results).attrs
    assert (alike["family"], alike["critical"]) == (3, pytest.approx(1.96, abs=0.03))


def test_a_mean_is_over_the_sets_that_both_have_and_names_them(made_up):
    write_pair(made_up, answers(40, 30, 10, 20), dataset="one")
    write_pair(made_up, answers(40, 10, 30, 20), dataset="two", subset="limit 100")
    write_pair(made_up, answers(40, 30, 0, 30), dataset="three", differing=["data"])
    made_up.answers("a", [True], dataset="only-of-a")
    made_up.answers("a", [True], dataset="seen-through-fog", view="fog/1")
    mean = clipbench.compare(made_up.results).set_index("dataset").loc["mean of 2"]
    assert (mean["note"], mean["n"], mean["subset"]) == ("Over one, two (limit 100).", 200, "limit 100")
    assert (mean["first"], mean["second"], mean["difference"]) == pytest.approx((0.6, 0.6, 0))
    # The variance of each difference is 0.4 / 100, of their mean half of that.
    assert mean["high"] == pytest.approx(2.39 * (0.004 / 2) ** 0.5, rel=0.05)


def test_mean_per_class_recall_where_it_is_the_main_metric(made_up):
    labels = np.repeat([0, 0, 0, 1], 50)
    generator = np.random.default_rng(0)
    right = {"a": generator.random(200) < 0.8, "b": generator.random(200) < np.where(labels == 1, 0.3, 0.8)}
    for model, correct in right.items():
        recall = (correct[labels == 0].mean() + correct[labels == 1].mean()) / 2
        records = [
            Record("top1", float(correct.mean()), n=200),
            Record("mean_per_class_recall", float(recall), n=200, main=True),
        ]
        made_up.write("zero_shot", {"label": labels, "correct": correct}, records, model=model)
    row = compared(made_up)
    apart = right["a"].astype(float) - right["b"]
    parts = [apart[labels == label] for label in (0, 1)]
    half = 1.96 * sum(part.var(ddof=1) / len(part) / 4 for part in parts) ** 0.5
    value = (parts[0].mean() + parts[1].mean()) / 2
    assert (row["metric"], row["difference"], row["verdict"]) == (
        "mean_per_class_recall",
        pytest.approx(value),
        "higher",
    )
    assert (row["low"], row["high"]) == pytest.approx((value - half, value + half), abs=0.002)
    (top1,) = clipbench.compare(made_up.results, metric="top1").to_dict("records")
    assert (top1["metric"], top1["difference"]) == ("top1", pytest.approx(apart.mean()))
    said = "no shared job measures 'top'; did you mean 'top1'?"
    assert said in str(user_error(clipbench.compare, made_up.results, metric="top"))


def test_numbers_that_are_not_right_or_wrong_have_about_students_interval(made_up):
    generator = np.random.default_rng(0)
    values = {model: generator.random(80) for model in "ab"}
    for model, column in values.items():
        records = [Record("paired_of_2", float(column.mean()), n=80, main=True)]
        made_up.write("pairing", {"paired_of_2": column}, records, model=model)
    row = compared(made_up)
    expected = ttest_rel(values["a"], values["b"]).confidence_interval(0.95)
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high), abs=0.004)
    assert (row["interval"], row["p"]) == ("effective score", None)


def test_few_shot_is_compared_over_images_and_draws(made_up):
    for model, accuracy in {"a": 0.7, "b": 0.6}.items():
        made_up.head("few_shot", accuracy, seeds=5, model=model)
    row = compared(made_up)
    assert (row["interval"], row["verdict"], row["detectable"]) == ("images and draws", "higher", None)
    tables = [made_up.results.examples(job.hash).set_index("id").sort_index() for job in made_up.results.jobs()]
    draws = [f"correct.{seed}" for seed in range(5)]
    by_draw = tables[0][draws].mean() - tables[1][draws].mean()
    assert row["difference"] == pytest.approx(by_draw.mean())
    # No shorter than over either alone.
    over_draws = stats.t.ppf(0.975, 4) * stats.sem(by_draw)
    assert row["high"] - row["difference"] > max(over_draws, 0.5 * 1.96 * (0.1 / 600) ** 0.5)


def test_a_plug_ins_metric_is_compared_by_the_column_that_it_declares(made_up):
    sharpness = MetricSpec("sharpness", "sharpness", unit="", per_example="edge")
    for model, values in {"a": np.linspace(1, 2, 40), "b": np.linspace(0.5, 2, 40)}.items():
        records = [Record("sharpness", float(values.mean()), unit="", n=40, main=True)]
        declared = Declared("edges", (sharpness,))
        made_up.write("mypackage:Edges", {"edge": values}, records, model=model, declared=declared)
    row = compared(made_up)
    assert (row["metric"], row["difference"], row["verdict"]) == ("sharpness", pytest.approx(0.25), "higher")
    console = Console(file=io.StringIO())
    print_comparison(console, clipbench.compare(made_up.results))
    head, cells = (line.split("\t") for line in console.file.getvalue().splitlines())
    told = dict(zip(head, cells, strict=True))
    assert [told[name] for name in ("a", "b", "difference")] == ["1.5", "1.25", "0.25"]


def test_clusters_widen_the_interval_and_too_few_have_none(made_up, another):
    first, second = answers(150, 90, 30, 30)
    few = another("few")
    for world, clusters in ((made_up, np.arange(300) // 10), (few, np.arange(300) // 30)):
        for model, correct in zip("ab", (first, second), strict=True):
            columns = {"label": np.zeros(300, int), "correct": correct, "cluster": clusters}
            world.answers(model, correct, columns=columns)
    row, lacking = compared(made_up), compared(few)
    low, high = score_interval(90, 30, 300)
    assert row["interval"] == "cluster score"
    assert row["high"] - row["low"] > high - low
    assert (lacking["low"], lacking["verdict"], lacking["note"]) == (None, "undefined", "No interval would cover.")


def test_only_jobs_that_both_have_are_rows(made_up):
    write_pair(made_up)
    write_pair(made_up, prompts="class name")
    write_pair(made_up, subset="limit 100", dataset="limited")
    write_pair(made_up, view="gaussian_noise/3")
    write_pair(made_up, matched="other-toys")
    write_pair(made_up, matched="other-toys", trained_on="other-toys")
    made_up.answers("a", [True], dataset="only-of-a")
    made_up.answers("c", [True], prompts="class name")
    table = clipbench.compare(made_up.results, "a", "b")
    assert set(table["dataset"]) == {"toys", "limited", "mean of 2"}
    table = table[table["dataset"] != "mean of 2"]
    keys = table[["variant", "subset", "view", "matched", "trained_on"]].itertuples(index=False, name=None)
    assert len(table) == len(set(keys)) == 6


def test_of_what_both_have_on_all_examples_and_on_some_the_fullest_is_compared(made_up):
    write_pair(made_up, answers(9, 1, 0, 0), subset="limit 10", limit=10)
    write_pair(made_up, answers(9, 1, 4, 6), subset="limit 20", limit=20)
    assert compared(made_up)["subset"] == "limit 20"
    made_up.answers("a", answers()[0])
    assert compared(made_up)["subset"] == "limit 20"
    write_pair(made_up, dataset="toys")
    assert (compared(made_up)["subset"], compared(made_up)["n"]) == ("", 100)


@pytest.mark.parametrize("part", ["data", "labels", "training", "prompts", "settings", "protocol"])
def test_jobs_that_rest_on_something_else_are_not_compared_and_do_not_count(made_up, part: str):
    write_pair(made_up, answers(50, 9, 1, 10), dataset="comparable")
    write_pair(made_up, differing=[part])
    table = clipbench.compare(made_up.results, "a", "b").set_index("dataset")
    row = table.loc["toys"]
    assert row["note"] == f"Not compared: {part} differs between the jobs."
    assert all(pd.isna(row[name]) for name in ("n", "first", "difference", "low", "p", "detectable"))
    assert table.attrs["family"] == 1


LABELS = [0] * 100
UNUSABLE: dict[str, Callable[[np.ndarray], dict[str, Any]]] = {
    "other examples": lambda right: {"columns": {"label": LABELS[1:], "correct": right[1:]}},
    "the jobs have other examples or labels": lambda right: {"columns": {"label": LABELS, "correct": right}},
    "does not hold a number for every example": lambda right: {"columns": {"correct": np.where(right, "yes", "no")}},
    "b on toys: the per-example table has no column 'correct'": lambda right: {"columns": {"rank": right + 1}},
    "its examples average to 0.4 and not to its top-1, 0.6": lambda right: {"columns": {"correct": ~right}},
}


@pytest.mark.parametrize("words", UNUSABLE)
def test_tables_that_cannot_be_compared_are_told_in_their_row(made_up, words: str):
    first, second = answers()
    made_up.answers("a", first)
    made_up.answers("b", second, **UNUSABLE[words](second))
    row = compared(made_up)
    assert (pd.isna(row["n"]), row["note"].startswith("Not compared: "), words in row["note"]) == (True, True, True)


def test_a_lost_table_costs_its_own_row_and_two_models_need_not_be_named(made_up):
    write_pair(made_up)
    write_pair(made_up, dataset="lost")
    made_up.results.examples_path(made_up.results.jobs()[0].hash).unlink()
    table = clipbench.compare(made_up.results, "a", "b").set_index("dataset")
    assert "per-example table is missing" in table.loc["lost", "note"]
    assert table.loc["toys", "n"] == 100
    for names in ({}, {"first": "a"}, {"second": "b"}):
        assert named(clipbench.compare(made_up.results, **names)) == ["a", "b"]
    assert named(clipbench.compare(made_up.results, second="a")) == ["b", "a"]


SAME = "a data set, split, prompts and limit"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a", "zoo"), "there is no finished job of model 'zoo'; one of: a, b, other"),
        (("a", "othe"), "there is no finished job of model 'othe'; did you mean 'other'?"),
        (("a", "a"), "'a' is named twice; name another model"),
        ((), "holds jobs of 3 models, and two are compared; name the first and the second: a, b, other"),
        (("a",), "holds jobs of 3 models, and two are compared; name the first and the second: a, b, other"),
        (("a", "other"), f"'a' and 'other' share no job; run one suite with both: {SAME} must be the same"),
    ],
)
def test_what_cannot_be_compared_says_what_to_do(made_up, another, names, message):
    write_pair(made_up)
    made_up.answers("other", [True], dataset="elsewhere")
    assert str(user_error(clipbench.compare, made_up.results, *names)) == f"{made_up.results.folder}: {message}"
    alone = another("alone")
    alone.answers("a", [True])
    said = "holds no finished jobs of two models; run the suite with another model"
    assert said in str(user_error(clipbench.compare, alone.results))


def test_the_command_prints_a_table_that_other_programs_can_read(made_up, clipbench: CommandLine):
    write_pair(made_up)
    write_pair(made_up, differing=["data"], dataset="changed")
    done = clipbench("compare", made_up.results.folder, "--first", "b", "--second", "a")
    assert done.returncode == 0, done.stderr
    head, *rows = (line.split("\t") for line in done.stdout.splitlines())
    assert head == [
        *("data set", "split", "task", "variant", "subset", "view", "classes of", "fitted on", "metric", "n"),
        *("b, %", "a, %", "difference, points", "95 % interval", "verdict", "p (uncorrected)"),
        *("detectable, points", "n needed", "note"),
    ]
    told = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    assert [told["toys"][name] for name in ("difference, points", "verdict")] == ["−20.0", "second is higher"]
    assert told["changed"]["difference, points"] == "–"
    assert told["changed"]["note"] == "Not compared: data differs between the jobs."
    refused = clipbench("compare", made_up.results.folder, "--first", "A")
    assert (refused.returncode, "there is no finished job of model 'A'; one of: a, b" in refused.stderr) == (2, True)


def test_a_terminal_shows_what_fits_into_eighty_columns(made_up):
    write_pair(made_up)
    about = {"dataset": "changed", "view": "fog/1", "split": "val", "condition": Condition(head="C = 1")}
    write_pair(made_up, differing=["data"], **about)
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    print_comparison(console, clipbench.compare(made_up.results))
    lines = console.file.getvalue().splitlines()
    assert [line.split() for line in lines[:2]] == [["first", "a"], ["second", "b"]]
    assert next(line for line in lines if "toys" in line).split()[-7:-2] == [
        "80.0",
        "60.0",
        "+20.0",
        "[+7.9,",
        "+31.7]",
    ]
    note = "Not compared: data differs between the jobs."
    assert f"changed · val · zero_shot · photo, C = 1 · fog/1 · top1: {note}" in lines
    assert max(len(line) for line in lines if note not in line) <= 80


def two_runs(another, **changes: Any) -> list[Any]:
    """Two folders with model m, right about 60 and 80 of the same 100 images."""
    runs = [another("one"), another("two")]
    for run, right, more in zip(runs, (60, 80), ({}, changes), strict=True):
        pedigree = {"weights": "w"} | more
        run.answers("m", np.arange(100) < right, pedigree=pedigree)
    return runs


def test_one_model_of_two_runs_is_compared_and_what_differs_is_said(another):
    one, two = (run.results for run in two_runs(another, weights="other", precision="float16"))
    table = clipbench.compare(one, two)
    (row,) = table.to_dict("records")
    assert (row["model"], row["n"], row["first"], row["second"]) == ("m", 100, 0.6, 0.8)
    assert row["note"] == "The model differs: weights, precision."
    assert named(table) == [f"m in {one.folder}", f"m in {two.folder}"]
    merged = clipbench.load_results(one.folder, two.folder)
    pd.testing.assert_frame_equal(clipbench.compare(merged), table)
    pd.testing.assert_frame_equal(clipbench.compare(merged, "m", "m"), table)
    back = clipbench.compare(two, one, "m").to_dict("records")[0]
    assert back["difference"] == -row["difference"]


def test_two_runs_on_other_images_are_not_compared(another):
    one, two = (run.results for run in two_runs(another, data="other images"))
    (row,) = clipbench.compare(one, two).to_dict("records")
    assert (row["note"], row["n"]) == ("Not compared: data differs between the jobs.", None)


def test_a_run_beside_itself_differs_in_nothing(another):
    run, _ = (run.results for run in two_runs(another))
    (row,) = clipbench.compare(run, run).to_dict("records")
    assert (row["difference"], row["note"]) == (0, "")


def test_several_models_of_two_runs_are_rows_each(another):
    runs = two_runs(another)
    for run, name in zip(runs, ("ours", "theirs"), strict=True):
        run.answers("second", [True, False])
        run.answers(name, [True, True])
    one, two = (run.results for run in runs)
    table = clipbench.compare(one, two)
    assert table["model"].tolist() == ["m", "second"]
    assert named(table) == [str(one.folder), str(two.folder)]
    # Both folders have the job under one name, and each side is read from its own.
    assert table["difference"].tolist() == pytest.approx([-0.2, 0])
    assert "they share no model 'ours'" in str(user_error(clipbench.compare, one, two, "ours"))
