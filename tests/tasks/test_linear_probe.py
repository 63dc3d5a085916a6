"""The linear probe against scikit-learn's tight fits, and what its record says."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, balanced_accuracy_score
from sklearn.preprocessing import normalize

from clipbench.errors import UserError
from clipbench.heads.logistic import memory
from clipbench.tasks.base import ArrayFeatures, ImageSet, Inputs
from clipbench.tasks.probe.linear_probe import LinearProbe, LinearProbeSettings

DIGITS = tuple("0123456789")


def settings(**keys):
    return LinearProbeSettings.model_validate({"task": "linear_probe", "datasets": ["toys"], **keys})


@pytest.fixture
def world(model, facts):
    """world(classes, train=(features, labels), test=..., ...): inputs; features by name, or 'backbone' alone."""

    def make(classes=DIGITS, main_metric="", multilabel=False, **splits):
        sets = {name: image_set(name, *given) for name, given in splits.items()}
        features = tuple(sets["test"].features)
        dataset = facts(classes, multilabel, main_metric, splits=tuple(splits))
        known = model(has_text="projected" in features, features=features)
        return Inputs(dataset, known, sets, lambda strings: None)

    return make


def image_set(name, features, labels):
    named = features if isinstance(features, dict) else {"backbone": features}
    stored = {kind: ArrayFeatures(np.asarray(array, np.float32)) for kind, array in named.items()}
    ids = [f"{name}-{row}" for row in range(len(labels))]
    if np.ndim(labels) == 2:
        return ImageSet(ids, stored, label_sets=[tuple(np.flatnonzero(row).tolist()) for row in labels])
    return ImageSet(ids, stored, labels=np.asarray(labels, np.int64))


def split_up(features, labels, *bounds):
    """{train, val, test} of consecutive rows, float32."""
    starts = (0, *bounds)
    ends = (*bounds, len(labels))
    names = ("train", "val", "test") if len(bounds) == 2 else ("train", "test")
    rows = zip(names, starts, ends, strict=True)
    return {name: (features[first:last].astype(np.float32), labels[first:last]) for name, first, last in rows}


@pytest.fixture(scope="module")
def digits():
    features, labels = load_digits(return_X_y=True)
    return split_up(features / 16, labels, 600, 900)


def evaluate(inputs, **keys):
    own = settings(**keys)
    LinearProbe().needs(own, inputs.dataset, inputs.model, None)
    return LinearProbe().evaluate(inputs, own, None)


def main(outcome):
    return next(metric for metric in outcome.metrics if metric.main)


def value(outcome, name):
    return next(metric.value for metric in outcome.metrics if metric.name == name)


def both(splits):
    """Training and validation images together, float64."""
    features = np.concatenate([splits["train"][0], splits["val"][0]]).astype(np.float64)
    return features, np.concatenate([splits["train"][1], splits["val"][1]])


def tight(features, labels, C):
    """scikit-learn's fit in float64 to a tolerance that L-BFGS does not reach."""
    estimator = LogisticRegression(C=C, tol=1e-10, max_iter=1000, solver="newton-cholesky")
    return estimator.fit(features.astype(np.float64), labels)


# The refit.


def test_the_head_that_is_tested_is_scikit_learns_on_train_and_val_at_the_chosen_c(world, digits):
    outcome = evaluate(world(**digits))
    params = main(outcome).params
    test, truth = digits["test"]
    reference = tight(*both(digits), params["C"])
    assert (outcome.examples["prediction"] == reference.predict(test)).mean() >= 0.999
    assert value(outcome, "top1") == pytest.approx((reference.predict(test) == truth).mean(), abs=1e-12)
    probabilities = reference.predict_proba(test.astype(np.float64))
    np.testing.assert_allclose(outcome.examples["score"], probabilities[np.arange(len(truth)), truth], atol=1e-4)
    assert params["converged"] is True
    assert (params["n_train"], params["n_classes"]) == (900, 10)
    assert set(outcome.seconds) == {"search", "refit"}


