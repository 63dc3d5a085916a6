"""What a probe is fitted and chosen on: validation data, never the test split, whatever the order of the images."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from clipbench.tasks.probe.labelled import FeatureView
from clipbench.tasks.probe.linear_probe import LinearProbe
from clipbench.tasks.probe.training_set import training_set

from .conftest import evaluate, image_set, main, refusal, settings_of, tight

THREE = ("cat", "dog", "fox")


def needs(inputs, **keys):
    return LinearProbe().needs(settings_of(LinearProbe, **keys), inputs.dataset, inputs.model, None)


def probe(inputs, **keys):
    return evaluate(LinearProbe, inputs, **{"hold_outs": 1, **keys})


def curve(outcome):
    return outcome.tables["validation_curve"]


def noisy(count, seed):
    """Three classes that overlap, so that C matters; `count` of each."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), count)
    return np.eye(3, 12)[labels] + generator.normal(0, 0.7, (len(labels), 12)), labels


# Which images C is chosen on.


@pytest.mark.parametrize("name", ["val", "validation", "valid", "dev"])
def test_c_is_chosen_on_the_validation_split_and_the_head_is_fitted_on_both(world, digits, name):
    inputs = world(train=digits["train"], test=digits["test"], **{name: digits["val"]})
    assert needs(inputs).splits == ("train", name, "test")
    outcome = probe(inputs)
    params = main(outcome).params
    assert (params["chosen_on"], params["n_train"], main(outcome).n) == (name, 900, 897)
    for row in curve(outcome).iloc[2:6].itertuples():
        right = tight(*digits["train"], row.C).predict(digits["val"][0]) == digits["val"][1]
        assert row.score == pytest.approx(right.mean(), abs=1.1 / 300)


def test_a_validation_split_of_another_name_is_used_where_it_is_named(world, digits):
    inputs = world(held=digits["val"], **digits)
    assert needs(inputs, val_split="held").splits == ("train", "held", "test")
    assert main(probe(inputs, val_split="held")).params["chosen_on"] == "held"


def test_the_split_that_is_tested_is_never_taken_for_a_validation_split(world, digits):
    inputs = world(train=digits["train"], val=digits["val"])
    assert needs(inputs, split="val").splits == ("train", "val")
    assert main(probe(inputs, split="val")).params["chosen_on"] == "a fifth of train, stratified, seed 0"


def held_out(ids, labels, fraction, seed):
    """Of each class the images whose SHA-256 of seed and id comes first, by hand."""
    order = sorted(range(len(ids)), key=lambda row: hashlib.sha256(f"{seed}/{ids[row]}".encode()).digest())
    rows = []
    for label in range(int(labels.max()) + 1):
        members = [row for row in order if labels[row] == label]
        rows += members[: max(1, round(fraction * len(members)))]
    return np.isin(np.arange(len(ids)), rows)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "a fifth of train, stratified, seed 0"),
        ({"seed": 3, "val_fraction": 0.4}, "0.4 of train, stratified, seed 3"),
    ],
)
def test_without_one_a_part_of_each_class_of_train_is_held_out(world, digits, keys, words):
    features, labels = digits["train"]
    inputs = world(train=(features, labels), test=digits["test"])
    outcome = probe(inputs, **keys)
    assert (main(outcome).params["chosen_on"], main(outcome).params["n_train"]) == (words, 600)
    held = held_out(inputs.sets["train"].ids, labels, keys.get("val_fraction", 0.2), keys.get("seed", 0))
    row = curve(outcome).iloc[2]
    right = tight(features[~held], labels[~held], row.C).predict(features[held]) == labels[held]
    assert row.score == pytest.approx(right.mean(), abs=1.1 / held.sum())


def test_the_order_of_the_images_changes_nothing(world):
    (train, labels), test = noisy(60, 0), noisy(40, 1)
    shuffled = np.random.default_rng(5).permutation(len(labels))
    first = probe(world(THREE, train=(train, labels), test=test))
    again = image_set("", train[shuffled], labels[shuffled], ids=[f"train-{row}" for row in shuffled])
    second = probe(world(THREE, train=again, test=test))
    assert curve(first)[["C", "score"]].equals(curve(second)[["C", "score"]])
    params = [{**main(outcome).params, "iterations": None} for outcome in (first, second)]
    assert params[0] == params[1]
    found = [[(m.name, m.value, m.interval) for m in outcome.metrics] for outcome in (first, second)]
    assert found[0] == found[1]
    np.testing.assert_allclose(first.examples["margin"], second.examples["margin"], atol=1e-5)


