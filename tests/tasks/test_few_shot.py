"""Few-shot learning against scikit-learn on the same rows, and what may and may not decide it."""

import hashlib

import numpy as np
import pytest
import scipy.stats
from pydantic import ValidationError
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from clipbench.errors import UserError
from clipbench.heads.search import GRID
from clipbench.suite.loading import load_suite
from clipbench.tasks.base import ArrayFeatures, ImageSet, Inputs
from clipbench.tasks.probe.cross_validation import folds
from clipbench.tasks.probe.few_shot import FewShot, FewShotSettings
from clipbench.tasks.probe.few_shot_sampler import FewExamples

DIGITS = tuple("0123456789")


def settings(**keys):
    return FewShotSettings.model_validate({"task": "few_shot", "datasets": ["toys"], **keys})


def image_set(features, labels, prefix, name="backbone", **known):
    ids = known.pop("ids", None) or [f"{prefix}{row}" for row in range(len(features))]
    stored = {name: ArrayFeatures(np.asarray(features, np.float32))}
    return ImageSet(ids, stored, labels=np.asarray(labels, np.int64), **known)


@pytest.fixture
def toys(model, facts):
    """toys(train (features, labels), test (features, labels), class names): inputs of a model without a text tower."""

    def make(train, test, classes=DIGITS, main_metric="", **test_set):
        dataset = facts(classes, splits=("train", "test"), main_metric=main_metric)
        sets = {"train": image_set(*train, "train-"), "test": image_set(*test, "test-", **test_set)}
        return Inputs(dataset, model(has_text=False, features=("backbone",)), sets, lambda strings: None)

    return make


@pytest.fixture(scope="module")
def digits():
    features, labels = load_digits(return_X_y=True)
    features = (features / 16).astype(np.float32)
    return (features[:1000], labels[:1000]), (features[1000:], labels[1000:])


def evaluate(inputs, **keys):
    own = settings(**keys)
    FewShot().needs(own, inputs.dataset, inputs.model, None)
    return FewShot().evaluate(inputs, own, None)


def metric(outcome, name):
    return next(found for found in outcome.metrics if found.name == name)


def chosen_rows(ids, labels, shots, seed):
    """The rows of each class whose SHA-256 of seed and id comes first."""
    order = sorted(range(len(ids)), key=lambda row: hashlib.sha256(f"{seed}/{ids[row]}".encode()).digest())
    return [row for c in range(10) for row in [r for r in order if labels[r] == c][:shots]]


@pytest.mark.parametrize("shots", [1, 4, 16])
def test_each_seed_is_scikit_learns_fit_of_exactly_the_chosen_rows(toys, digits, shots):
    (train, labels), (test, truth) = digits
    inputs = toys(*digits)
    outcome = evaluate(inputs, shots=shots, seeds=3)
    for seed in range(3):
        rows = chosen_rows(inputs.sets["train"].ids, labels, shots, seed)
        reference = LogisticRegression(C=0.316, tol=1e-8, max_iter=10_000)
        reference.fit(train[rows].astype(np.float64), labels[rows])
        right = reference.predict(test) == truth
        assert (outcome.examples[f"correct.{seed}"] == right).mean() >= 0.999
        assert outcome.tables["seeds"]["top1"][seed] == pytest.approx(right.mean(), abs=0.002)
    assert outcome.tables["seeds"].columns.tolist() == ["seed", "top1", "C", "iterations", "converged"]


def test_a_draw_depends_on_ids_and_not_on_the_order_of_rows(toys, digits):
    (train, labels), test = digits
    order = np.random.default_rng(0).permutation(len(train))
    straight = toys((train, labels), test)
    shuffled = toys((train[order], labels[order]), test)
    ids = [f"train-{row}" for row in order]
    sets = {**shuffled.sets, "train": image_set(train[order], labels[order], "", ids=ids)}
    shuffled = Inputs(shuffled.dataset, shuffled.model, sets, shuffled.text)
    first, second = (evaluate(one, shots=2, C=0.1) for one in (straight, shuffled))
    assert first.examples.equals(second.examples)