def test_metrics_are_those_of_zero_shot(world, digits):
    outcome = evaluate(world(**digits), C=1.0)
    scores = tight(*both(digits), 1.0).decision_function(digits["test"][0])
    truth = digits["test"][1]
    own = scores[np.arange(len(truth)), truth]
    ranks = (scores > own[:, None]).sum(axis=1)
    assert {metric.name: metric.value for metric in outcome.metrics} == {
        "top1": pytest.approx((ranks == 0).mean()),
        "top5": pytest.approx((ranks < 5).mean()),
        "mean_per_class_recall": pytest.approx(balanced_accuracy_score(truth, scores.argmax(axis=1))),
    }
    assert [metric.interval.kind for metric in outcome.metrics] == ["wilson", "wilson", "bootstrap"]
    assert set(outcome.tables) == {"per_class", "confusions"}
    assert set(outcome.examples["split"]) == {"test"}


def test_a_given_c_is_fitted_on_train_and_val_without_a_search(world, digits):
    outcome = evaluate(world(**digits), C=0.3)
    params = main(outcome).params
    assert (params["C"], params["chosen_on"], params["n_train"], params["at_edge"]) == (0.3, "fixed", 900, False)
    assert "validation_curve" not in outcome.tables
    reference = tight(*both(digits), 0.3).predict(digits["test"][0])
    assert outcome.examples["prediction"].tolist() == reference.tolist()


def test_two_classes(world):
    features, labels = load_breast_cancer(return_X_y=True)
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    splits = split_up(features, labels, 250, 400)
    outcome = evaluate(world(("malignant", "benign"), **splits))
    test, truth = splits["test"]
    reference = tight(*both(splits), main(outcome).params["C"])
    assert outcome.examples["prediction"].tolist() == reference.predict(test).tolist()
    probabilities = reference.predict_proba(test.astype(np.float64))
    np.testing.assert_allclose(outcome.examples["score"], probabilities[np.arange(len(truth)), truth], atol=1e-4)
    assert [metric.name for metric in outcome.metrics] == ["top1", "mean_per_class_recall"]


# Several labels an image.


def test_a_multi_label_set_has_one_regression_a_class(world, digits):
    def present(labels):
        return np.stack([labels % 2 == 0, labels > 4, labels % 3 == 0], axis=1)

    splits = {name: (features, present(labels)) for name, (features, labels) in digits.items()}
    outcome = evaluate(world(("even", "large", "threefold"), multilabel=True, **splits))
    assert main(outcome).name == "map"
    (features, targets), (test, truth) = both(splits), splits["test"]
    C = main(outcome).params["C"]
    heads = [tight(features, targets[:, place], C) for place in range(3)]
    scores = np.stack([head.decision_function(test) for head in heads], axis=1)
    averages = [average_precision_score(truth[:, place], scores[:, place]) for place in range(3)]
    assert outcome.tables["per_class"]["average_precision"].tolist() == pytest.approx(averages, abs=1e-4)
    assert main(outcome).value == pytest.approx(np.mean(averages), abs=1e-4)
    curve = outcome.tables["validation_curve"]
    row = curve.iloc[3]
    (train, fitted), (held, wanted) = splits["train"], splits["val"]
    rankings = [tight(train, fitted[:, place], row.C).decision_function(held) for place in range(3)]
    expected = np.mean([average_precision_score(wanted[:, place], rankings[place]) for place in range(3)])
    assert row.score == pytest.approx(expected, abs=2e-3)
    assert set(curve["metric"]) == {"map"}


# What C is chosen by.