def test_test_labels_have_no_part_in_any_choice(world, digits):
    train, (features, labels) = digits["train"], digits["test"]
    first = probe(world(train=train, test=(features, labels)))
    turned = probe(world(train=train, test=(features, (labels + 1) % 10)))
    assert main(turned).value < 0.2 < main(first).value
    assert main(turned).params["C"] == main(first).params["C"]
    assert curve(turned).equals(curve(first))
    assert turned.examples["prediction"].tolist() == first.examples["prediction"].tolist()


def test_ties_count_as_wrong_in_validation_too(world):
    # Features that say nothing give every class the same score.
    nothing = np.zeros((30, 4)), np.arange(30) % 3
    outcome = probe(world(THREE, train=nothing, val=nothing, test=nothing))
    assert set(curve(outcome)["score"]) <= {0.0}
    assert main(outcome).value == 0.0


# Other hold-outs.


def trained(inputs, **keys):
    settings = settings_of(LinearProbe, **keys)
    return training_set(inputs, settings, FeatureView.of(settings, inputs.model), hold_out=True)


def test_five_hold_outs_are_every_images_once_and_hold_the_same_share_of_each_class(world, digits):
    found = trained(world(train=digits["train"], test=digits["test"]))
    runs = found.hold_outs(5)
    assert runs[0] == found.deciding == slice(480, 600)
    assert sorted((run.start, run.stop) for run in runs) == [(start, start + 120) for start in range(0, 600, 120)]
    for run in runs:
        assert np.abs(np.bincount(found.targets[run]) - 12).max() <= 2
    assert found.hold_outs(1) == [found.deciding]


def test_with_a_validation_split_the_other_hold_outs_are_as_large_and_reach_into_train(world, digits):
    found = trained(world(**digits))
    assert [(run.start, run.stop) for run in found.hold_outs(3)] == [(600, 900), (0, 300), (300, 600)]
    features, labels = digits["val"]
    assert sorted(found.targets[found.deciding]) == sorted(labels)
    assert np.sort(found.features[found.deciding], axis=0) == pytest.approx(np.sort(features, axis=0))


def test_a_hold_out_without_which_a_class_could_not_be_learnt_is_left_out(world):
    features, labels = noisy(20, 0)
    rows = np.flatnonzero((labels < 2) | (np.arange(len(labels)) == 59))
    alone = trained(world(THREE, train=(features[rows], labels[rows]), test=noisy(20, 1)))
    assert alone.first_held == 1
    assert alone.targets[0] == 2
    assert all(run.start > 0 for run in alone.hold_outs(5))
    features, labels = noisy(20, 2)
    lacking = features[labels < 2], labels[labels < 2]
    found = trained(world(THREE, train=noisy(2, 0), val=lacking, test=noisy(20, 1)))
    held = found.hold_outs(5)
    assert 1 <= len(held) < 5
    assert all(len(set(np.delete(found.targets, run))) == 3 for run in held)


def test_c_of_every_hold_out_is_searched_for_but_only_the_first_decides(world):
    inputs = world(THREE, train=noisy(100, 0), test=noisy(40, 1))
    outcome, alone = probe(inputs, hold_outs=5), probe(inputs)
    table, params = outcome.tables["hold_outs"], main(outcome).params
    assert table["hold_out"].tolist() == [1, 2, 3, 4, 5]
    assert table["C"][0] == params["C"] == main(alone).params["C"]
    assert table["score"][0] == table["score_at_chosen"][0] == curve(outcome)["score"].max()
    assert (table["score"] >= table["score_at_chosen"]).all()
    assert (params["C_lowest"], params["C_highest"]) == (table["C"].min(), table["C"].max())
    assert params["C_lowest"] < params["C_highest"]
    assert "hold_outs" not in alone.tables
    assert "C_lowest" not in main(alone).params
    # By hand: heads fitted without the images of a hold-out, at its own C and at the one that was chosen on the first.
    found = trained(inputs)
    for run, row in zip(found.hold_outs(5), table.itertuples(), strict=True):
        kept = np.delete(np.arange(300), run)
        for C, score in ((row.C, row.score), (params["C"], row.score_at_chosen)):
            predicted = tight(found.features[kept], found.targets[kept], C).predict(found.features[run])
            assert score == pytest.approx((predicted == found.targets[run]).mean(), abs=1.1 / 60)


# Classes of one image, images without a label.


