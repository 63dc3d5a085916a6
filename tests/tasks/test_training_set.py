"""What a probe is fitted and chosen on: validation data, never the test split, whatever the order of the images."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from clipbench.errors import UserError
from clipbench.tasks.base import ArrayFeatures, ImageSet, Inputs
from clipbench.tasks.probe.linear_probe import LinearProbe, LinearProbeSettings

DIGITS = tuple("0123456789")
THREE = ("cat", "dog", "fox")


def settings(**keys):
    return LinearProbeSettings.model_validate({"task": "linear_probe", "datasets": ["toys"], **keys})


def image_set(features, labels, prefix="", ids=None):
    array = np.asarray(features, np.float32)
    ids = ids or [f"{prefix}{row}" for row in range(len(array))]
    known = {"labels": np.asarray(labels, np.int64)} if np.ndim(labels) == 1 else {"label_sets": labels.tuples}
    return ImageSet(ids, {"backbone": ArrayFeatures(array)}, **known)


class Present:
    """(n, C) of 0 and 1 -> the label sets of a multi-label set."""

    ndim = 2

    def __init__(self, present):
        self.tuples = [tuple(np.flatnonzero(row).tolist()) for row in np.asarray(present)]


@pytest.fixture
def world(model, facts):
    """world(classes, train=(features, labels), test=...): inputs of a model without a text tower."""

    def make(classes=DIGITS, multilabel=False, main_metric="", **splits):
        dataset = facts(classes, multilabel, main_metric, splits=tuple(splits))
        sets = {name: given if isinstance(given, ImageSet) else image_set(*given, f"{name}-")
                for name, given in splits.items()}  # fmt: skip
        return Inputs(dataset, model(has_text=False, features=("backbone",)), sets, lambda strings: None)

    return make


@pytest.fixture(scope="module")
def digits():
    """Train, validation and test: 600, 300 and 897."""
    features, labels = load_digits(return_X_y=True)
    features = (features / 16).astype(np.float32)
    bounds = ((0, 600), (600, 900), (900, None))
    return [(features[first:last], labels[first:last]) for first, last in bounds]


@pytest.fixture
def noisy():
    """noisy(per class, seed): three classes that overlap, so that C matters."""

    def make(count, seed):
        generator = np.random.default_rng(seed)
        labels = np.repeat(np.arange(3), count)
        features = np.eye(3, 12)[labels] + generator.normal(0, 0.7, (len(labels), 12))
        return features, labels

    return make


def tight(features, labels, C):
    """scikit-learn's fit in float64 to a tolerance that L-BFGS does not reach."""
    estimator = LogisticRegression(C=C, tol=1e-10, max_iter=1000, solver="newton-cholesky")
    return estimator.fit(features.astype(np.float64), labels)


def needs(inputs, **keys):
    return LinearProbe().needs(settings(**keys), inputs.dataset, inputs.model, None)


def evaluate(inputs, **keys):
    needs(inputs, **keys)
    return LinearProbe().evaluate(inputs, settings(**keys), None)


def main(outcome):
    return next(metric for metric in outcome.metrics if metric.main)


def curve(outcome):
    return outcome.tables["validation_curve"]


def message(inputs, **keys):
    with pytest.raises(UserError) as caught:
        evaluate(inputs, **keys)
    return str(caught.value)


# Which images C is chosen on.


@pytest.mark.parametrize("name", ["val", "validation", "valid", "dev"])
def test_c_is_chosen_on_the_validation_split_and_the_head_is_fitted_on_both(world, digits, name):
    train, validation, test = digits
    inputs = world(train=train, test=test, **{name: validation})
    assert needs(inputs).splits == ("train", name, "test")
    outcome = evaluate(inputs)
    params = main(outcome).params
    assert (params["chosen_on"], params["n_train"], main(outcome).n) == (name, 900, 897)
    for row in curve(outcome).iloc[2:6].itertuples():
        right = tight(*train, row.C).predict(validation[0]) == validation[1]
        assert row.score == pytest.approx(right.mean(), abs=1.1 / 300)


