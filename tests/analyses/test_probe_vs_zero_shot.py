"""The fitted head beside the zero-shot classifier."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from clipbench.analyses.labels.shots_curve import Point, crossing
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
    assert list(records) == ["top1_difference"]
    assert (difference.family, other.records[0].family) == (2, 2)
    common = {"reference": "zero_shot", "split": "test", "task": "linear_probe", "prompts": "photo"}
    assert result.about == Subject(("m",), ("toys",), **common, n=600, n_train=3000)
    assert (result.verdict, result.notes) == ("higher", ())
    ends = f"[{100 * difference.low:.1f}, {100 * difference.high:.1f}]"
    points = f"{100 * difference.value:.1f}\u202fpoints {ends} better than zero-shot in top-1"
    rests_on = "n = 600, fitted on 3,000 images; one of 2 intervals that hold together"
    assert said(result) == [f"The linear probe is {points} ({rests_on})."]


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
    assert need.value == round(4 * 4 ** ((top1[0] - top1[2]) / (top1[3] - top1[2])))
    assert need.low < need.value < need.high
    assert (need.unit, need.interval, need.params) == ("examples per class", "images and draws", {})
    worth = f"Zero-shot is worth about {need.low:.0f} to {need.high:.0f} labelled examples a class"
    assert said(result)[1] == f"{worth} (n = 600, fitted on 3,000 images; up to 1,000 a class)."


def test_the_interval_holds_where_a_head_is_not_distinguishable_from_zero_shot(made_up):
    made_up.zero_shot(0.6)
    curves(made_up)
    need = need_of(made_up)
    assert need.low < 8 < need.high
    assert need.high / need.low < 3
    # Whole numbers, and no more digits than the interval has.
    assert [need.low, need.value, need.high] == [round(end) for end in (need.low, need.value, need.high)]


def test_with_many_examples_only_the_leading_digits_are_said(made_up):
    made_up.zero_shot(0.5)
    curves(made_up, accuracies={100: 0.4, 400: 0.6})
    need = need_of(made_up)
    assert need.high - need.low >= 20
    assert {end % 10 for end in (need.low, need.value, need.high)} == {0}


def test_one_draw_says_nothing_of_others(made_up):
    made_up.zero_shot(0.6)
    curves(made_up, seeds=1)
    need = need_of(made_up)
    assert need.value is not None
    assert (need.low, need.high, need.params) == (None, None, {"at_least": None, "at_most": None})
    words = "How many labelled examples a class zero-shot is worth cannot be told"
    assert said(only(made_up)[0])[0].startswith(words)


def test_draws_from_a_small_pool_leave_more_open(made_up, another):
    narrow, wide = (another(name) for name in ("narrow", "wide"))
    for world, pool in ((narrow, 1000), (wide, 24)):
        world.zero_shot(0.6)
        for k, accuracy in {1: 0.3, 4: 0.5, 16: 0.7}.items():
            world.few_shot(k, accuracy, pool=pool)
    free, held = need_of(narrow), need_of(wide)
    # 16 of 24 are more than half, so that only the lower end is known.
    assert (held.low, held.params["at_most"]) == (None, None)
    assert held.params["at_least"] <= free.low


@pytest.mark.parametrize(
    ("zero_shot", "words"), [(0.95, "at least 1,000"), (0.1, "at most 1")], ids=["never", "from the first"]
)
def test_where_the_curve_does_not_cross_it_says_on_which_side(made_up, zero_shot, words):
    made_up.zero_shot(zero_shot)
    made_up.probe(0.8)
    curves(made_up, accuracies={1: 0.3, 4: 0.5})
    result, records = only(made_up)
    assert (records["shots_to_match"].value, records["shots_to_match"].low) == (None, None)
    assert said(result)[1].startswith(f"Zero-shot is worth {words} labelled examples a class (")


def test_nothing_is_gained_between_two_numbers_at_chance(made_up):
    made_up.zero_shot(0.33)
    made_up.probe(0.36)
    curves(made_up)
    for job in made_up.results.jobs():
        main = replace(job.main, chance=1 / 3, commonest=0.4)
        made_up.results.write_job(replace(job, records=(main,)))
    result, records = only(made_up)
    assert (list(records), result.verdict) == (["top1_difference"], "not_distinguishable")
    assert records["top1_difference"].params == {"at_chance": True}
    first, note = said(result)
    assert first.startswith("Neither the linear probe nor zero-shot is above chance (")
    assert note == result.notes[0] == "Zero-shot is not above chance, so that there is nothing to match."


def test_few_shot_on_other_features_has_a_crossing_of_its_own_and_joins_no_probe(made_up):
    made_up.zero_shot(0.6)
    made_up.probe(0.8)
    made_up.few_shot(4, 0.5, features="projected")
    probe, few_shot = found(made_up.results)
    assert [record.metric for record in probe.records] == ["top1_difference"]
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
    assert said(result)[0].startswith("The linear probe cannot be told apart from zero-shot in top-1 (difference 0.0")


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
    assert need.value == 4
    assert need.params == {"at_least": None, "at_most": None}


def test_its_interval_holds_the_crossing_in_worlds_where_it_is_known():
    """Draws differ by 3 points; the true curve crosses zero-shot at 4 of 1, 2, 4, 8 and 16 examples."""
    random, worlds, held = np.random.default_rng(0), 60, 0
    for _ in range(worlds):
        difficulty, lucky = random.random(400), 0.03 * random.standard_normal(5)
        noise, given = 0.2 * random.standard_normal((400, 5)), (difficulty < 0.5)[:, None].astype(float)
        points = [
            Point(2.0**step, (difficulty[:, None] + noise < 0.5 + 0.05 * (step - 2) + lucky) - given, True)
            for step in range(5)
        ]
        need = crossing(points, None)
        low = need.params.get("at_least") if need.interval is None else need.interval.low
        high = need.params.get("at_most") if need.interval is None else need.interval.high
        held += (low or 0) <= 4 <= (high or 99)
    assert held / worlds > 0.88


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