def test_c_is_chosen_by_the_data_sets_main_metric(world, digits):
    # Where one class has nine of ten images, accuracy and the mean of the classes' recalls favour different C.
    generator = np.random.default_rng(0)

    def draw(count):
        labels = (generator.random(count) > 0.9).astype(int) + (generator.random(count) > 0.97)
        return generator.normal(0, 1, (count, 6)) + 0.7 * np.eye(3, 6)[labels], labels

    splits = {"train": draw(400), "val": draw(400), "test": draw(400)}
    by_share = evaluate(world(("a", "b", "c"), **splits))
    by_class = evaluate(world(("a", "b", "c"), main_metric="mean_per_class_recall", **splits))
    assert main(by_class).name == "mean_per_class_recall"
    assert set(by_class.tables["validation_curve"]["metric"]) == {"mean_per_class_recall"}
    assert main(by_class).params["C"] > main(by_share).params["C"]
    row = by_class.tables["validation_curve"].iloc[3]
    features, labels = splits["val"]
    predictions = tight(*splits["train"], row.C).predict(features)
    assert row.score == pytest.approx(balanced_accuracy_score(labels, predictions), abs=5e-3)


def faint(digits):
    """Features so small that no penalty of the grid is weak enough."""
    return DIGITS, {name: (features * np.float32(1e-5), labels) for name, (features, labels) in digits.items()}


def meaningless(digits):
    """Features that say nothing: the most frequent class is the answer at every C, and the strongest penalty wins."""
    return "ab", split_up(np.ones((900, 4)), np.arange(900) % 3 == 0, 300, 600)


@pytest.mark.parametrize(("make", "end"), [(faint, 1e6), (meaningless, 1e-6)])
def test_a_best_c_at_the_edge_of_the_grid_is_flagged(world, digits, make, end):
    classes, splits = make(digits)
    outcome = evaluate(world(classes, **splits))
    assert main(outcome).params["C"] == pytest.approx(end)
    assert main(outcome).params["at_edge"] is True
    assert f"The best C, {end:g}, is at the edge of the grid: a better one may lie outside." in outcome.notes


def test_the_curve_shows_what_was_tried_and_what_was_chosen(world, digits):
    outcome = evaluate(world(**digits))
    curve = outcome.tables["validation_curve"]
    assert list(curve.columns) == ["C", "score", "metric", "iterations", "converged", "chosen"]
    assert curve["C"].is_monotonic_increasing
    assert curve.loc[curve["chosen"], "C"].tolist() == [main(outcome).params["C"]]
    assert main(outcome).params["at_edge"] is False


# Fits that are cut short.


def test_fits_that_did_not_converge_are_reported(world, digits):
    outcome = evaluate(world(**digits), max_iterations=2)
    params = main(outcome).params
    assert (params["converged"], params["iterations"]) == (False, 2)
    assert f"The fit at C = {params['C']:g} had not converged after 2 iterations." in outcome.notes
    curve = outcome.tables["validation_curve"]
    open_fits = int((~curve["converged"]).sum())
    assert open_fits > 0
    assert f"{open_fits} of {len(curve)} fits of the search had not converged." in outcome.notes
    assert not any("converged" in note for note in evaluate(world(**digits)).notes)


# Which features.


def test_normalised_features_have_length_one(world, digits):
    splits = {name: (5 * features, labels) for name, (features, labels) in digits.items()}
    outcome = evaluate(world(**splits), C=10.0, normalise=True)
    features, labels = both(digits)
    reference = tight(normalize(features), labels, 10.0).predict(normalize(digits["test"][0]))
    assert outcome.examples["prediction"].tolist() == reference.tolist()
    assert (main(outcome).params["normalised"], settings(normalise=True).variant) == (True, "normalised")


@pytest.fixture
def two_kinds(world, digits):
    """A model of images and texts: its projected features are a mixture of half of the others."""
    turn = np.random.default_rng(0).normal(size=(32, 16))
    splits = {
        name: ({"backbone": features, "projected": features[:, :32] @ turn}, labels)
        for name, (features, labels) in digits.items()
    }
    return world(**splits), turn


