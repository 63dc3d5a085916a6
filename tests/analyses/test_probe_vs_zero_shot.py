"""The fitted head beside the zero-shot classifier."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from clipbench.results.records import AnalysisResult, Record, Subject
from clipbench.tasks.base import Condition

from ..report.findings import said
from .conftest import MadeUp, found


def only(world: MadeUp) -> tuple[AnalysisResult, dict[str, Record]]:
    (result,) = found(world.results)
    return result, {record.metric: record for record in result.records}


def need_of(world: MadeUp) -> Record:
    return only(world)[1]["shots_to_match"]


def curves(world: MadeUp, *, accuracies: dict[int, float] | None = None, seeds: int = 5, head: str = "") -> None:
    for k, accuracy in (accuracies or {1: 0.3, 4: 0.5, 16: 0.7}).items():
        world.few_shot(k, accuracy, seeds=seeds, head=head)


def test_the_difference_is_paired_by_image(made_up):
    made_up.zero_shot(0.5, prompts="class-name")
    made_up.zero_shot(0.6, pedigree={"tokenizer": "text models have one"})
    made_up.probe(0.8, pedigree={"training": "heads have some"})
    other, result = found(made_up.results)
    assert other.about.prompts == "class-name"
    records = {record.metric: record for record in result.records}
    probe, zero_shot = (job.main.value for job in made_up.results.jobs() if job.prompts != "class-name")
    difference = records["top1_difference"]
    assert difference.value == pytest.approx(probe - zero_shot)
    assert difference.low < difference.value < difference.high
    # Two samples of 600 would leave +-5 points.
    assert difference.high - difference.low < 0.075
    assert list(records) == ["top1_difference", "mean_per_class_recall_difference"]
    common = {"reference": "zero_shot", "split": "test", "task": "linear_probe", "prompts": "photo"}
    assert result.about == Subject(("m",), ("toys",), **common, n=600, n_train=3000)
    assert (result.verdict, result.notes) == ("higher", ())
    points = f"{100 * difference.value:.1f} points better than zero-shot in top-1"
    assert said(result) == [f"Fitted on 3,000 labelled images, the probe is {points}."]


def test_examples_that_match_zero_shot_are_interpolated_in_the_logarithm(made_up, another):
    for world in (made_up, another("again")):
        world.zero_shot(0.6)
        world.probe(0.9)
        curves(world)
    result, records = only(made_up)
    assert (result, records) == only(world)
    need = records["shots_to_match"]
    curve = result.tables["shots_curve"].frame()
    assert curve["what"].tolist() == ["zero_shot", "few_shot", "few_shot", "few_shot", "linear_probe"]
    assert curve["examples_per_class"].tolist() == [0, 1, 4, 16, 1000]
    top1 = curve["top1"].tolist()
    assert need.value == pytest.approx(4 * 4 ** ((top1[0] - top1[2]) / (top1[3] - top1[2])))
    assert need.low < need.value < need.high
    assert need.unit == "examples per class"
    interval = f"95 % interval {need.low:.1f} to {need.high:.1f}"
    assert said(result)[1] == f"Zero-shot is worth {need.value:.1f} labelled examples a class ({interval})."


def test_an_interval_over_seeds_and_examples_holds_the_crossing_of_other_seeds(made_up):
    made_up.zero_shot(0.6)
    curves(made_up, seeds=1)
    narrow = need_of(made_up)
    assert narrow.high / narrow.low < 3
    assert narrow.low < 8 < narrow.high


@pytest.mark.parametrize(
    ("zero_shot", "words"), [(0.95, "more than the whole training split, 1,000"), (0.1, "fewer than 1")]
)
def test_where_the_curve_does_not_cross_it_says_on_which_side(made_up, zero_shot, words):
    made_up.zero_shot(zero_shot)
    made_up.probe(0.8)
    curves(made_up, accuracies={1: 0.3, 4: 0.5})
    result, records = only(made_up)
    assert (records["shots_to_match"].value, records["shots_to_match"].low) == (None, None)
    assert said(result)[1] == f"Zero-shot is worth {words} labelled examples a class."


def test_few_shot_on_other_features_has_a_crossing_of_its_own_and_joins_no_probe(made_up):
    made_up.zero_shot(0.6)
    made_up.probe(0.8)
    made_up.few_shot(4, 0.5, features="projected")
    probe, few_shot = found(made_up.results)
    assert [record.metric for record in probe.records] == ["top1_difference", "mean_per_class_recall_difference"]
    assert [record.metric for record in few_shot.records] == ["shots_to_match"]
    about = few_shot.about
    assert (about.task, about.condition.features, about.n_train) == ("few_shot", "projected", None)
    assert few_shot.verdict == "undefined"


@pytest.mark.parametrize("part", ["weights", "data", "labels", "precision", "transform"])
def test_jobs_that_differ_where_it_matters_are_named_and_not_compared(made_up, part):
    made_up.zero_shot(0.6)
    made_up.probe(pedigree={part: "other"})
    result, records = only(made_up)
    assert (records, result.verdict) == ({}, "undefined")
    assert said(result) == list(result.notes) == [f"Not compared: {part} differs between the jobs."]


def test_other_examples_under_the_same_pedigree_are_not_compared(made_up):
    made_up.zero_shot(0.6)
    made_up.edit(made_up.probe(), lambda table: table.iloc[1:])
    assert "other examples or labels" in said(only(made_up)[0])[0]


def test_equal_heads_differ_by_nothing_with_a_width(made_up):
    zero_shot = pd.read_parquet(made_up.results.examples_path(made_up.zero_shot(0.6)))
    made_up.edit(made_up.probe(0.6), lambda table: zero_shot)
    result, records = only(made_up)
    difference = records["top1_difference"]
    assert (difference.value, difference.interval, result.verdict) == (0, "score", "not_distinguishable")
    assert difference.low < 0 < difference.high
    assert "the probe is as good as zero-shot in top-1" in said(result)[0]


def test_where_all_are_right_about_the_same_examples_the_first_shot_is_enough(made_up):
    path = made_up.results.examples_path(made_up.zero_shot(0.6))
    right = pd.read_parquet(path).set_index("id")["correct"]
    for k in (1, 4):
        made_up.edit(
            made_up.few_shot(k, 0.6),
            lambda table: table.assign(**{f"correct.{seed}": table["id"].map(right) for seed in range(5)}),
        )
    need = need_of(made_up)
    assert (need.value, need.low, need.high) == (1, 1, 1)


def test_few_shot_fits_of_another_penalty_make_a_curve_of_their_own(made_up):
    made_up.zero_shot(0.6)
    made_up.probe(0.9)
    curves(made_up)
    curves(made_up, accuracies={1: 0.3, 16: 0.8}, head="cross-validated C")
    results = found(made_up.results)
    tables = [result.tables["shots_curve"].frame()["examples_per_class"].tolist() for result in results]
    assert {result.about.condition: points for result, points in zip(results, tables, strict=True)} == {
        Condition(): [0, 1, 4, 16, 1000],
        Condition(head="cross-validated C"): [0, 1, 16, 1000],
    }


def test_a_seed_that_is_lucky_with_few_examples_stays_so_with_more(made_up):
    ranks = {f"i{row}": place / 600 for place, row in enumerate(np.argsort(made_up.difficulty))}
    # The first seed's curve ends below zero-shot, the second's begins above it, and their mean crosses it.
    for name, shares in {
        made_up.zero_shot(): {"correct": 0.5},
        made_up.few_shot(1, 0.5, seeds=2): {"correct.0": 0.2, "correct.1": 0.6},
        made_up.few_shot(16, 0.5, seeds=2): {"correct.0": 0.4, "correct.1": 0.8},
    }.items():
        right = {
            column: (lambda table, share=share: table["id"].map(ranks) < share) for column, share in shares.items()
        }
        made_up.edit(name, lambda table, right=right: table.assign(**right))
    need = need_of(made_up)
    assert need.value == pytest.approx(4)
    # Either is drawn twice in a quarter of the resamples; drawn apart for each k, 3/16 would lie beyond.
    assert need.params["below"] == pytest.approx(1 / 4, abs=0.03)
    assert need.params["beyond"] == pytest.approx(1 / 4, abs=0.03)


def test_where_it_is_not_always_matched_the_sentence_says_how_often(made_up):
    made_up.zero_shot(0.6)
    curves(made_up, accuracies={1: 0.3, 16: 0.6})
    result, records = only(made_up)
    beyond = records["shots_to_match"].params["beyond"]
    assert 0 < beyond < 1
    assert said(result)[0].endswith(f"more than 16 in {100 * beyond:.1f}\u202f% of resamples).")


def test_of_a_multi_label_set_average_precisions_are_subtracted(made_up):
    made_up.zero_shot(0.6)
    made_up.probe(0.8)
    for job in made_up.results.jobs():
        value = 0.5 if job.task == "zero_shot" else 0.75
        records = (replace(job.main, metric="map", value=value), Record("map_voc2007_11point", None))
        made_up.results.write_job(replace(job, records=records))
    result, records = only(made_up)
    assert {name: (record.value, record.low) for name, record in records.items()} == {"map_difference": (0.25, None)}
    assert (result.verdict, said(result), "no interval" in result.notes[0]) == ("undefined", [*result.notes], True)


def test_memory_does_not_grow_with_the_resamples(another):
    many = another("many", n=50_000)
    many.zero_shot(0.6)
    many.probe(0.9)
    curves(many, accuracies={1: 0.3, 2: 0.4, 4: 0.5, 8: 0.65, 16: 0.7})
    tracemalloc.start()
    need = need_of(many)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 4 < need.value < 8
    # The weights of 1,000 resamples at once would be 400 MB.
    assert peak < 150e6
