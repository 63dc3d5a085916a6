"""Few-shot learning against scikit-learn on the same rows, and what may and may not decide it."""

import hashlib

import numpy as np
import pytest
import scipy.stats
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from clipbench.heads.search import GRID
from clipbench.stats.intervals import wilson
from clipbench.tasks.probe.cross_validation import folds
from clipbench.tasks.probe.few_shot import FewShot
from clipbench.tasks.probe.few_shot_sampler import FewExamples

from .conftest import DIGITS, evaluate, image_set, main, metric, refusal, settings_of, split_up

PETS = ("cat", "dog", "fox")


@pytest.fixture(scope="module")
def digits():
    features, labels = load_digits(return_X_y=True)
    return split_up((features / 16).astype(np.float32), labels, 1000)


def few_shot(inputs, **keys):
    return evaluate(FewShot, inputs, **keys)


def predictions(features, labels, tested, C=0.316):
    return LogisticRegression(C=C, tol=1e-8, max_iter=10_000).fit(features.astype(np.float64), labels).predict(tested)


def chosen_rows(labels, shots, seed):
    """The rows of each class whose SHA-256 of seed and id comes first."""
    digests = [hashlib.sha256(f"{seed}/train-{row}".encode()).digest() for row in range(len(labels))]
    order = sorted(range(len(labels)), key=digests.__getitem__)
    return [row for c in range(10) for row in [r for r in order if labels[r] == c][:shots]]


def spoilt(digits, shots, value):
    """The digits with every training image that no draw of so many shots uses replaced by a constant."""
    train, labels = digits["train"]
    used = np.isin(np.arange(len(train)), chosen_rows(labels, shots, 0))
    return np.where(used[:, None], train, np.float32(value)), labels


@pytest.mark.parametrize("shots", [1, 4, 16])
def test_each_seed_is_scikit_learns_fit_of_exactly_the_chosen_rows(world, digits, shots):
    (train, labels), (test, truth) = digits.values()
    outcome = few_shot(world(**digits), shots=shots, seeds=3, C=0.316)
    for seed in range(3):
        rows = chosen_rows(labels, shots, seed)
        right = predictions(train[rows], labels[rows], test) == truth
        assert (outcome.examples[f"correct.{seed}"] == right).mean() >= 0.999
        assert outcome.tables["seeds"]["top1"][seed] == pytest.approx(right.mean(), abs=0.002)
    assert outcome.tables["seeds"].columns.tolist() == ["seed", "top1", "C", "iterations", "converged"]


def test_a_draw_depends_on_ids_and_not_on_the_order_of_rows(world, digits):
    (train, labels), test = digits.values()
    order = np.random.default_rng(0).permutation(len(train))
    shuffled = image_set("", train[order], labels[order], ids=[f"train-{row}" for row in order])
    first, second = (few_shot(world(train=given, test=test), shots=2, C=0.1) for given in (digits["train"], shuffled))
    assert first.examples.equals(second.examples)


@pytest.mark.parametrize("shots", [2, 4])
def test_of_one_seed_the_examples_of_fewer_shots_are_among_those_of_more(world, digits, shots):
    """Images that no draw of 4 uses may be anything without a change to 2 or 4 shots."""
    spoilt_world = world(train=spoilt(digits, 4, 99), test=digits["test"])
    first, second = (few_shot(inputs, shots=shots, seeds=1, C=1) for inputs in (world(**digits), spoilt_world))
    assert first.examples.equals(second.examples)