def test_a_classs_only_image_is_learnt_from_and_not_held_out(world):
    features, labels = noisy(20, 0)
    rows = np.flatnonzero((labels < 2) | (np.arange(len(labels)) == 59))
    outcome = probe(world(THREE, train=(features[rows], labels[rows]), test=noisy(20, 1)))
    assert main(outcome).params["n_train"] == 41


def test_where_every_class_has_one_image_none_can_be_held_out(world):
    inputs = world(THREE, train=(np.eye(3, 5), [0, 1, 2]), test=(np.eye(3, 5), [0, 1, 2]))
    assert refusal(probe, inputs) == (
        "toys, split train: every class has a single image, so none can be held out to choose on; "
        "add images, or name a val_split"
    )
    assert main(probe(inputs, C=1.0)).value == 1.0


def test_images_without_a_label_are_left_out_and_counted(world, digits):
    (features, labels), (test, truth) = digits["train"], digits["test"]
    labels, truth = np.where(np.arange(600) < 7, -1, labels), np.where(np.arange(897) < 5, -1, truth)
    outcome = probe(world(train=(features, labels), val=digits["val"], test=(test, truth)), C=1.0)
    assert (main(outcome).params["n_train"], main(outcome).n) == (893, 892)
    assert any(note.startswith("Left out for want of a label: 5 of 897") for note in outcome.notes)


def test_a_class_that_only_validation_lacks_is_no_obstacle(world, digits):
    features, labels = digits["val"]
    lacking = features[labels != 3], labels[labels != 3]
    assert main(probe(world(**(digits | {"val": lacking})))).value > 0.9


# Several labels an image.


def tagged(count, seed):
    """Images that show each of three things or not."""
    generator = np.random.default_rng(seed)
    present = generator.random((count, 3)) < (0.5, 0.3, 0.2)
    return present @ np.eye(3, 8) + generator.normal(0, 0.4, (count, 8)), present


def test_a_part_of_a_multi_label_set_is_held_out_whatever_its_labels(world):
    inputs = world(THREE, multilabel=True, train=tagged(200, 0), test=tagged(100, 1))
    outcome = probe(inputs)
    assert main(outcome).params["chosen_on"] == "a fifth of train, stratified, seed 0"
    assert set(curve(outcome)["metric"]) == {"map"}
    eleven = probe(replace(inputs, dataset=replace(inputs.dataset, main_metric="map_voc2007_11point")))
    assert set(curve(eleven)["metric"]) == {"map_voc2007_11point"}
    assert main(eleven).name == "map_voc2007_11point"


@pytest.mark.parametrize(("value", "what"), [(0, "no image shows"), (1, "every image shows")])
def test_a_label_that_no_training_image_has_or_all_have_is_named(world, value, what):
    present = np.arange(150).reshape(50, 3) % 2
    present[:, 1] = value
    inputs = world(THREE, multilabel=True, train=(tagged(50, 0)[0], present), test=tagged(20, 1))
    found = refusal(probe, inputs)
    assert found == f"toys, split train: {what} dog; a head cannot learn that: add images or raise --limit"


def test_a_validation_split_without_any_label_cannot_choose(world):
    empty = tagged(20, 2)[0], np.zeros((20, 3))
    inputs = world(THREE, multilabel=True, train=tagged(50, 0), val=empty, test=tagged(20, 1))
    assert refusal(probe, inputs) == "toys, split val: no image shows any class; choose another val_split"


# Splits that do not fit together.


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"val_split": "test"}, "val_split: C would be chosen on the split that is tested on, 'test'"),
        ({"val_split": "train"}, "val_split: C would be chosen on the split that is fitted on, 'train'"),
        ({"val_split": "dev"}, "there is no split 'dev'; it has: test, train, val"),
        ({"train_split": "all"}, "there is no split 'all'; it has: test, train, val"),
    ],
)
def test_splits_that_do_not_fit_together(world, digits, wrong, words):
    assert refusal(needs, world(**digits), **wrong).startswith(f"toys: {words}")


def test_validation_data_are_checked_as_training_data_are(world, digits):
    features, labels = digits["val"]
    outside = np.where(np.arange(300) == 4, 10, labels)
    found = refusal(probe, world(**(digits | {"val": (features, outside)})))
    assert found.startswith("toys, split val: labels outside the 10 classes: 1, the first 10, of 'val-4'")
    broken = np.where((np.arange(300) == 2)[:, None], np.nan, features)
    found = refusal(probe, world(**(digits | {"val": (broken, labels)})), C=1.0)
    assert found.startswith("toy, toys, split val: features that are NaN or infinite: 1 of the images from 0 on, ")