def test_a_validation_split_of_another_name_is_used_where_it_is_named(world, digits):
    train, validation, test = digits
    inputs = world(train=train, held=validation, val=validation, test=test)
    assert needs(inputs, val_split="held").splits == ("train", "held", "test")
    assert main(evaluate(inputs, val_split="held")).params["chosen_on"] == "held"


def test_the_split_that_is_tested_is_never_taken_for_a_validation_split(world, digits):
    train, validation, _ = digits
    inputs = world(train=train, val=validation)
    assert needs(inputs, split="val").splits == ("train", "val")
    assert main(evaluate(inputs, split="val")).params["chosen_on"] == "a fifth of train, stratified, seed 0"


def held_out(ids, labels, fraction, seed):
    """Of each class the images whose SHA-256 of seed and id comes first, by hand."""
    order = sorted(range(len(ids)), key=lambda row: hashlib.sha256(f"{seed}/{ids[row]}".encode()).digest())
    rows = []
    for label in range(int(labels.max()) + 1):
        own = [row for row in order if labels[row] == label]
        rows += own[: max(1, round(fraction * len(own)))]
    return np.isin(np.arange(len(ids)), rows)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "a fifth of train, stratified, seed 0"),
        ({"seed": 3, "val_fraction": 0.4}, "0.4 of train, stratified, seed 3"),
    ],
)
def test_without_one_a_part_of_each_class_of_train_is_held_out(world, digits, keys, words):
    (features, labels), _, test = digits
    inputs = world(train=(features, labels), test=test)
    outcome = evaluate(inputs, **keys)
    assert (main(outcome).params["chosen_on"], main(outcome).params["n_train"]) == (words, 600)
    held = held_out(inputs.sets["train"].ids, labels, keys.get("val_fraction", 0.2), keys.get("seed", 0))
    row = curve(outcome).iloc[2]
    right = tight(features[~held], labels[~held], row.C).predict(features[held]) == labels[held]
    assert row.score == pytest.approx(right.mean(), abs=1.1 / held.sum())


def test_the_order_of_the_images_changes_nothing(world, noisy):
    (train, labels), test = noisy(60, 0), noisy(40, 1)
    shuffled = np.random.default_rng(5).permutation(len(labels))
    ids = [f"train-{row}" for row in range(len(labels))]
    first = evaluate(world(THREE, train=image_set(train, labels, ids=ids), test=test))
    again = image_set(train[shuffled], labels[shuffled], ids=[ids[row] for row in shuffled])
    second = evaluate(world(THREE, train=again, test=test))
    assert curve(first)["C"].tolist() == curve(second)["C"].tolist()
    assert curve(first)["score"].tolist() == curve(second)["score"].tolist()
    same = {key: value for key, value in main(first).params.items() if key != "iterations"}
    assert same == {key: value for key, value in main(second).params.items() if key != "iterations"}
    assert [(m.name, m.value, m.interval) for m in first.metrics] == [
        (m.name, m.value, m.interval) for m in second.metrics
    ]
    np.testing.assert_allclose(first.examples["margin"], second.examples["margin"], atol=1e-5)


def test_the_seed_decides_which_part_is_held_out(world, noisy):
    inputs = world(THREE, train=noisy(60, 0), test=noisy(40, 1))
    scores = {tuple(curve(evaluate(inputs, seed=seed))["score"][:4]) for seed in range(4)}
    assert len(scores) > 1


def test_test_labels_have_no_part_in_any_choice(world, digits):
    train, _, (features, labels) = digits
    first = evaluate(world(train=train, test=(features, labels)))
    turned = evaluate(world(train=train, test=(features, (labels + 1) % 10)))
    assert main(turned).value < 0.2 < main(first).value
    assert main(turned).params["C"] == main(first).params["C"]
    assert curve(turned).equals(curve(first))
    assert turned.examples["prediction"].tolist() == first.examples["prediction"].tolist()