def test_features_before_and_after_the_projection(two_kinds, digits):
    inputs, turn = two_kinds
    kinds = settings(features=["pre_projection", "projected"]).variants()
    assert [kind.variant for kind in kinds] == ["", "projected"]
    plain, projected = (LinearProbe().evaluate(inputs, kind.model_copy(update={"C": 0.1}), None) for kind in kinds)
    needs = [LinearProbe().needs(kind, inputs.dataset, inputs.model, None).features for kind in kinds]
    assert needs == [("backbone",), ("projected",)]
    features, labels = both(digits)
    test = digits["test"][0].astype(np.float64)
    for outcome, kind, seen in (
        (plain, "pre_projection", (features, test)),
        (projected, "projected", (features[:, :32] @ turn, test[:, :32] @ turn)),
    ):
        assert main(outcome).params["features"] == kind
        reference = tight(seen[0], labels, 0.1).predict(seen[1])
        assert (outcome.examples["prediction"] == reference).mean() >= 0.999
    assert value(plain, "top1") > value(projected, "top1") + 0.05


def test_an_image_only_model_has_no_joint_space_to_project_to(world, digits):
    inputs = world(**digits)
    assert main(evaluate(inputs, C=1.0)).value > 0.9
    with pytest.raises(UserError) as caught:
        evaluate(inputs, features="projected")
    assert str(caught.value) == (
        "toy: linear_probe on projected features needs a model with a joint space of images and texts; "
        "use features: pre_projection"
    )


def test_a_model_with_one_kind_of_features_gives_it_for_both_and_says_so(world, digits):
    splits = {name: ({"projected": features}, labels) for name, (features, labels) in digits.items()}
    inputs = world(**splits)
    before, after = (evaluate(inputs, C=1.0, features=kind) for kind in ("pre_projection", "projected"))
    note = "The model gives one kind of features, so there is nothing before a projection: those were used."
    assert note in before.notes
    assert note not in after.notes
    assert before.examples["margin"].tolist() == after.examples["margin"].tolist()


# Another solver.


def test_scikit_learn_as_solver_agrees(world, digits):
    inputs = world(**digits)
    ours, theirs = (evaluate(inputs, C=1.0, solver=solver) for solver in ("lbfgs", "scikit-learn"))
    assert (ours.examples["prediction"] == theirs.examples["prediction"]).mean() >= 0.999
    assert main(theirs).params["solver"] == "scikit-learn"
    assert settings(C=1, solver="scikit-learn").variant == "C = 1, scikit-learn"


# Memory, prompts, settings.


@pytest.mark.parametrize(("classes", "multilabel", "outputs"), [(DIGITS, False, 10), ("ab", False, 1), ("ab", True, 2)])
def test_memory_is_asked_for_the_training_and_validation_features(world, digits, classes, multilabel, outputs):
    inputs = world(classes, multilabel=multilabel, **digits)
    needs = LinearProbe().needs(settings(), inputs.dataset, inputs.model, None)
    counts = {"train": 1_000_000, "val": 281_167, "test": 50_000}
    assert needs.memory(counts, 768) == memory(1_281_167, 768, outputs)
    assert needs.memory(counts, 768) > 1_281_167 * 768 * 4
    more = needs.memory({**counts, "test": 10_000_000}, 768)
    assert more == needs.memory(counts, 768)


def test_nothing_but_images_is_needed(world, digits):
    inputs = world(**digits)
    needs = LinearProbe().needs(settings(), inputs.dataset, inputs.model, None)
    assert (needs.strings, needs.captions) == ((), False)
    assert settings().prompt_choices() == ()


def test_a_main_metric_that_is_not_computed_is_refused(world, digits):
    inputs = world(**digits)
    wrong = replace(inputs, dataset=replace(inputs.dataset, main_metric="map"))
    with pytest.raises(
        UserError, match="main_metric: 'map' is not computed here; declare one of: top1, top5, mean_per"
    ):
        evaluate(wrong, C=1.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"C": 0},
        {"C": -1},
        {"val_fraction": 0},
        {"val_fraction": 1},
        {"max_iterations": 0},
        {"features": []},
        {"features": ["projected", "projected"]},
        {"features": "backbone"},
        {"solver": "adamw"},
        {"prompts": "photo"},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        settings(**wrong)
