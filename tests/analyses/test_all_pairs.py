"""All pairs of the models of a run, and the ranks that they leave open."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

import clipbench
from clipbench.analyses.rankings.all_pairs import ranks
from clipbench.analyses.rankings.rank_sets import rank_sets
from clipbench.cli.comparison import print_all_pairs

from ..conftest import CommandLine, user_error


def write(world, right: dict[str, int], **more) -> None:
    """Models that are right about the first so many of 200 images."""
    for model, count in right.items():
        world.answers(model, np.arange(200) < count, **more)


def test_each_pair_is_a_row_with_the_better_model_first(made_up):
    write(made_up, {"a": 100, "b": 140, "c": 102})
    pairs = clipbench.compare_all(made_up.results)
    assert pairs[["first", "second"]].to_numpy().tolist() == [["b", "c"], ["b", "a"], ["c", "a"]]
    assert pairs["difference"].tolist() == pytest.approx([0.19, 0.2, 0.01])
    assert pairs["verdict"].tolist() == ["higher", "higher", "not_distinguishable"]
    assert set(pairs["family"]) == {3}
    two = clipbench.compare_all(made_up.results, models=["a", "b"])
    row = clipbench.compare(made_up.results, "b", "a").iloc[0]
    assert two[["low", "high"]].iloc[0].tolist() == pytest.approx(row[["low", "high"]].tolist())


def test_ranks_are_those_of_rank_sets_also_of_the_mean_over_common_sets(made_up):
    right = {"a": 100, "b": 140, "c": 108}
    for dataset, less in {"one": 0, "two": 30}.items():
        write(made_up, {model: count - less for model, count in right.items()}, dataset=dataset)
    write(made_up, {"a": 50, "b": 60}, dataset="without-c")
    found = ranks(clipbench.compare_all(made_up.results))
    assert list(dict.fromkeys(found["dataset"])) == ["one", "two", "without-c", "mean of 2"]
    one, two = (np.arange(200) < np.array([[count - less] for count in right.values()]) for less in (0, 30))
    for dataset, sets in (("one", one), ("mean of 2", [one, two])):
        rows = found[found["dataset"] == dataset].set_index("model")
        expected = {rank.model: (rank.lowest, rank.highest) for rank in rank_sets(sets, list(right))}
        assert {name: (row["lowest"], row["highest"]) for name, row in rows.iterrows()} == expected
    pairs = clipbench.compare_all(made_up.results)
    assert set(pairs.loc[pairs["dataset"] == "mean of 2", "note"]) == {"Over one, two."}


def test_a_lost_table_costs_its_model_alone_and_other_images_are_another_matrix(made_up):
    write(made_up, {"a": 100, "b": 140, "c": 90})
    write(made_up, {"d": 100, "e": 140}, pedigree={"data": "others"})
    lost = next(job for job in made_up.results.jobs() if job.model == "c")
    made_up.results.examples_path(lost.hash).unlink()
    pairs = clipbench.compare_all(made_up.results)
    assert pairs[["first", "second"]].to_numpy().tolist() == [["b", "a"], ["e", "d"]]
    assert "Left out: " in pairs["note"][0]
    assert "per-example table is missing" in pairs["note"][0]
    said = "no shared job on 'elsewhere'; one of: toys"
    assert said in str(user_error(clipbench.compare_all, made_up.results, datasets=["elsewhere"]))


def test_the_command_prints_ranks_and_a_matrix(made_up, clipbench: CommandLine):
    write(made_up, {"a": 100, "b": 140, "c": 102})
    done = clipbench("compare", made_up.results.folder, "--all-pairs")
    assert done.returncode == 0, done.stderr
    head, *rows = (line.split("\t") for line in done.stdout.splitlines())
    first = dict(zip(head, rows[0], strict=True))
    assert [first[name] for name in ("first", "second", "difference, points", "verdict")] == [
        *("b", "c", "+19.0", "first is higher")
    ]
    refused = clipbench("compare", made_up.results.folder, "--all-pairs", "--first", "a")
    assert (refused.returncode, "--all-pairs: is not about two models" in refused.stderr) == (2, True)


def test_a_terminal_shows_possible_ranks(made_up):
    write(made_up, {"a": 100, "b": 140, "c": 102})
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    print_all_pairs(console, clipbench.compare_all(made_up.results))
    lines = [line.split() for line in console.file.getvalue().splitlines()]
    assert lines[2:5] == [
        ["1", "1", "b", "70.0", "+19.0", "+20.0"],
        ["2–3", "2", "c", "51.0", "−19.0", "+1.0"],
        ["2–3", "3", "a", "50.0", "−20.0", "−1.0"],
    ]


def test_few_shot_models_are_corrected_by_bonferroni_over_images_and_draws(made_up):
    for model, accuracy in {"a": 0.5, "b": 0.7, "c": 0.9}.items():
        made_up.head("few_shot", accuracy, seeds=5, model=model)
    pairs = clipbench.compare_all(made_up.results)
    assert pairs[["first", "second"]].to_numpy().tolist() == [["c", "b"], ["c", "a"], ["b", "a"]]
    assert set(pairs["interval"]) == {"images and draws"}
    alone = clipbench.compare(made_up.results, "c", "b").iloc[0]
    wider = pairs.iloc[0]["high"] - pairs.iloc[0]["low"]
    assert wider > alone["high"] - alone["low"]