def test_of_equal_scores_the_stronger_penalty_wins(world, digits):
    outcome = evaluate(world(train=digits[0], val=digits[1], test=digits[2]))
    table = curve(outcome)
    best = table[table["score"] == table["score"].max()]
    assert table["chosen"].sum() == 1
    assert best.iloc[0]["chosen"]
    assert main(outcome).params["C"] == best.iloc[0]["C"]


def test_ties_count_as_wrong_in_validation_too(world):
    # Features that say nothing give every class the same score.
    nothing = np.zeros((30, 4)), np.arange(30) % 3
    outcome = evaluate(world(THREE, train=nothing, val=nothing, test=nothing))
    assert set(curve(outcome)["score"]) <= {0.0}
    assert main(outcome).value == 0.0


# Classes of one image, images without a label.


def test_a_classs_only_image_is_learnt_from_and_not_held_out(world, noisy):
    features, labels = noisy(20, 0)
    keep = np.flatnonzero((labels < 2) | (np.arange(len(labels)) == 59))
    outcome = evaluate(world(THREE, train=(features[keep], labels[keep]), test=noisy(20, 1)))
    assert main(outcome).params["n_train"] == 41


def test_where_every_class_has_one_image_none_can_be_held_out(world):
    inputs = world(THREE, train=(np.eye(3, 5), [0, 1, 2]), test=(np.eye(3, 5), [0, 1, 2]))
    assert message(inputs) == (
        "toys, split train: every class has a single image, so none can be held out to choose on; "
        "add images, or name a val_split"
    )
    assert main(evaluate(inputs, C=1.0)).value == 1.0


def test_images_without_a_label_are_left_out_and_counted(world, digits):
    (features, labels), validation, (test, truth) = digits
    labels, truth = labels.copy(), truth.copy()
    labels[:7], truth[:5] = -1, -1
    outcome = evaluate(world(train=(features, labels), val=validation, test=(test, truth)), C=1.0)
    assert main(outcome).params["n_train"] == 893
    assert main(outcome).n == 892
    assert any(note.startswith("Left out for want of a label: 5 of 897") for note in outcome.notes)


# Several labels an image.


@pytest.fixture
def tagged():
    """tagged(n, seed): images that show each of three things or not."""

    def make(count, seed):
        generator = np.random.default_rng(seed)
        present = generator.random((count, 3)) < (0.5, 0.3, 0.2)
        return present @ np.eye(3, 8) + generator.normal(0, 0.4, (count, 8)), Present(present)

    return make


def test_a_part_of_a_multi_label_set_is_held_out_whatever_its_labels(world, tagged):
    inputs = world(THREE, multilabel=True, train=tagged(200, 0), test=tagged(100, 1))
    outcome = evaluate(inputs)
    assert main(outcome).params["chosen_on"] == "a fifth of train, stratified, seed 0"
    assert set(curve(outcome)["metric"]) == {"map"}
    eleven = evaluate(replace(inputs, dataset=replace(inputs.dataset, main_metric="map_voc2007_11point")))
    assert set(curve(eleven)["metric"]) == {"map_voc2007_11point"}
    assert main(eleven).name == "map_voc2007_11point"


@pytest.mark.parametrize(("value", "what"), [(0, "no image shows"), (1, "every image shows")])
def test_a_label_that_no_training_image_has_or_all_have_is_named(world, tagged, value, what):
    features, _ = tagged(50, 0)
    present = np.arange(150).reshape(50, 3) % 2
    present[:, 1] = value
    inputs = world(THREE, multilabel=True, train=(features, Present(present)), test=tagged(20, 1))
    assert message(inputs) == (f"toys, split train: {what} dog; a head cannot learn that: add images or raise --limit")


