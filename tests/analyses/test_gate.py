"""Refusing a model that is worse, in continuous integration; and the examples on which two differ."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from typer.testing import CliRunner

import clipbench
from clipbench.analyses.rankings.gate import judge
from clipbench.cli.main import app
from clipbench.results.records import Record
from clipbench.stats.power import examples_needed

from ..conftest import CommandLine


def write_pair(world, only_base: int, only_new: int, n: int = 1000, **more) -> None:
    """A base and a new model, of which each is right about some images alone."""
    place = np.arange(n)
    base, new = place >= only_new, (place < only_new) | (place >= only_new + only_base)
    for model, right in (("base", base), ("new", new)):
        world.answers(model, right, **more)


@pytest.mark.parametrize(
    ("only_base", "only_new", "points", "judgement"),
    [
        (60, 10, 1.0, "worse"),  # 5 points lost
        (60, 10, 6.0, "passed"),  # surely worse, but by no more than that
        (20, 15, 1.0, "undecided"),  # 0.5 points lost, which may be 1.7
        (15, 20, 1.0, "passed"),  # gained, and at most 0.7 lost
        (10, 60, 1.0, "passed"),
        (0, 0, 1.0, "passed"),
        (25, 12, 1.0, "worse"),
    ],
)
def test_what_is_worse_and_what_cannot_be_told(made_up, only_base, only_new, points, judgement):
    write_pair(made_up, only_base, only_new)
    comparison = clipbench.compare(made_up.results, "base", "new")
    (row,) = judge(comparison, points).to_dict("records")
    assert row["judgement"] == judgement
    spread = (only_base + only_new) / 1000
    needed = examples_needed(points / 100, spread) if judgement == "undecided" else None
    assert row["n_to_decide"] == needed


def test_what_cannot_be_compared_is_undecided(made_up):
    write_pair(made_up, 60, 10)
    made_up.answers("base", [True, False], dataset="changed", pedigree={"data": "one"})
    made_up.answers("new", [True, False], dataset="changed", pedigree={"data": "other"})
    judged = judge(clipbench.compare(made_up.results, "base", "new"), 1.0).set_index("dataset")
    assert judged["judgement"].to_dict() == {"changed": "undecided", "toys": "worse"}


def test_between_two_numbers_at_chance_nothing_is_lost(made_up):
    write_pair(made_up, 60, 10, n=600)
    for model, right in {"base": 80, "new": 40}.items():
        columns = {"label": np.zeros(600, int), "correct": np.arange(600) < right}
        record = Record("top1", right / 600, low=right / 600 - 0.03, n=600, main=True, chance=0.125)
        made_up.write("zero_shot", columns, [record], model=model, dataset="guessed")
    judged = judge(clipbench.compare(made_up.results, "base", "new"), 1.0).set_index("dataset")
    assert judged.loc["guessed", "low"] > 0
    assert judged.loc["guessed", ["verdict", "judgement"]].tolist() == ["not_distinguishable", "passed"]
    pairs = clipbench.compare_all(made_up.results, datasets=["guessed"])
    assert pairs["verdict"].tolist() == ["not_distinguishable"]


@pytest.mark.parametrize(
    ("counts", "options", "code", "said"),
    [
        ((60, 10), (), 3, "the second is worse by more than 1.0 points"),
        ((20, 15), (), 0, "a loss of 1.0 points can be neither shown nor excluded: n = 2,745 would show it"),
        ((20, 15), ("--strict",), 4, "warning: m · toys · zero_shot · photo · top1: +0.5 points [−0.7, +1.7]: "),
        ((10, 60), ("--strict",), 0, ""),
    ],
)
def test_the_exit_code_says_whether_the_new_run_may_replace_the_base(another, counts, options, code, said):
    base, new = another("base"), another("new")
    only_base, only_new = counts
    place = np.arange(1000)
    base.answers("m", place >= only_new)
    new.answers("m", (place < only_new) | (place >= only_new + only_base))
    folders = [str(world.results.folder) for world in (base, new)]
    done = CliRunner().invoke(app, ["compare", *folders, "--fail-if-worse", "1.0", *options])
    assert done.exit_code == code, done.stderr
    assert said in done.stderr
    assert bool(said) == bool(done.stderr)


def test_of_two_folders_with_a_model_each_the_first_folders_is_the_first(another):
    later, earlier = another("a-folder"), another("b-folder")
    later.answers("aaa", [True, False])
    earlier.answers("bbb", [True, True])
    table = clipbench.compare(clipbench.load_results(earlier.results.folder, later.results.folder))
    assert (table.attrs["first"], table.attrs["second"]) == ("bbb", "aaa")


def test_disagreements_are_listed_with_what_either_took_them_for(made_up, tmp_path, clipbench: CommandLine):
    names = ["cat", "dog", "fox", "owl"]
    known = {"label": range(4), "label_name": names}
    for model, predictions in {"a": ["cat", "dog", "dog", "owl"], "b": ["dog", "dog", "fox", "fox"]}.items():
        right = [name == prediction for name, prediction in zip(names, predictions, strict=True)]
        pictures = ({"id": "i2", "thumb": "d/2.webp"},) if model == "a" else ()
        columns = known | {"prediction_name": predictions, "correct": right}
        made_up.answers(model, right, columns=columns, pictures=pictures)
    file = tmp_path / "found" / "apart.csv"
    done = clipbench("compare", made_up.results.folder, "--disagreements", file)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(file.open()))
    told = [[row[name] for name in ("id", "label", "first", "second", "first_value")] for row in rows]
    assert sorted(told[:2]) == [["i0", "cat", "cat", "dog", "1.0"], ["i3", "owl", "owl", "fox", "1.0"]]
    assert told[2] == ["i2", "fox", "dog", "fox", "0.0"]
    assert rows[2]["thumbnail"] == str(made_up.results.folder / "thumbs" / "d/2.webp")