def test_of_one_seed_the_examples_of_fewer_shots_are_among_those_of_more(toys, digits):
    """Images that no draw of 4 uses may be anything without a change to 2 or 4 shots."""
    (train, labels), test = digits
    inputs = toys(*digits)
    used = set(chosen_rows(inputs.sets["train"].ids, labels, 4, 0))
    noise = train.copy()
    noise[[row for row in range(len(train)) if row not in used]] = 99
    for shots in (2, 4):
        kept = evaluate(toys((noise, labels), test), shots=shots, seeds=1)
        assert kept.examples.equals(evaluate(inputs, shots=shots, seeds=1).examples)


def test_the_interval_over_examples_and_that_over_seeds_are_kept_apart(toys, digits):
    outcome = evaluate(toys(*digits), shots=4, seeds=4)
    top1, over_seeds = outcome.metrics
    assert (top1.name, top1.main, over_seeds.name, over_seeds.main) == ("top1", True, "top1_over_seeds", False)
    seeds = outcome.tables["seeds"]["top1"]
    assert top1.value == over_seeds.value == pytest.approx(seeds.mean())
    shares = outcome.examples["correct"]
    half = 1.96 * shares.std() / np.sqrt(len(shares))
    assert top1.interval.kind == "bootstrap"
    assert (top1.interval.low, top1.interval.high) == pytest.approx((top1.value - half, top1.value + half), abs=0.002)
    expected = scipy.stats.t.interval(0.95, 3, seeds.mean(), scipy.stats.sem(seeds))
    assert over_seeds.interval.kind == "seeds"
    assert (over_seeds.interval.low, over_seeds.interval.high) == pytest.approx(expected)
    assert top1.n == over_seeds.n == 797
    said = {"shots": 4, "seeds": 4, "C": 0.316, "features": "pre_projection", "normalised": False, "n_classes": 10}
    assert said.items() <= top1.params.items()
    assert top1.params["converged"] is True


def test_one_example_a_row_with_every_seeds_answer(toys, digits):
    outcome = evaluate(toys(*digits, groups={"light": ["d"] * 797}), shots=2, seeds=2)
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


def test_mean_per_class_recall_where_the_data_set_reports_it(toys, digits):
    train, (features, labels) = digits
    kept = np.flatnonzero((labels > 1) | (np.arange(len(labels)) % 5 == 0))
    inputs = toys(train, (features[kept], labels[kept]), main_metric="mean_per_class_recall")
    outcome = evaluate(inputs, shots=2, seeds=3)
    frame = outcome.examples
    recall, over_seeds = metric(outcome, "mean_per_class_recall"), metric(outcome, "mean_per_class_recall_over_seeds")
    # Recall of a class is accuracy within it, so wrong answers may be any other class.
    each = [
        balanced_accuracy_score(frame["label"], np.where(frame[f"correct.{seed}"], frame["label"], 9 - frame["label"]))
        for seed in range(3)
    ]
    assert recall.value == over_seeds.value == pytest.approx(np.mean(each))
    assert recall.value != pytest.approx(metric(outcome, "top1").value, abs=1e-4)
    assert [found.name for found in outcome.metrics if found.main] == ["mean_per_class_recall"]
    assert outcome.tables["seeds"]["mean_per_class_recall"].tolist() == pytest.approx(each)
    random, labels, shares = np.random.default_rng(5), frame["label"].to_numpy(), frame["correct"].to_numpy()
    drawn = [random.integers(0, len(frame), len(frame)) for _ in range(2000)]
    means = [np.mean([shares[rows][labels[rows] == c].mean() for c in range(10)]) for rows in drawn]
    assert (recall.interval.low, recall.interval.high) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.004)
    assert over_seeds.interval.kind == "seeds"


def test_one_seed_has_no_interval_over_seeds(toys, digits):
    outcome = evaluate(toys(*digits), shots=2, seeds=1)
    assert metric(outcome, "top1_over_seeds").interval is None
    assert "One draw: there is no interval over seeds." in outcome.notes


