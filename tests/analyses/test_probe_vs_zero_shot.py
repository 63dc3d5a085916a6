"""The fitted head beside the zero-shot classifier."""

import numpy as np
import pytest

from clipbench.analyses.run import analyse


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
    import pandas as pd

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


def test_it_is_the_same_every_time(made_up, another):
    twice = []
    for world in (made_up, another("again")):
        world.zero_shot(0.6)
        world.few_shot(1, 0.3)
        world.few_shot(16, 0.7)
        twice.append(metrics(analyse(world.results)[0])["shots_to_match"])
    assert twice[0] == twice[1]
    assert np.isfinite(twice[0].value)