def test_a_validation_split_without_any_label_cannot_choose(world, tagged):
    empty = tagged(20, 2)[0], Present(np.zeros((20, 3)))
    inputs = world(THREE, multilabel=True, train=tagged(50, 0), val=empty, test=tagged(20, 1))
    assert message(inputs) == "toys, split val: no image shows any class; choose another val_split"


# What cannot be learnt from is refused before it is read, or named.


def test_splits_that_do_not_fit_together(world, digits):
    train, validation, test = digits
    inputs = world(train=train, val=validation, test=test)
    for wrong, words in (
        ({"val_split": "test"}, "val_split: C would be chosen on the split that is tested on, 'test'"),
        ({"val_split": "train"}, "val_split: C would be chosen on the split that is fitted on, 'train'"),
        ({"split": "train"}, "linear_probe would be tested on the split that it learns from, 'train'"),
        ({"val_split": "dev"}, "there is no split 'dev'; it has: test, train, val"),
        ({"train_split": "all"}, "there is no split 'all'; it has: test, train, val"),
        ({"split": "tset"}, "there is no split 'tset'; it has: test, train, val"),
    ):
        with pytest.raises(UserError) as caught:
            needs(inputs, **wrong)
        assert str(caught.value).startswith(f"toys: {words}")


def test_a_data_set_with_one_class_has_nothing_to_tell_apart(world):
    one = (np.eye(4), [0, 0, 0, 0])
    assert message(world(("cat",), train=one, test=one)) == (
        "toys: linear_probe needs at least two classes, this has 1; choose a data set with classes"
    )


def test_training_images_of_one_class_are_refused(world):
    only = (np.eye(6), [1] * 6)
    assert message(world(THREE, train=only, test=only)) == (
        "toys, split train: every image is of one class, 'dog'; there is nothing to tell apart"
    )


def test_classes_without_a_training_image_are_named(world, digits):
    (features, labels), _, test = digits
    kept = np.flatnonzero((labels != 3) & (labels != 7))
    assert message(world(train=(features[kept], labels[kept]), test=test)) == (
        "toys, split train: 2 of 10 classes have no image: 3, 7; they cannot be learnt: add images, raise --limit or "
        "leave the classes out"
    )


def test_a_class_that_only_validation_lacks_is_no_obstacle(world, digits):
    train, (features, labels), test = digits
    kept = np.flatnonzero(labels != 3)
    assert main(evaluate(world(train=train, val=(features[kept], labels[kept]), test=test))).value > 0.9


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_label_outside_the_classes_is_named(world, digits, split):
    splits = dict(zip(("train", "val", "test"), digits, strict=True))
    features, labels = splits[split]
    splits[split] = features, np.where(np.arange(len(labels)) == 4, 10, labels)
    assert message(world(**splits)) == (
        f"toys, split {split}: labels outside the 10 classes: 1, the first 10, of '{split}-4'; labels must be 0 to 9, "
        "in the order of the class names"
    )


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite_are_named(world, digits, split, bad):
    splits = dict(zip(("train", "val", "test"), digits, strict=True))
    features, labels = splits[split]
    features = features.copy()
    features[2, 5] = bad
    splits[split] = features, labels
    found = message(world(**splits), C=1.0)
    assert found.startswith(f"toy, toys, split {split}: features that are NaN or infinite: 1 of the images from 0 on, ")
    assert f"the first '{split}-2'; try --precision float32" in found


def test_a_feature_of_length_zero_cannot_be_scaled_to_length_one(world, digits):
    (features, labels), _, test = digits
    features = features.copy()
    features[0] = 0
    inputs = world(train=(features, labels), test=test)
    assert "features that are NaN, infinite or all zero: 1 of the images from 0 on, the first 'train-0'" in message(
        inputs, C=1.0, normalise=True
    )
    assert main(evaluate(inputs, C=1.0)).value > 0.9