def blobs(per_class, classes=3, spread=0.1, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.arange(per_class * classes) % classes
    return np.eye(classes, 8)[labels] + generator.normal(0, spread, (len(labels), 8)), labels


def test_without_a_doubt_the_interval_over_examples_is_still_one(toys):
    outcome = evaluate(toys(blobs(4), blobs(10, seed=1), "abc"), shots=4, C=1e3)
    top1 = metric(outcome, "top1")
    assert top1.value == 1
    assert (top1.interval.kind, top1.interval.high) == ("wilson", 1)
    assert 0.85 < top1.interval.low < 0.95
    assert metric(outcome, "top1_over_seeds").interval.high == 1


def test_features_that_say_nothing_are_never_right(toys):
    (train, labels), (test, truth) = blobs(4), blobs(5)
    outcome = evaluate(toys((0 * train, labels), (0 * test, truth), "abc"), shots=4)
    assert metric(outcome, "top1").value == 0


def test_two_classes(toys, digits):
    (train, labels), (test, truth) = ((f[y < 2], y[y < 2]) for f, y in digits)
    inputs = toys((train, labels), (test, truth), "01")
    outcome = evaluate(inputs, shots=1, seeds=1, normalise=True)
    ids = inputs.sets["train"].ids
    rows = chosen_rows(ids, labels, 1, 0)
    units, tested = (f / np.linalg.norm(f, axis=1, keepdims=True) for f in (train[rows], test))
    reference = LogisticRegression(C=0.316, tol=1e-8, max_iter=10_000).fit(units, labels[rows])
    assert outcome.examples["correct.0"].tolist() == (reference.predict(tested) == truth).tolist()
    assert metric(outcome, "top1").params["normalised"] is True


def test_unlabelled_images_are_left_out_wherever_they_lie(toys):
    test, truth = blobs(3000, spread=0.5, seed=1)
    hidden = np.random.default_rng(2).random(len(truth)) < 0.3
    outcome = evaluate(toys(blobs(4), (test, np.where(hidden, -1, truth)), "abc"), shots=4, seeds=2)
    whole = evaluate(toys(blobs(4), (test, truth), "abc"), shots=4, seeds=2)
    kept = whole.examples[~hidden].reset_index(drop=True)
    assert outcome.examples.equals(kept)
    assert f"Left out for want of a label: {hidden.sum():,} of the images that were to be evaluated." in outcome.notes


def test_a_class_with_too_few_examples_is_named_unless_fewer_are_allowed(toys):
    features, labels = blobs(6)
    kept = np.flatnonzero((labels != 1) | (np.arange(len(labels)) < 6))
    inputs = toys((features[kept], labels[kept]), blobs(5, seed=1), ("cat", "dog", "fox"))
    with pytest.raises(UserError) as caught:
        evaluate(inputs, shots=4)
    assert str(caught.value) == (
        "toys, split train: few_shot with 4 shots: there are fewer images of dog (2); ask for fewer shots, raise "
        "--limit, or set allow_fewer: true to use all that there are"
    )
    outcome = evaluate(inputs, shots=4, allow_fewer=True)
    assert "Fewer than 4 training images, all of which were used: dog (2)." in outcome.notes
    assert evaluate(inputs, shots=2).notes == ()


def test_a_class_without_any_example_is_an_error_in_any_case(toys):
    features, labels = blobs(6)
    inputs = toys((features[labels != 2], labels[labels != 2]), blobs(5), ("cat", "dog", "fox"))
    with pytest.raises(UserError, match="1 of 3 classes have no image: fox"):
        evaluate(inputs, shots=1, allow_fewer=True)


def test_cross_validation_sees_nothing_but_the_drawn_examples(toys, digits):
    (train, labels), (test, truth) = digits
    inputs = toys(*digits)
    used = set(chosen_rows(inputs.sets["train"].ids, labels, 4, 0))
    noise = train.copy()
    noise[[row for row in range(len(train)) if row not in used]] = 7
    altered = toys((noise, labels), (test[::-1] * 3, truth))
    first, second = (evaluate(one, shots=4, seeds=1, C="cross_validation") for one in (inputs, altered))
    chosen = first.tables["seeds"]["C"].tolist()
    assert chosen == second.tables["seeds"]["C"].tolist()
    assert set(chosen) <= set(GRID)
    assert metric(first, "top1").params["C"] == "cross-validation"


def test_cross_validation_finds_what_scikit_learn_finds_on_the_same_folds(toys, digits):
    (train, labels), _ = digits
    inputs = toys(*digits)
    ids = inputs.sets["train"].ids
    rows = sorted(chosen_rows(ids, labels, 8, 0))
    examples = FewExamples(tuple(ids[row] for row in rows), train[rows], labels[rows], 10)
    fold = folds(examples, 8, 0)

    def accuracy(C):
        right = 0
        for held in range(5):
            part = train[rows][fold != held], labels[rows][fold != held]
            estimator = LogisticRegression(C=C, max_iter=10_000).fit(*part)
            right += (estimator.predict(train[rows][fold == held]) == labels[rows][fold == held]).sum()
        return right / len(rows)

    outcome = evaluate(inputs, shots=8, seeds=1, C="cross_validation")
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
    labels = np.array([0, 0, 0, 1])
    examples = FewExamples(tuple("abcd"), np.zeros((4, 2), np.float32), labels, 2)
    fold = folds(examples, 3, 0)
    assert fold[3] == -1
    assert sorted(fold[:3]) == [0, 1, 2]


def test_with_one_example_a_class_c_is_the_papers(toys, digits):
    outcome = evaluate(toys(*digits), shots=1, C="cross_validation", seeds=2)
    assert outcome.tables["seeds"]["C"].tolist() == [0.316, 0.316]
    assert metric(outcome, "top1").params["C"] == 0.316
    assert outcome.notes == ("With one example a class none can be held out, so C was not chosen: it is 0.316.",)


def test_a_fit_that_has_not_converged_is_said(toys, digits):
    outcome = evaluate(toys(*digits), shots=4, seeds=2, max_iterations=2)
    assert metric(outcome, "top1").params["converged"] is False
    assert outcome.notes == ("2 of 2 fits had not converged.",)


def test_it_asks_for_one_feature_of_two_splits_and_little_memory(model, facts):
    dataset = facts(DIGITS, splits=("train", "test"))
    clip = model(features=("projected", "backbone"))
    needs = FewShot().needs(settings(shots=16), dataset, clip, None)
    assert (needs.splits, needs.features, needs.strings) == (("train", "test"), ("backbone",), ())
    assert FewShot().needs(settings(features="projected"), dataset, clip, None).features == ("projected",)
    counts = {"train": 10**9, "test": 10**9}
    assert needs.memory(counts, 512) == needs.memory({"train": 10**6, "test": 10}, 512)
    assert needs.memory(counts, 512) > 4 * 5 * 16 * 10 * 512


def test_what_it_refuses(model, facts):
    def refusal(dataset, **keys):
        with pytest.raises(UserError) as caught:
            FewShot().needs(settings(**keys), dataset, model(has_text=False, features=("backbone",)), None)
        return str(caught.value)

    several = facts(DIGITS, multilabel=True, splits=("train", "test"))
    assert refusal(several) == (
        "toys: few_shot draws examples of one class each; this data set is multi-label; use linear_probe"
    )
    assert "there is no split 'train'" in refusal(facts(DIGITS))
    dataset = facts(DIGITS, splits=("train", "test"))
    assert "tested on the split that it learns from" in refusal(dataset, split="train")
    assert "needs a model with a joint space" in refusal(dataset, features="projected")


def test_each_number_of_shots_and_kind_of_features_is_a_job():
    found = settings(shots=[1, 4], features=["pre_projection", "projected"]).variants()
    assert [one.variant for one in found] == ["1 shot", "1 shot, projected", "4 shots", "4 shots, projected"]
    assert [(one.k, one.feature) for one in found][1:3] == [(1, "projected"), (4, "pre_projection")]
    assert settings(shots=4, C=1).variant == "4 shots, C = 1"
    assert settings(shots=4, C="cross_validation", normalise=True).variant == "4 shots, normalised, cross-validated C"
    assert settings().shots == (1, 2, 4, 8, 16)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"shots": [2, 2]}, "named twice"),
        ({"shots": [0]}, "greater than 0"),
        ({"shots": []}, "at least 1 item"),
        ({"seeds": 0}, "greater than 0"),
        ({"C": 0}, "greater than 0"),
    ],
)
def test_wrong_settings(keys, message):
    with pytest.raises(ValidationError, match=message):
        settings(**keys)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("C: cv", "'cv' is not allowed: it should be a number greater than 0, or the word cross_validation"),
        ("C: 1e-1", "expected a number, got '1e-1'; YAML reads 1e-1 as text: write 0.1"),
        ("C: -1", "-1 is not allowed: it should be greater than 0"),
        ("shots: [1, two]", "expected a whole number, got 'two'"),
    ],
)
def test_wrong_lines_of_a_suite(tmp_path, line, message):
    path = tmp_path / "mine.yaml"
    path.write_text(f"name: mine\ntasks:\n  - task: few_shot\n    datasets: digits\n    {line}\n")
    with pytest.raises(UserError) as caught:
        load_suite(path)
    assert message in str(caught.value)
    assert "mine.yaml:5" in str(caught.value)
