"""WiSE-FT on the linear head: its ends are zero-shot and scikit-learn's fit, and nothing is chosen on the test set."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from clipbench.tasks.classify.zero_shot import ZeroShot
from clipbench.tasks.probe.wise_ft import WiseFt

from .conftest import DIGITS, evaluate, main, metric, refusal, settings_of, tight, unit, values

SCALE = 20.0
PARTS = {"train": slice(0, 900), "val": slice(900, 1200), "test": slice(1200, None)}


@pytest.fixture(scope="module")
def digits():
    features, labels = load_digits(return_X_y=True)
    return features.astype(np.float32), labels.astype(np.int64)


@pytest.fixture(scope="module")
def texts(digits):
    """A text for each digit: a noisy mean picture, which is right about as often as a weak model's prompts."""
    features, labels = digits
    means = np.stack([unit(features[labels == digit]).mean(axis=0) for digit in range(10)])
    noise = np.random.default_rng(0).normal(0, 0.06, means.shape)
    return dict(zip(DIGITS, (means + noise).astype(np.float32), strict=True))


@pytest.fixture
def toys(digits, texts, model, world):
    """toys(train=slice, test=slice, ...): inputs of rows of the digits."""

    def make(classes=DIGITS, *, bias=0.0, vectors=None, main_metric="", **rows):
        features, labels = (array[digits[1] < len(classes)] for array in digits)
        splits = {split: ({"projected": features[chosen]}, labels[chosen]) for split, chosen in rows.items()}
        known = {"known": model(scale=SCALE, bias=bias), "texts": vectors or texts, "main_metric": main_metric}
        return world(classes, **known, **(splits))

    return make


@pytest.fixture
def wise_ft(toys, prompted):
    """wise_ft(C=..., ...): the outcome on all the digits, in three parts."""

    def run(*, main_metric="", **keys):
        return evaluate(WiseFt, toys(main_metric=main_metric, **PARTS), prompted(*DIGITS), **keys)

    return run


def scikit(inputs, C, *splits):
    """The weights of a tight fit without intercept on the unit features of some splits."""
    features = np.concatenate([unit(inputs.sets[split].features["projected"].array) for split in splits])
    labels = np.concatenate([inputs.sets[split].labels for split in splits])
    return tight(features, labels, C, fit_intercept=False).coef_


def scores(weight, inputs, split="test"):
    return unit(inputs.sets[split].features["projected"].array.astype(np.float64)) @ weight.T


def text_weight(texts, classes=DIGITS):
    return SCALE * unit(np.stack([texts[name] for name in classes]).astype(np.float64))


def test_its_ends_are_zero_shot_and_scikit_learns_fit_and_between_lie_their_mixtures(toys, prompted, texts):
    inputs, prompts = toys(**PARTS), prompted(*DIGITS)
    outcome = evaluate(WiseFt, inputs, prompts, C=1)
    truth = inputs.sets["test"].labels
    assert values(outcome)["zero_shot_top1"] == main(evaluate(ZeroShot, inputs, prompts)).value
    fitted, origin = scikit(inputs, 1, "train", "val"), text_weight(texts)
    curve = outcome.tables["alpha_curve"]
    for alpha, top1 in zip(curve["alpha"], curve["top1"], strict=True):
        mixed = scores(alpha * fitted + (1 - alpha) * origin, inputs).argmax(axis=1)
        assert top1 == pytest.approx((mixed == truth).mean(), abs=1.5 / len(truth))
    half = scores((fitted + origin) / 2, inputs).argmax(axis=1)
    assert (outcome.examples["prediction"] == half).mean() >= 0.998
    assert values(outcome)["zero_shot_top1"] < values(outcome)["top1"] < values(outcome)["fitted_top1"]


def test_the_validation_heads_have_not_seen_the_held_out_part_and_choose_c_and_alpha(toys, prompted, texts):
    inputs = toys(**PARTS)
    outcome = evaluate(WiseFt, inputs, prompted(*DIGITS), hold_outs=2)
    chosen = metric(outcome, "top1_at_chosen_alpha")
    curve, tried = outcome.tables["alpha_curve"], outcome.tables["validation_curve"]
    part, origin = scikit(inputs, main(outcome).params["C"], "train"), text_weight(texts)
    truth = inputs.sets["val"].labels
    for alpha, score in zip(curve["alpha"], curve["validation"], strict=True):
        mixed = scores(alpha * part + (1 - alpha) * origin, inputs, "val").argmax(axis=1)
        assert score == pytest.approx((mixed == truth).mean(), abs=1.5 / len(truth))
    best = curve["alpha"][curve["validation"] == curve["validation"].max()].min()
    assert chosen.params == {"alpha": best, "C": main(outcome).params["C"], "chosen_on": "val", "chosen_by": "top1"}
    assert tried["score"][tried["chosen"]].item() == curve["validation"].max()
    assert tried["alpha"][tried["chosen"]].item() == best
    assert chosen.value == curve["top1"][curve["alpha"] == best].item()
    assert tried["score"][tried["chosen"]].item() == tried["score"].max()
    assert tried["C"][tried["chosen"]].item() == main(outcome).params["C"]
    assert tried.columns.tolist() == ["C", "alpha", "score", "metric", "iterations", "converged", "chosen"]
    assert outcome.tables["hold_outs"].columns.tolist() == ["hold_out", "C", "alpha", "score", "score_at_chosen"]
    assert outcome.tables["hold_outs"].loc[0, ["C", "alpha"]].tolist() == [main(outcome).params["C"], best]


