"""The fitted head beside the zero-shot classifier."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from clipbench.analyses.run import analyse
from clipbench.results.records import Record


def metrics(finding):
    return {record.metric: record for record in finding.records}


def test_the_difference_is_paired_by_image(made_up):
    made_up.zero_shot(0.6)
    made_up.probe(0.8)
    (finding,) = analyse(made_up.results)
    zero_shot, probe = made_up.results.jobs()[1].main.value, made_up.results.jobs()[0].main.value
    difference = metrics(finding)["top1_difference"]
    assert difference.value == pytest.approx(probe - zero_shot)
    assert difference.low < difference.value < difference.high
    # Two samples of 600 would leave +-5 points.
    assert difference.high - difference.low < 0.075
    assert difference.n == 600
    assert "mean_per_class_recall_difference" in metrics(finding)
    assert finding.variant == "linear probe against zero-shot (photo)"
    assert "points better than zero-shot" in finding.notes[0]


def test_examples_that_match_zero_shot_are_interpolated_in_the_logarithm(made_up):
    made_up.zero_shot(0.6)
    made_up.probe(0.9)
    for k, accuracy in ((1, 0.3), (4, 0.5), (16, 0.7)):
        made_up.few_shot(k, accuracy)
    (finding,) = analyse(made_up.results)
    need = metrics(finding)["shots_to_match"]
    curve = finding.tables["shots_curve"].frame()
    assert curve["what"].tolist() == ["zero_shot", "few_shot", "few_shot", "few_shot", "linear_probe"]
    assert curve["examples_per_class"].tolist() == [0, 1, 4, 16, 1000]
    top1 = curve["top1"].tolist()
    part = (top1[0] - top1[2]) / (top1[3] - top1[2])
    assert need.value == pytest.approx(4 * 4**part)
    assert need.low < need.value < need.high
    assert need.unit == "examples per class"
    assert "Zero-shot is worth" in finding.notes[-1]


def test_an_interval_over_seeds_and_examples_holds_the_crossing_of_other_seeds(made_up):
    made_up.zero_shot(0.6)
    for k, accuracy in ((1, 0.3), (4, 0.5), (16, 0.7)):
        made_up.few_shot(k, accuracy, seeds=1)
    narrow = metrics(analyse(made_up.results)[0])["shots_to_match"]
    assert narrow.high / narrow.low < 3
    assert narrow.low < 8 < narrow.high


@pytest.mark.parametrize(
    ("zero_shot", "words"), [(0.95, "more than the whole training split (1,000)"), (0.1, "fewer than 1")]
)
def test_where_the_curve_does_not_cross_it_says_on_which_side(made_up, zero_shot, words):
    made_up.zero_shot(zero_shot)
    made_up.probe(0.8)
    made_up.few_shot(1, 0.3)
    made_up.few_shot(4, 0.5)
    (finding,) = analyse(made_up.results)
    need = metrics(finding)["shots_to_match"]
    assert (need.value, need.low) == (None, None)
    assert f"worth {words} labelled examples" in finding.notes[-1]


def test_few_shot_alone_is_enough_for_the_crossing(made_up):
    made_up.zero_shot(0.6)
    made_up.few_shot(1, 0.3)
    made_up.few_shot(16, 0.7)
    (finding,) = analyse(made_up.results)
    assert list(metrics(finding)) == ["shots_to_match"]
    assert finding.variant.startswith("few-shot (pre_projection)")


def test_few_shot_on_other_features_does_not_join_a_probe(made_up):
    made_up.zero_shot(0.6)
    made_up.probe(0.8)
    made_up.few_shot(4, 0.5, features="projected")
    findings = analyse(made_up.results)
    assert [list(metrics(finding)) for finding in findings] == [
        ["top1_difference", "mean_per_class_recall_difference"],
        ["shots_to_match"],
    ]


def test_every_prompt_set_is_compared(made_up):
    made_up.zero_shot(0.6)
    made_up.zero_shot(0.5, variant="class-name")
    made_up.probe()
    assert len(analyse(made_up.results)) == 2


@pytest.mark.parametrize("part", ["weights", "data", "labels", "precision", "transform"])
def test_jobs_that_differ_where_it_matters_are_named_and_not_compared(made_up, part):
    made_up.zero_shot(0.6)
    made_up.probe(**{part: "other"})
    (finding,) = analyse(made_up.results)
    assert finding.records == ()
    assert finding.notes == (f"Not compared: {part} differ between the jobs.",)


def test_another_tokenizer_or_protocol_is_no_obstacle(made_up):
    made_up.zero_shot(0.6, tokenizer="k", prompts="p")
    made_up.probe(training="t")
    assert metrics(analyse(made_up.results)[0])["top1_difference"].value > 0


def test_other_examples_under_the_same_pedigree_are_not_compared(made_up):
    made_up.zero_shot(0.6)
    name = made_up.probe()
    path = made_up.results.examples_path(name)
    pd.read_parquet(path).iloc[1:].to_parquet(path)
    (finding,) = analyse(made_up.results)
    assert finding.records == ()
    assert "other examples or labels" in finding.notes[0]


def test_equal_heads_differ_by_nothing_with_a_width(made_up):
    first = made_up.zero_shot(0.6)
    second = made_up.probe(0.6)
    same = made_up.results.examples_path(first).read_bytes()
    made_up.results.examples_path(second).write_bytes(same)
    difference = metrics(analyse(made_up.results)[0])["top1_difference"]
    assert (difference.value, difference.interval) == (0, "score")
    assert difference.low < 0 < difference.high
    assert "the probe is as good as zero-shot in top-1" in analyse(made_up.results)[0].notes[0]


def test_where_all_are_right_about_the_same_examples_the_first_shot_is_enough(made_up):
    zero_shot = made_up.zero_shot(0.6)
    right = pd.read_parquet(made_up.results.examples_path(zero_shot)).set_index("id")["correct"]
    for name in (made_up.few_shot(1, 0.6), made_up.few_shot(4, 0.6)):
        path = made_up.results.examples_path(name)
        table = pd.read_parquet(path)
        same = {f"correct.{seed}": table["id"].map(right) for seed in range(5)}
        table.assign(**same).to_parquet(path)
    need = metrics(analyse(made_up.results)[0])["shots_to_match"]
    assert (need.value, need.low, need.high) == (1, 1, 1)


def test_few_shot_fits_of_another_penalty_make_a_curve_of_their_own(made_up):
    made_up.zero_shot(0.6)
    made_up.probe(0.9)
    for k, accuracy in ((1, 0.3), (4, 0.5), (16, 0.7)):
        made_up.few_shot(k, accuracy)
    params = {"features": "pre_projection", "normalised": False, "seeds": 5}
    # With one shot nothing can be held out, so both kinds have the same C in their params.
    for k, accuracy, C in ((1, 0.3, 0.316), (16, 0.8, "cross-validation")):
        variant = f"{k} {'shot' if k == 1 else 'shots'}, cross-validated C"
        made_up.write("few_shot", variant, accuracy, params={**params, "shots": k, "C": C}, seeds=5)
    findings = {finding.variant: finding for finding in analyse(made_up.results)}
    numbers = {name: found.tables["shots_curve"].frame()["examples_per_class"] for name, found in findings.items()}
    assert {name: column.tolist() for name, column in numbers.items()} == {
        "linear probe against zero-shot (photo)": [0, 1, 4, 16, 1000],
        "linear probe and few-shot (cross-validated C) against zero-shot (photo)": [0, 1, 16, 1000],
    }


def test_a_seed_that_is_lucky_with_few_examples_stays_so_with_more(made_up):
    ranks = {f"i{row}": place / 600 for place, row in enumerate(np.argsort(made_up.difficulty))}
    # The first seed's curve ends below zero-shot, the second's begins above it, and their mean crosses it.
    for name, shares in {
        made_up.zero_shot(): {"correct": 0.5},
        made_up.few_shot(1, 0.5, seeds=2): {"correct.0": 0.2, "correct.1": 0.6},
        made_up.few_shot(16, 0.5, seeds=2): {"correct.0": 0.4, "correct.1": 0.8},
    }.items():
        path = made_up.results.examples_path(name)
        table = pd.read_parquet(path)
        table.assign(**{column: table["id"].map(ranks) < share for column, share in shares.items()}).to_parquet(path)
    need = metrics(analyse(made_up.results)[0])["shots_to_match"]
    assert need.value == pytest.approx(4)
    # Either is drawn twice in a quarter of the resamples; drawn apart for each k, 3/16 would lie beyond.
    assert need.params["below"] == pytest.approx(1 / 4, abs=0.03)
    assert need.params["beyond"] == pytest.approx(1 / 4, abs=0.03)


def test_where_it_is_not_always_matched_the_sentence_says_how_often(made_up):
    made_up.zero_shot(0.6)
    made_up.few_shot(1, 0.3)
    made_up.few_shot(16, 0.6)
    (finding,) = analyse(made_up.results)
    need = metrics(finding)["shots_to_match"]
    never = round(need.params["beyond"] * 1000)
    assert 0 < never < 1000
    assert f"more than 16; in {never} of 1,000 resamples it is never matched)." in finding.notes[-1]


def test_of_a_multi_label_set_average_precisions_are_subtracted(made_up):
    made_up.zero_shot(0.6)
    made_up.probe(0.8)
    for job in made_up.results.jobs():
        value = 0.5 if job.task == "zero_shot" else 0.75
        records = (replace(job.main, metric="map", value=value), Record("map_voc2007_11point", None))
        made_up.results.write_job(replace(job, records=records))
    (finding,) = analyse(made_up.results)
    assert {name: (found.value, found.interval) for name, found in metrics(finding).items()} == {
        "map_difference": (0.25, "")
    }
    assert "no interval" in finding.notes[0]


def test_memory_does_not_grow_with_the_resamples(another):
    many = another("many", n=50_000)
    many.zero_shot(0.6)
    many.probe(0.9)
    for k, accuracy in ((1, 0.3), (2, 0.4), (4, 0.5), (8, 0.65), (16, 0.7)):
        many.few_shot(k, accuracy)
    tracemalloc.start()
    (finding,) = analyse(many.results)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 4 < metrics(finding)["shots_to_match"].value < 8
    # The weights of 1,000 resamples at once would be 400 MB.
    assert peak < 150e6


def test_it_is_the_same_every_time(made_up, another):
    twice = []
    for world in (made_up, another("again")):
        world.zero_shot(0.6)
        world.few_shot(1, 0.3)
        world.few_shot(16, 0.7)
        twice.append(metrics(analyse(world.results)[0])["shots_to_match"])
    assert twice[0] == twice[1]
    assert np.isfinite(twice[0].value)
