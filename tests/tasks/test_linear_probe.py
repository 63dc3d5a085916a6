"""The linear probe against scikit-learn's tight fits, and what its record says."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, balanced_accuracy_score

from clipbench.heads.logistic import memory
from clipbench.tasks.probe.linear_probe import LinearProbe

from .conftest import DIGITS, evaluate, main, settings_of, split_up, tight, unit, values


def probe(inputs, **keys):
    return evaluate(LinearProbe, inputs, **{"hold_outs": 1, **keys})


def both(splits):
    """Training and validation images together."""
    return tuple(np.concatenate([splits["train"][part], splits["val"][part]]) for part in (0, 1))


# The refit.


def test_the_head_that_is_tested_is_scikit_learns_on_train_and_val_at_the_chosen_c(world, digits):
    outcome = probe(world(**digits))
    params = main(outcome).params
    test, truth = digits["test"]
    reference = tight(*both(digits), params["C"])
    assert (outcome.examples["prediction"] == reference.predict(test)).mean() >= 0.999
    assert values(outcome)["top1"] == pytest.approx((reference.predict(test) == truth).mean(), abs=1e-12)
    probabilities = reference.predict_proba(test.astype(np.float64))
    np.testing.assert_allclose(outcome.examples["score"], probabilities[np.arange(len(truth)), truth], atol=1e-4)
    assert (params["converged"], params["at_edge"]) == (True, False)
    assert (params["n_train"], params["n_classes"]) == (900, 10)
    assert set(outcome.seconds) == {"search", "refit"}
    curve = outcome.tables["validation_curve"]
    assert list(curve.columns) == ["C", "score", "metric", "iterations", "converged", "chosen"]
    assert curve["C"].is_monotonic_increasing
    assert curve.loc[curve["chosen"], "C"].tolist() == [params["C"]]
    assert not any("converged" in note for note in outcome.notes)


def test_metrics_are_those_of_zero_shot_and_a_given_c_needs_no_search(world, digits):
    outcome = probe(world(**digits), C=0.3)
    scores, truth = tight(*both(digits), 0.3).decision_function(digits["test"][0]), digits["test"][1]
    ranks = (scores > scores[np.arange(len(truth)), truth][:, None]).sum(axis=1)
    assert values(outcome) == {
        "top1": pytest.approx((ranks == 0).mean()),
        "top5": pytest.approx((ranks < 5).mean()),
        "mean_per_class_recall": pytest.approx(balanced_accuracy_score(truth, scores.argmax(axis=1))),
    }
    assert outcome.examples["prediction"].tolist() == scores.argmax(axis=1).tolist()
    assert [metric.interval.kind for metric in outcome.metrics] == ["wilson", "wilson", "effective wilson"]
    assert set(outcome.tables) == {"per_class", "confusions"}
    assert set(outcome.examples["split"]) == {"test"}
    params = main(outcome).params
    assert (params["C"], params["chosen_on"], params["n_train"], params["at_edge"]) == (0.3, "fixed", 900, False)


def test_a_multi_label_set_has_one_regression_a_class(world, digits):
    splits = {
        name: (features, np.stack([labels % 2 == 0, labels > 4, labels % 3 == 0], axis=1))
        for name, (features, labels) in digits.items()
    }
    outcome = probe(world(("even", "large", "threefold"), multilabel=True, **splits))
    assert main(outcome).name == "map"

    def averages(fitted, tested, C):
        scores = [tight(fitted[0], fitted[1][:, k], C).decision_function(tested[0]) for k in range(3)]
        return [average_precision_score(tested[1][:, k], scores[k]) for k in range(3)]

    expected = averages(both(splits), splits["test"], main(outcome).params["C"])
    assert outcome.tables["per_class"]["average_precision"].tolist() == pytest.approx(expected, abs=1e-4)
    assert main(outcome).value == pytest.approx(np.mean(expected), abs=1e-4)
    curve = outcome.tables["validation_curve"]
    row = curve.iloc[3]
    assert row.score == pytest.approx(np.mean(averages(splits["train"], splits["val"], row.C)), abs=2e-3)
    assert set(curve["metric"]) == {"map"}


# What C is chosen by.


def test_c_is_chosen_by_the_data_sets_main_metric(world):
    # Where one class has nine of ten images, accuracy and the mean of the classes' recalls favour different C.
    generator = np.random.default_rng(0)

    def draw(count):
        labels = (generator.random(count) > 0.9).astype(int) + (generator.random(count) > 0.97)
        return generator.normal(0, 1, (count, 6)) + 0.7 * np.eye(3, 6)[labels], labels

    splits = {"train": draw(400), "val": draw(400), "test": draw(400)}
    by_share = probe(world(("a", "b", "c"), **splits))
    by_class = probe(world(("a", "b", "c"), main_metric="mean_per_class_recall", **splits))
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
    outcome = probe(world(classes, **splits))
    assert main(outcome).params["C"] == pytest.approx(end)
    assert main(outcome).params["at_edge"] is True
    assert f"The best C, {end:g}, is at the edge of the grid: a better one may lie outside." in outcome.notes


def test_fits_that_did_not_converge_are_reported(world, digits):
    outcome = probe(world(**digits), max_iterations=2)
    params = main(outcome).params
    assert (params["converged"], params["iterations"]) == (False, 2)
    assert f"The fit at C = {params['C']:g} had not converged after 2 iterations." in outcome.notes
    curve = outcome.tables["validation_curve"]
    open_fits = int((~curve["converged"]).sum())
    assert open_fits > 0
    assert f"{open_fits} of {len(curve)} fits of the search had not converged." in outcome.notes


# Which features, which solver.


def test_normalised_features_have_length_one(world, digits):
    splits = {name: (5 * features, labels) for name, (features, labels) in digits.items()}
    outcome = probe(world(**splits), C=10.0, normalise=True)
    features, labels = both(digits)
    reference = tight(unit(features), labels, 10.0).predict(unit(digits["test"][0]))
    assert outcome.examples["prediction"].tolist() == reference.tolist()
    assert main(outcome).params["normalised"] is True


def test_features_before_and_after_the_projection(world, digits):
    turn = np.random.default_rng(0).normal(size=(32, 16))

    def project(features):
        return features[:, :32] @ turn

    splits = {
        name: ({"backbone": features, "projected": project(features)}, labels)
        for name, (features, labels) in digits.items()
    }
    features, labels = both(digits)
    test, found = digits["test"][0], []
    for kind, stored, seen in (("pre_projection", "backbone", np.asarray), ("projected", "projected", project)):
        inputs = world(**splits)
        needs = LinearProbe().needs(settings_of(LinearProbe, features=kind), inputs.dataset, inputs.model, None)
        assert needs.features == (stored,)
        outcome = probe(inputs, C=0.1, features=kind)
        assert main(outcome).params["features"] == kind
        reference = tight(seen(features), labels, 0.1).predict(seen(test).astype(np.float64))
        assert (outcome.examples["prediction"] == reference).mean() >= 0.999
        found.append(values(outcome)["top1"])
    assert found[0] > found[1] + 0.05


def test_scikit_learn_as_solver_agrees(world, digits):
    inputs = world(**digits)
    ours, theirs = (probe(inputs, C=1.0, solver=solver) for solver in ("lbfgs", "scikit-learn"))
    assert (ours.examples["prediction"] == theirs.examples["prediction"]).mean() >= 0.999
    assert main(theirs).params["solver"] == "scikit-learn"


@pytest.mark.parametrize(("classes", "multilabel", "outputs"), [(DIGITS, False, 10), ("ab", False, 1), ("ab", True, 2)])
def test_it_needs_nothing_but_images_and_the_memory_of_those_that_it_is_fitted_on(
    facts, model, classes, multilabel, outputs
):
    dataset = facts(classes, multilabel, splits=("train", "val", "test"))
    needs = LinearProbe().needs(settings_of(LinearProbe), dataset, model(), None)
    assert (needs.strings, needs.captions) == ((), False)
    counts = {"train": 1_000_000, "val": 281_167, "test": 50_000}
    assert needs.memory(counts, 768) == memory(1_281_167, 768, outputs) > 1_281_167 * 768 * 4
    assert needs.memory({**counts, "test": 10_000_000}, 768) == needs.memory(counts, 768)