def test_c_is_chosen_with_its_best_alpha_and_not_by_the_fitted_head_alone(toys, prompted, texts):
    # Six images of each digit: a mixture is better than either end, and of another C than the best fitted head.
    rows = np.concatenate([np.flatnonzero(load_digits().target[:900] == digit)[:6] for digit in range(10)])
    inputs = toys(train=rows, val=PARTS["val"], test=PARTS["test"])
    outcome = evaluate(WiseFt, inputs, prompted(*DIGITS), hold_outs=1)
    tried, truth, origin = outcome.tables["validation_curve"], inputs.sets["val"].labels, text_weight(texts)

    def score(weight):
        return (scores(weight, inputs, "val").argmax(axis=1) == truth).mean()

    for row in tried.iloc[2:9].itertuples():
        part = scikit(inputs, row.C, "train")
        by_alpha = {tenth / 10: score(tenth / 10 * part + (1 - tenth / 10) * origin) for tenth in range(11)}
        assert row.score == pytest.approx(max(by_alpha.values()), abs=1.5 / len(truth))
        assert by_alpha[row.alpha] == pytest.approx(row.score, abs=1.5 / len(truth))
    best = tried[tried["chosen"]].iloc[0]
    assert best.score == tried["score"].max()
    assert 0 < best.alpha < 1
    assert best.score > score(scikit(inputs, best.C, "train")) + 0.01


def test_where_zero_shot_is_best_c_is_that_of_the_best_fitted_head(toys, prompted, digits):
    # Training labels that are wrong: no share of a head fitted on them improves on zero-shot.
    inputs = toys(**PARTS)
    wrong = replace(inputs.sets["train"], labels=(inputs.sets["train"].labels + np.arange(900) % 9 + 1) % 10)
    outcome = evaluate(
        WiseFt, replace(inputs, sets={**inputs.sets, "train": wrong}), prompted(*DIGITS), alphas=0, hold_outs=1
    )
    chosen, tried = metric(outcome, "top1_at_chosen_alpha"), outcome.tables["validation_curve"]
    assert chosen.params["alpha"] == 0
    assert (tried["score"] == tried["score"].max()).sum() > 1
    assert chosen.params["C"] == main(outcome).params["C"]


def test_of_alphas_that_validate_equally_the_smaller_is_chosen(toys, prompted):
    inputs = toys(train=slice(0, 900), val=slice(0, 5), test=slice(1200, None))
    outcome = evaluate(WiseFt, inputs, prompted(*DIGITS), C=100)
    curve = outcome.tables["alpha_curve"]
    assert (curve["validation"][curve["alpha"] >= 0.9] == 1).all()
    first = curve["alpha"][curve["validation"] == 1].min()
    assert metric(outcome, "top1_at_chosen_alpha").params["alpha"] == first < 1


def test_nothing_is_chosen_on_the_test_split(toys, prompted):
    inputs, prompts = toys(**PARTS), prompted(*DIGITS)
    wrong = replace(inputs.sets["test"], labels=(inputs.sets["test"].labels + 1) % 10)
    altered = replace(inputs, sets={**inputs.sets, "test": wrong})
    first, second = (evaluate(WiseFt, each, prompts, hold_outs=2) for each in (inputs, altered))
    assert main(first).params["C"] == main(second).params["C"]
    assert metric(first, "top1_at_chosen_alpha").params == metric(second, "top1_at_chosen_alpha").params
    assert first.tables["validation_curve"].equals(second.tables["validation_curve"])


def test_without_a_validation_split_a_fifth_of_train_is_held_out(toys, prompted):
    outcome = evaluate(WiseFt, toys(train=slice(0, 900), test=slice(900, None)), prompted(*DIGITS), C=1)
    assert metric(outcome, "top1_at_chosen_alpha").params["chosen_on"] == "a fifth of train, stratified, seed 0"
    assert (main(outcome).params["chosen_on"], main(outcome).params["n_train"]) == ("fixed", 900)
    assert "validation_curve" not in outcome.tables


def test_a_strong_pull_towards_the_text_classifier_leaves_zero_shot_at_every_alpha(wise_ft):
    pulled, free = wise_ft(C=1e-9, towards="text_classifier"), wise_ft(C=1e-9)
    expected = values(pulled)["zero_shot_top1"]
    assert set(pulled.tables["alpha_curve"]["top1"]) == {expected}
    assert main(pulled).params["towards"] == "text_classifier"
    assert values(free)["fitted_top1"] != expected