def test_one_interval_is_over_images_and_draws(world, digits):
    outcome = few_shot(world(**digits), shots=4, seeds=4, C=0.316)
    top1, spread = outcome.metrics
    assert (top1.name, top1.main, spread.name, spread.main) == ("top1", True, "top1_sd_over_draws", False)
    seeds = outcome.tables["seeds"]["top1"]
    assert (top1.value, spread.value) == pytest.approx((seeds.mean(), seeds.std()))
    assert (top1.interval.kind, spread.interval) == ("images and draws", None)
    over_draws = scipy.stats.t.interval(0.95, 3, seeds.mean(), scipy.stats.sem(seeds))
    widths = top1.interval.high - top1.interval.low, over_draws[1] - over_draws[0]
    assert 0.95 * widths[1] < widths[0] < widths[1] + 4 * 0.5 / np.sqrt(797)
    assert top1.n == 797
    params = {"shots": 4, "seeds": 4, "C": 0.316, "features": "pre_projection", "normalised": False, "n_classes": 10}
    assert (params | {"converged": True, "scaled": False}).items() <= top1.params.items()
    counts = np.bincount(digits["train"][1])
    assert top1.params["pool_share"] == pytest.approx(np.mean(4 / counts))


def test_draws_that_hold_most_of_a_small_pool_leave_no_interval(world):
    outcomes = [
        few_shot(world(PETS, train=blobs(10), test=blobs(20, spread=0.5, seed=1)), shots=k, C=1) for k in (5, 6)
    ]
    few, many = map(main, outcomes)
    assert (few.params["pool_share"], many.params["pool_share"]) == (0.5, 0.6)
    assert few.interval.low < few.value < few.interval.high
    assert many.interval is None
    assert "Each draw holds 60% of the training images" in outcomes[1].notes[0]


def test_one_example_a_row_with_every_seeds_answer(world, digits):
    grouped = image_set("test", *digits["test"], groups={"light": ["d"] * 797})
    outcome = few_shot(world(train=digits["train"], test=grouped), shots=2, seeds=2, C=1)
    frame = outcome.examples
    assert frame.columns.tolist() == [
        *("id", "split", "label", "label_name", "correct", "correct.0", "correct.1", "group.light"),
    ]
    assert frame["correct"].tolist() == ((frame["correct.0"].astype(int) + frame["correct.1"]) / 2).tolist()
    assert frame["correct.0"].dtype == bool
    per_class = outcome.tables["per_class"]
    assert per_class["accuracy"].tolist() == pytest.approx(frame.groupby("label")["correct"].mean().tolist())
    assert (per_class["n"].sum(), per_class["class"].tolist()) == (797, list(DIGITS))
    assert (per_class["low"] < per_class["accuracy"]).all()
    spread = frame[["correct.0", "correct.1"]].groupby(frame["label"]).mean().std(axis=1)
    assert (per_class["high"] - per_class["low"] > 2 * spread.to_numpy()).all()


def test_images_in_clusters_leave_more_open(world, digits):
    (features, labels), tracks = digits["test"], [f"track {place // 8}" for place in range(797)]
    tested = {"clustered": image_set("test", features, labels, clusters=tracks), "single": (features, labels)}
    clustered, single = (few_shot(world(train=digits["train"], test=test), shots=4, C=1) for test in tested.values())
    assert main(clustered).interval != main(single).interval
    assert set(clustered.examples["cluster"]) == set(tracks)


def test_mean_per_class_recall_where_the_data_set_reports_it(world, digits):
    features, labels = digits["test"]
    rows = np.flatnonzero((labels > 1) | (np.arange(len(labels)) % 5 == 0))
    splits = {"train": digits["train"], "test": (features[rows], labels[rows])}
    outcome = few_shot(world(main_metric="mean_per_class_recall", **splits), shots=2, seeds=3, C=0.316)
    frame = outcome.examples
    recall, spread = metric(outcome, "mean_per_class_recall"), metric(outcome, "mean_per_class_recall_sd_over_draws")
    # Recall of a class is accuracy within it, so wrong answers may be any other class.
    each = [
        balanced_accuracy_score(frame["label"], np.where(frame[f"correct.{seed}"], frame["label"], 9 - frame["label"]))
        for seed in range(3)
    ]
    assert (recall.value, spread.value) == pytest.approx((np.mean(each), np.std(each, ddof=1)))
    assert recall.value != pytest.approx(metric(outcome, "top1").value, abs=1e-4)
    assert main(outcome).name == "mean_per_class_recall"
    assert outcome.tables["seeds"]["mean_per_class_recall"].tolist() == pytest.approx(each)
    low, high = scipy.stats.t.interval(0.95, 2, np.mean(each), scipy.stats.sem(each))
    assert recall.interval.low == pytest.approx(low, abs=0.05)
    assert recall.interval.high == pytest.approx(high, abs=0.05)


