"""Comparing two models: known answers, what is refused, and what is printed."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy.stats import binomtest

import clipbench
from clipbench.cli.comparison import print_comparison
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
    assert row["interval"] == "paired bootstrap"
    back = compared(made_up, "b", "a")
    assert (back["difference"], back["p"]) == (-row["difference"], row["p"])
    assert (back["low"], back["high"]) == pytest.approx((-row["high"], -row["low"]), abs=0.011)


def test_the_textbook_example_of_mcnemar(made_up):
    """Agresti, Categorical Data Analysis, table 10.1: 794, 150, 86, 570; difference 0.04, exact p 0.00003716."""
    write_pair(made_up, answers(794, 150, 86, 570))
    row = compared(made_up)
    assert (row["difference"], row["p"]) == (pytest.approx(64 / 1600), pytest.approx(3.716e-5, rel=1e-3))
    assert row["p_holm"] == row["p"]


def test_holms_correction_by_hand(made_up):
    counts = {"one": (9, 1), "three": (6, 0), "two": (20, 2)}
    for dataset, (b, c) in counts.items():
        write_pair(made_up, answers(50, b, c, 10), dataset=dataset)
    table = clipbench.compare(made_up.results, "a", "b").set_index("dataset")
    p = {name: binomtest(b, b + c).pvalue for name, (b, c) in counts.items()}
    assert p["two"] < p["one"] < p["three"]
    assert table["p"].to_dict() == pytest.approx(p)
    second = max(3 * p["two"], 2 * p["one"])
    expected = {"two": 3 * p["two"], "one": second, "three": max(second, p["three"])}
    assert table["p_holm"].to_dict() == pytest.approx(expected)
    assert expected["three"] == second > p["three"]  # the order of the p values is kept
    for dataset in counts:
        write_pair(made_up, answers(50, 3, 2, 10), dataset=dataset, finished="2")
    assert clipbench.compare(made_up.results, "a", "b")["p_holm"].tolist() == [1, 1, 1]


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
    keys = table[["variant", "subset", "view", "matched", "trained_on"]].itertuples(index=False, name=None)
    assert len(table) == len(set(keys)) == 6
    assert set(table["dataset"]) == {"toys", "limited"}


def test_of_what_both_have_on_all_examples_and_on_some_the_fullest_is_compared(made_up):
    write_pair(made_up, answers(9, 1, 0, 0), subset="limit 10", limit=10)
    write_pair(made_up, answers(9, 1, 4, 6), subset="limit 20", limit=20)
    assert compared(made_up)["subset"] == "limit 20"
    made_up.answers("a", answers()[0])
    assert compared(made_up)["subset"] == "limit 20"
    write_pair(made_up, dataset="toys")
    assert (compared(made_up)["subset"], compared(made_up)["n"]) == ("", 100)


@pytest.mark.parametrize("part", ["data", "labels", "training", "prompts", "settings", "protocol"])
def test_jobs_that_rest_on_something_else_are_not_compared_and_do_not_count_for_holm(made_up, part: str):
    write_pair(made_up, answers(50, 9, 1, 10), dataset="comparable")
    write_pair(made_up, differing=[part])
    table = clipbench.compare(made_up.results, "a", "b").set_index("dataset")
    row = table.loc["toys"]
    assert row["note"] == f"Not compared: {part} differs between the jobs."
    assert all(pd.isna(row[name]) for name in ("n", "first", "difference", "low", "p", "p_holm"))
    assert table.loc["comparable", "p_holm"] == table.loc["comparable", "p"]


LABELS = [0] * 100
UNUSABLE: dict[str, Callable[[np.ndarray], dict[str, Any]]] = {
    "other examples": lambda right: {"columns": {"label": LABELS[1:], "correct": right[1:]}},
    "the jobs have other examples or labels": lambda right: {"columns": {"label": LABELS, "correct": right}},
    "whether it is right ('correct')": lambda right: {"columns": {"correct": right.astype(float)}},
    "not say of each example": lambda right: {"columns": {"labels": "0 2", "correct": right}},
    "per-example table of b does not say": lambda right: {"columns": {"image_to_text_rank": [1]}},
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
        assert clipbench.compare(made_up.results, **names).attrs == {"first": "a", "second": "b"}
    assert clipbench.compare(made_up.results, second="a").attrs == {"first": "b", "second": "a"}


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
        *("data set", "split", "task", "variant", "subset", "view", "classes of", "fitted on", "n"),
        *("b, %", "a, %", "difference, points", "95 % interval", "p", "p (Holm)", "note"),
    ]
    told = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    assert [told["toys"][name] for name in ("difference, points", "p", "note")] == ["−20.0", "0.002", ""]
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
    assert next(line for line in lines if "toys" in line).split()[-6:-2] == ["80.0", "60.0", "+20.0", "[+8.0,"]
    note = "Not compared: data differs between the jobs."
    assert lines[-1] == f"changed · val · zero_shot · photo, C = 1 · fog/1: {note}"
    assert max(map(len, lines[:-1])) <= 80


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
    assert table.attrs == {"first": f"m in {one.folder}", "second": f"m in {two.folder}"}
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
    assert table.attrs == {"first": str(one.folder), "second": str(two.folder)}
    assert "they share no model 'ours'" in str(user_error(clipbench.compare, one, two, "ours"))
