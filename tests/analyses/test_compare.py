"""Comparing two models: known answers, what is refused, and what is printed."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import clipbench
from clipbench.analyses.base import Evidence
from clipbench.analyses.rankings.compare import Compare, CompareSettings
from clipbench.cli.comparison import print_comparison
from clipbench.errors import UserError
from clipbench.results.folder import Results, load_results
from clipbench.results.records import JobResult, Pedigree, Record

from ..conftest import CommandLine


def answers(both: int, only_first: int, only_second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    first = [True] * both + [True] * only_first + [False] * only_second + [False] * neither
    second = [True] * both + [False] * only_first + [True] * only_second + [False] * neither
    return np.array(first), np.array(second)


class World:
    """A results folder to which jobs of made-up models are added."""

    def __init__(self, folder: Any) -> None:
        self.results = Results(folder)

    def job(self, model: str, correct: Any, *, shuffle: int = 0, metric: str = "top1", **more: Any) -> str:
        known = {"dataset": "toys", "split": "test", "task": "zero_shot", "variant": "photo"}
        known |= {"view": "", "matched": "", "trained_on": ""}
        about = known | {name: more.pop(name) for name in list(more) if name in known}
        columns = more.pop("columns", None) or {
            "id": [f"i{row}" for row in range(len(correct))],
            "label": np.arange(len(correct)) % 3,
            "correct": correct,
        }
        parts = {"data": "d", "labels": "l", "prompts": "p", "protocol": f"{about['task']}/1", "weights": model} | more
        name = "-".join([model, *about.values(), parts.get("subset", "")]).replace(" ", "-").replace("/", "-")
        path = self.results.examples_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(columns).sample(frac=1, random_state=shuffle).to_parquet(path)
        records = (Record(metric, 0.5, main=True),)
        self.results.write_job(
            JobResult(name, model, status="done", pedigree=Pedigree(**parts), records=records, **about)
        )
        return name

    def pair(self, first: Any, second: Any, **more: Any) -> None:
        self.job("a", first, shuffle=1, **more)
        self.job("b", second, shuffle=2, **more)


@pytest.fixture
def world(tmp_path) -> World:
    return World(tmp_path / "run")


def binomial(smaller: int, unequal: int) -> float:
    """The two-sided exact test by hand: twice the smaller tail of fair coin flips."""
    return min(1.0, 2 * sum(math.comb(unequal, k) for k in range(smaller + 1)) / 2**unequal)


def test_accuracies_their_difference_and_its_interval_are_of_the_same_examples(world):
    world.pair(*answers(both=50, only_first=30, only_second=10, neither=10))
    (row,) = clipbench.compare(world.results, "a", "b").to_dict("records")
    assert (row["n"], row["first"], row["second"]) == (100, 0.8, 0.6)
    assert row["difference"] == pytest.approx(0.2)
    # Of paired answers: sqrt((b + c - (b - c)^2 / n) / n^2) = 0.06, so about 0.2 +- 0.118.
    assert row["low"] == pytest.approx(0.2 - 1.96 * 0.06, abs=0.015)
    assert row["high"] == pytest.approx(0.2 + 1.96 * 0.06, abs=0.015)
    assert row["interval"] == "paired bootstrap"
    assert row["note"] == ""


@pytest.mark.parametrize(("b", "c"), [(30, 10), (10, 30), (3, 1), (5, 5), (1, 0), (121, 59)])
def test_p_is_the_exact_binomial_test_of_the_answers_that_differ(world, b, c):
    world.pair(*answers(both=40, only_first=b, only_second=c, neither=7))
    (row,) = clipbench.compare(world.results, "a", "b").to_dict("records")
    assert row["p"] == pytest.approx(binomial(min(b, c), b + c))
    assert row["p_holm"] == row["p"]


def test_the_textbook_example_of_mcnemar(world):
    """Agresti, Categorical Data Analysis, table 10.1: 794, 150, 86, 570; difference 0.04, exact p 0.00003716."""
    world.pair(*answers(both=794, only_first=150, only_second=86, neither=570))
    (row,) = clipbench.compare(world.results, "a", "b").to_dict("records")
    assert row["difference"] == pytest.approx(64 / 1600)
    assert row["p"] == pytest.approx(binomial(86, 236))
    assert row["p"] == pytest.approx(3.716e-5, rel=1e-3)


def test_equal_answers_are_no_difference_and_still_have_an_interval(world):
    world.pair(*answers(both=60, only_first=0, only_second=0, neither=40))
    (row,) = clipbench.compare(world.results, "a", "b").to_dict("records")
    assert (row["difference"], row["p"], row["p_holm"]) == (0, 1, 1)
    assert row["low"] < 0 < row["high"]
    assert row["interval"] == "score"


def test_holms_correction_by_hand(world):
    counts = {"one": (9, 1), "three": (6, 0), "two": (20, 2)}
    for dataset, (b, c) in counts.items():
        world.pair(*answers(50, b, c, 10), dataset=dataset)
    found = clipbench.compare(world.results, "a", "b").set_index("dataset")
    p = {name: binomial(c, b + c) for name, (b, c) in counts.items()}
    assert p["two"] < p["one"] < p["three"]
    assert found["p"].to_dict() == pytest.approx(p)
    second = max(3 * p["two"], 2 * p["one"])
    expected = {"two": 3 * p["two"], "one": second, "three": max(second, p["three"])}
    assert found["p_holm"].to_dict() == pytest.approx(expected)
    assert expected["three"] == second > p["three"]  # the order of the p values is kept


def test_holms_correction_ends_at_one(world):
    for dataset in ("one", "two", "three"):
        world.pair(*answers(50, 3, 2, 10), dataset=dataset)
    assert clipbench.compare(world.results, "a", "b")["p_holm"].tolist() == [1, 1, 1]


def test_the_other_way_round_the_difference_changes_its_sign(world):
    world.pair(*answers(50, 30, 10, 10))
    (there,) = clipbench.compare(world.results, "a", "b").to_dict("records")
    (back,) = clipbench.compare(world.results, "b", "a").to_dict("records")
    assert back["difference"] == -there["difference"]
    assert back["p"] == there["p"]
    assert (back["low"], back["high"]) == pytest.approx((-there["high"], -there["low"]), abs=0.011)


def test_only_jobs_that_both_have_are_rows(world):
    right = answers(50, 30, 10, 10)
    world.pair(*right)
    world.pair(*right, variant="class name")
    world.pair(*right, subset="limit 100")
    world.pair(*right, view="gaussian_noise/3")
    world.pair(*right, matched="other-toys")
    world.pair(*right, matched="other-toys", trained_on="other-toys")
    world.job("a", right[0], dataset="only-of-a")
    world.job("c", right[0], variant="class name")
    found = clipbench.compare(world.results, "a", "b")
    told = set(found[["variant", "subset", "view", "matched", "trained_on"]].itertuples(index=False, name=None))
    assert len(found) == len(told) == 6
    assert set(found["dataset"]) == {"toys"}


@pytest.mark.parametrize("part", ["data", "labels", "training", "prompts", "settings", "protocol"])
def test_jobs_that_rest_on_something_else_are_not_compared(world, part):
    first, second = answers(50, 30, 10, 10)
    world.job("a", first)
    world.job("b", second, **{part: "other"})
    (row,) = clipbench.compare(world.results, "a", "b").to_dict("records")
    assert row["note"] == f"Not compared: {part} differs between the jobs."
    assert all(pd.isna(row[name]) for name in ("n", "first", "difference", "low", "p", "p_holm"))


def test_a_row_without_numbers_does_not_count_for_holm(world):
    first, second = answers(50, 9, 1, 10)
    world.pair(first, second)
    world.job("a", first, dataset="other")
    world.job("b", second, dataset="other", data="other", labels="other")
    found = clipbench.compare(world.results, "a", "b").set_index("dataset")
    assert found.loc["toys", "p_holm"] == found.loc["toys", "p"]
    assert found.loc["other", "note"] == "Not compared: data, labels differ between the jobs."


def test_models_may_differ_in_everything_of_their_own(world):
    first, second = answers(50, 30, 10, 10)
    world.job("a", first, tokenizer="t1", transform="x", precision="float32", architecture="A")
    world.job("b", second, tokenizer="t2", transform="y", precision="bfloat16", architecture="B")
    assert clipbench.compare(world.results, "a", "b")["note"].tolist() == [""]


def test_other_examples_or_labels_are_not_compared(world):
    first, second = answers(50, 30, 10, 10)
    world.job("a", first)
    world.job("b", second[:-1])
    world.job("a", first, dataset="relabelled")
    ids = [f"i{row}" for row in range(len(second))]
    world.job("b", second, dataset="relabelled", columns={"id": ids, "label": 0, "correct": second})
    notes = clipbench.compare(world.results, "a", "b")["note"]
    assert set(notes) == {"Not compared: the jobs have other examples or labels."}


def test_what_has_no_right_or_wrong_example_is_not_compared(world):
    first, second = answers(50, 30, 10, 10)
    world.pair(first.astype(float), second.astype(float), task="few_shot")
    world.pair(first, second, dataset="many-labels", metric="map")
    world.pair(first, second, task="retrieval", columns={"id": ["i0"], "image_to_text_rank": [1]})
    notes = clipbench.compare(world.results, "a", "b")["note"]
    assert notes.tolist() == ["Not compared: an example has no one right or wrong answer here."] * 3


def test_a_lost_table_is_told_in_its_row(world):
    first, second = answers(50, 30, 10, 10)
    world.pair(first, second, variant="kept")
    world.job("a", first, variant="lost")
    world.results.examples_path(world.job("b", second, variant="lost")).unlink()
    found = clipbench.compare(world.results, "a", "b").set_index("variant")
    assert "per-example table is missing" in found.loc["lost", "note"]
    assert found.loc["kept", "n"] == 100


def test_two_models_need_not_be_named(world):
    world.pair(*answers(50, 30, 10, 10))
    for names in ({}, {"first": "a"}, {"second": "b"}):
        frame = clipbench.compare(world.results, **names)
        assert (frame.attrs["first"], frame.attrs["second"]) == ("a", "b")
    assert clipbench.compare(world.results, second="a").attrs == {"first": "b", "second": "a"}


def test_models_of_two_folders_are_compared(tmp_path):
    first, second = answers(50, 30, 10, 10)
    World(tmp_path / "one").job("a", first)
    World(tmp_path / "two").job("b", second)
    assert len(clipbench.compare(load_results(tmp_path / "one", tmp_path / "two"), "a", "b")) == 1


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a", "zoo"), "there is no finished job of model 'zoo'; one of: a, b, other"),
        (("a", "othe"), "there is no finished job of model 'othe'; did you mean 'other'?"),
        (("a", "a"), "'a' is named twice; name another model"),
        ((), "holds jobs of 3 models, and two are compared; name the first and the second: a, b, other"),
        (("a",), "holds jobs of 3 models, and two are compared; name the first and the second: a, b, other"),
        (
            ("a", "other"),
            "'a' and 'other' share no job; "
            "run one suite with both: a data set, split, prompts and limit must be the same",
        ),
    ],
)
def test_what_cannot_be_compared_says_what_to_do(world, names, message):
    first, second = answers(50, 30, 10, 10)
    world.pair(first, second)
    world.job("other", first, dataset="elsewhere")
    with pytest.raises(UserError) as raised:
        clipbench.compare(world.results, *names)
    assert str(raised.value) == f"{world.results.folder}: {message}"


def test_one_model_is_not_enough(world):
    world.job("a", answers(50, 30, 10, 10)[0])
    with pytest.raises(UserError, match="holds no finished jobs of two models; run the suite with another model"):
        clipbench.compare(world.results)


def analyse(world: World, **settings: Any) -> list[tuple[str, str]]:
    evidence = Evidence(world.results.jobs(), world.results.examples)
    findings = Compare().analyse(evidence, CompareSettings(analysis="compare", **settings))
    return [(finding.about["model"], finding.about["variant"]) for finding in findings]


def test_the_analysis_compares_every_pair_or_those_of_the_models_named(world):
    right, _ = answers(50, 30, 10, 10)
    for model in ("a", "b", "c"):
        world.job(model, right)
    against = "zero_shot, photo, against"
    assert analyse(world) == [("a", f"{against} b"), ("a", f"{against} c"), ("b", f"{against} c")]
    assert analyse(world, first="c") == [("c", f"{against} a"), ("c", f"{against} b")]
    assert analyse(world, first="c", second="b") == [("c", f"{against} b")]
    assert analyse(world, first="c", second="unknown") == []


def test_a_finding_says_what_the_table_says(world):
    world.pair(*answers(50, 30, 10, 10))
    evidence = Evidence(world.results.jobs(), world.results.examples)
    (finding,) = Compare().analyse(evidence, CompareSettings(analysis="compare"))
    (row,) = clipbench.compare(world.results).to_dict("records")
    found = {metric.name: metric for metric in finding.metrics}
    assert (found["first_top1"].value, found["second_top1"].value) == (row["first"], row["second"])
    difference = found["difference"]
    assert (difference.value, difference.interval.low) == (row["difference"], row["low"])
    assert difference.params == {
        "first": "a",
        "second": "b",
        "only_first": 30,
        "only_second": 10,
        "p": row["p"],
        "p_holm": row["p_holm"],
    }


def test_the_command_prints_a_table_that_other_programs_can_read(world, clipbench: CommandLine):
    world.pair(*answers(50, 30, 10, 10))
    world.job("a", [True, False], dataset="changed")
    world.job("b", [True, False], dataset="changed", data="other")
    done = clipbench("compare", world.results.folder, "--first", "b", "--second", "a")
    assert done.returncode == 0, done.stderr
    head, *rows = (line.split("\t") for line in done.stdout.splitlines())
    assert head == [
        *("data set", "split", "task", "variant", "subset", "view", "classes of", "fitted on", "n"),
        *("b, %", "a, %", "difference, points", "95 % interval", "p", "p (Holm)", "note"),
    ]
    told = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    assert told["toys"]["difference, points"] == "−20.0"
    assert (told["toys"]["p"], told["toys"]["note"]) == ("0.002", "")
    assert told["changed"]["difference, points"] == "–"
    assert told["changed"]["note"] == "Not compared: data differs between the jobs."


def test_a_terminal_shows_what_fits_into_eighty_columns(world):
    world.pair(*answers(50, 30, 10, 10))
    world.job("a", [True, False], dataset="changed", view="fog/1", split="val")
    world.job("b", [True, False], dataset="changed", view="fog/1", split="val", data="other")
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    print_comparison(console, clipbench.compare(world.results))
    lines = console.file.getvalue().splitlines()
    assert [line.split() for line in lines[:2]] == [["first", "a"], ["second", "b"]]
    assert next(line for line in lines if "toys" in line).split()[-6:-2] == ["80.0", "60.0", "+20.0", "[+8.0,"]
    assert lines[-1] == "changed · val · zero_shot · photo · fog/1: Not compared: data differs between the jobs."
    assert max(map(len, lines[:-1])) <= 80


def test_the_command_refuses_a_wrong_name(world, clipbench: CommandLine):
    world.pair(*answers(50, 30, 10, 10))
    done = clipbench("compare", world.results.folder, "--first", "A")
    assert done.returncode == 2
    assert "there is no finished job of model 'A'; one of: a, b" in done.stderr