def blobs(per_class, classes=3, spread=0.1, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.arange(per_class * classes) % classes
    return np.eye(classes, 8)[labels] + generator.normal(0, spread, (len(labels), 8)), labels


def test_without_a_doubt_the_interval_is_still_one(world):
    outcome = few_shot(world(PETS, train=blobs(8), test=blobs(10, seed=1)), shots=4, C=1e3)
    top1 = metric(outcome, "top1")
    assert top1.value == 1
    assert top1.interval.high == 1
    assert top1.interval.low == pytest.approx(wilson(30, 30).low)


def test_features_that_say_nothing_are_never_right(world):
    train, test = ((np.zeros((3 * count, 8)), np.arange(3 * count) % 3) for count in (4, 5))
    assert main(few_shot(world(PETS, train=train, test=test), shots=4, seeds=2)).value == 0


def test_unlabelled_images_are_left_out_wherever_they_lie(world):
    test, truth = blobs(3000, spread=0.5, seed=1)
    hidden = np.random.default_rng(2).random(len(truth)) < 0.3
    outcome, whole = (
        few_shot(world(PETS, train=blobs(4), test=(test, labels)), shots=4, seeds=2, C=1)
        for labels in (np.where(hidden, -1, truth), truth)
    )
    assert outcome.examples.equals(whole.examples[~hidden].reset_index(drop=True))
    assert f"Left out for want of a label: {hidden.sum():,} of the images that were to be evaluated." in outcome.notes


def test_a_class_with_too_few_examples_is_named_unless_fewer_are_allowed(world):
    features, labels = blobs(6)
    rows = np.flatnonzero((labels != 1) | (np.arange(len(labels)) < 6))
    inputs = world(PETS, train=(features[rows], labels[rows]), test=blobs(5, seed=1))
    assert refusal(few_shot, inputs, shots=4) == (
        "toys, split train: few_shot with 4 shots: there are fewer images of dog (2); ask for fewer shots, raise "
        "--limit, or set allow_fewer: true to use all that there are"
    )
    outcome = few_shot(inputs, shots=4, allow_fewer=True, C=1)
    assert "Fewer than 4 training images, all of which were used: dog (2)." in outcome.notes
    assert few_shot(inputs, shots=2, seeds=1, C=1).notes == ("One draw: the interval is over test images alone.",)


# The choice of C.


def test_cross_validation_sees_nothing_but_the_drawn_examples(world, digits):
    test, truth = digits["test"]
    altered = world(train=spoilt(digits, 4, 7), test=(test[::-1] * 3, truth))
    first, second = (few_shot(inputs, shots=4, seeds=1) for inputs in (world(**digits), altered))
    chosen = first.tables["seeds"]["C"].tolist()
    assert chosen == second.tables["seeds"]["C"].tolist()
    assert set(chosen) <= set(GRID)
    assert main(first).params["C"] == "cross-validation"


def test_cross_validation_finds_what_scikit_learn_finds_on_the_same_folds(world, digits):
    train, labels = digits["train"]
    rows = sorted(chosen_rows(labels, 8, 0))
    scale = np.sqrt((train[rows] ** 2).sum(axis=1).mean())
    examples = FewExamples(tuple(f"train-{row}" for row in rows), train[rows] / scale, labels[rows], 10)
    fold = folds(examples, 8, 0)

    def accuracy(C):
        right = 0
        for held in range(5):
            part = examples.features[fold != held], examples.labels[fold != held]
            answers = LogisticRegression(C=C, max_iter=10_000).fit(*part).predict(examples.features[fold == held])
            right += (answers == examples.labels[fold == held]).sum()
        return right / len(rows)

    outcome = few_shot(world(**digits), shots=8, seeds=1)
    best = max(accuracy(C) for C in GRID[::16])
    assert accuracy(outcome.tables["seeds"]["C"][0]) >= best


@pytest.mark.parametrize(("shots", "count"), [(2, 2), (4, 4), (16, 5)])
def test_folds_are_equal_parts_of_each_class(shots, count):
    labels = np.repeat(np.arange(3), shots)
    examples = FewExamples(tuple(map(str, range(len(labels)))), np.zeros((len(labels), 2), np.float32), labels, 3)
    fold = folds(examples, shots, 0)
    sizes = np.array([np.bincount(fold[labels == c], minlength=count) for c in range(3)])
    assert sizes.shape == (3, count)
    assert np.ptp(sizes) <= 1


def test_a_classs_only_example_is_never_held_out():
    examples = FewExamples(tuple("abcd"), np.zeros((4, 2), np.float32), np.array([0, 0, 0, 1]), 2)
    fold = folds(examples, 3, 0)
    assert fold[3] == -1
    assert sorted(fold[:3]) == [0, 1, 2]


@pytest.mark.parametrize("shots", [1, 2])
def test_features_of_another_scale_give_the_same_answers(world, digits, shots):
    larger = {split: (features * 64, labels) for split, (features, labels) in digits.items()}
    first, second = (few_shot(world(**splits), shots=shots, seeds=1) for splits in (digits, larger))
    assert first.tables["seeds"]["C"].tolist() == second.tables["seeds"]["C"].tolist()
    assert (first.examples["correct"] == second.examples["correct"]).mean() > 0.999
    assert main(first).params["scaled"]


def test_with_one_example_a_class_c_is_a_stated_one(world, digits):
    outcome = few_shot(world(**digits), shots=1, seeds=2)
    assert outcome.tables["seeds"]["C"].tolist() == [1, 1]
    assert main(outcome).params["C"] == 1
    assert outcome.notes == ("With one example a class none can be held out, so C was not chosen: it is 1.",)
    (train, labels), (test, truth) = digits.values()
    rows = chosen_rows(labels, 1, 0)
    scale = np.sqrt((train[rows] ** 2).sum(axis=1).mean())
    right = predictions(train[rows] / scale, labels[rows], test / scale, C=1) == truth
    assert (outcome.examples["correct.0"] == right).mean() >= 0.999


# What is said, and what is asked for.


def test_what_is_amiss_is_said(world, digits):
    outcome = few_shot(world(**digits), shots=4, seeds=1, max_iterations=2, C=0.316)
    assert main(outcome).params["converged"] is False
    assert main(outcome).interval.kind == "images alone"
    assert metric(outcome, "top1_sd_over_draws").value is None
    assert outcome.notes == ("One draw: the interval is over test images alone.", "1 of 1 fits had not converged.")


def test_it_asks_for_one_feature_of_two_splits_and_little_memory(model, facts):
    dataset, clip = facts(DIGITS, splits=("train", "test")), model(features=("projected", "backbone"))
    needs = FewShot().needs(settings_of(FewShot, shots=16), dataset, clip, None)
    assert (needs.splits, needs.features, needs.strings) == (("train", "test"), ("backbone",), ())
    projected = settings_of(FewShot, shots=16, features="projected")
    assert FewShot().needs(projected, dataset, clip, None).features == ("projected",)
    counts = {"train": 10**9, "test": 10**9}
    assert needs.memory(counts, 512) == needs.memory({"train": 10**6, "test": 10}, 512)
    assert needs.memory(counts, 512) > 4 * 5 * 16 * 10 * 512