@pytest.mark.parametrize("towards", ["zero", "text_classifier"])
def test_two_classes_are_one_score(toys, prompted, texts, towards):
    inputs = toys(DIGITS[:2], train=slice(0, 200), val=slice(200, 260), test=slice(260, None))
    prompts = prompted("0", "1")
    outcome = evaluate(WiseFt, inputs, prompts, C=0.01, towards=towards, alphas=[])
    truth = inputs.sets["test"].labels
    assert outcome.tables["alpha_curve"]["alpha"].tolist() == [0, 0.5, 1]
    assert values(outcome)["zero_shot_top1"] == main(evaluate(ZeroShot, inputs, prompts)).value
    if towards == "zero":
        fitted = scikit(inputs, 0.01, "train", "val")
        difference = text_weight(texts, "01")[1:] - text_weight(texts, "01")[:1]
        half = scores((fitted + difference) / 2, inputs)[:, 0] > 0
        assert outcome.examples["prediction"].tolist() == half.astype(int).tolist()
        assert values(outcome)["fitted_top1"] == ((scores(fitted, inputs)[:, 0] > 0) == truth).mean()


def test_equal_prompts_and_equal_vectors_are_decided_as_in_zero_shot(toys, prompted, texts):
    inputs = toys(vectors={**texts, "6": texts["5"]}, bias=-10.0, **PARTS)
    prompts = prompted(*DIGITS, **{"8": ("3",)})
    reference, outcome = evaluate(ZeroShot, inputs, prompts), evaluate(WiseFt, inputs, prompts, C=1)
    assert values(outcome)["zero_shot_top1"] == main(reference).value
    equal, tied = outcome.notes
    assert equal.startswith("Equal prompts: 3 (3) and 8 (8). At alpha 0 the lower index wins, as in zero_shot;")
    assert tied == "Different prompts, same embedding: 5 = 6. At alpha 0 these ties count as wrong."
    assert values(outcome)["fitted_top1"] > values(outcome)["zero_shot_top1"] + 0.2


def test_the_records_and_their_intervals(wise_ft):
    outcome = wise_ft(C=1, alphas=[0.25])
    names = [*("top1", "top5", "mean_per_class_recall"), *("zero_shot_top1", "fitted_top1", "top1_at_chosen_alpha")]
    assert list(values(outcome)) == names
    assert main(outcome).name == "top1"
    assert {found.interval.kind for found in outcome.metrics} == {"wilson", "effective wilson"}
    params = {"alpha": 0.5, "C": 1, "features": "projected", "normalised": True, "towards": "zero", "n_classes": 10}
    assert (params | {"converged": True}).items() <= main(outcome).params.items()
    curve = outcome.tables["alpha_curve"]
    assert curve.columns.tolist() == ["alpha", "top1", "low", "high", "validation"]
    assert curve["alpha"].tolist() == [0, 0.25, 0.5, 1]
    assert ((curve["low"] < curve["top1"]) & (curve["top1"] < curve["high"])).all()
    assert outcome.examples["correct"].mean() == curve["top1"][2] == values(outcome)["top1"]
    assert set(outcome.seconds) == {"search", "refit", "test"}


def test_mean_per_class_recall_is_what_alpha_is_chosen_by_where_the_data_set_reports_it(wise_ft):
    outcome = wise_ft(main_metric="mean_per_class_recall", C=1)
    assert metric(outcome, "top1_at_chosen_alpha").params["chosen_by"] == "mean_per_class_recall"
    assert (main(outcome).name, main(outcome).params["alpha"]) == ("mean_per_class_recall", 0.5)


def test_it_asks_for_every_split_and_prompt(model, facts, prompted):
    dataset = facts(DIGITS, splits=("train", "validation", "test"))
    needs = WiseFt().needs(settings_of(WiseFt), dataset, model(), prompted(*DIGITS))
    assert (needs.splits, needs.features) == (("train", "validation", "test"), ("projected",))
    assert needs.strings == DIGITS
    counts = {"train": 1000, "validation": 100, "test": 10**9}
    assert 4 * 1100 * 512 < needs.memory(counts, 512) < 10**9


def test_it_needs_a_joint_space_and_prompts_of_the_classes(model, facts, prompted):
    def refused(by, prompts):
        return refusal(WiseFt().needs, settings_of(WiseFt), facts(DIGITS, splits=("train", "test")), by, prompts)

    assert refused(model(has_text=False, features=("backbone",)), prompted(*DIGITS)) == (
        "toy: wise_ft needs a model that embeds images and texts in one space; choose a CLIP-style model"
    )
    assert "prompts 'toy' are for 2 classes, the data set has 10" in refused(model(), prompted("a", "b"))
    assert "wise_ft needs prompts" in refused(model(), None)
