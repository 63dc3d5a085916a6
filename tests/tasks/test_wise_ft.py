"""WiSE-FT on the linear head: its ends are zero-shot and scikit-learn's fit, and nothing is chosen on the test set."""

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import clipbench
from clipbench.errors import UserError
from clipbench.suite.loading import load_suite
from clipbench.tasks.base import ArrayFeatures, ImageSet, Inputs
from clipbench.tasks.classify.zero_shot import ZeroShot, ZeroShotSettings
from clipbench.tasks.probe.wise_ft import WiseFt, WiseFtSettings

DIGITS = tuple("0123456789")
SCALE = 20.0


def settings(**keys):
    return WiseFtSettings.model_validate({"task": "wise_ft", "datasets": ["toys"], **keys})


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


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
def toys(digits, texts, model, facts):
    """toys(train=slice, test=slice, ...): inputs of rows of the digits."""

    def make(classes=DIGITS, main_metric="", vectors=None, bias=0.0, **rows):
        features, labels = digits
        features, labels = (values[labels < len(classes)] for values in (features, labels))
        sets = {}
        for split, chosen in rows.items():
            places = np.arange(len(labels))[chosen]
            stored = {"projected": ArrayFeatures(features[places])}
            sets[split] = ImageSet([f"digit-{place}" for place in places], stored, labels=labels[places])
        dataset = facts(classes, splits=tuple(sets), main_metric=main_metric)
        known = texts if vectors is None else vectors
        return Inputs(
            dataset, model(scale=SCALE, bias=bias), sets, lambda strings: np.stack([known[s] for s in strings])
        )

    return make


HALVES = {"train": slice(0, 900), "val": slice(900, 1200), "test": slice(1200, None)}


def evaluate(inputs, prompts, **keys):
    own = settings(**keys)
    WiseFt().needs(own, inputs.dataset, inputs.model, prompts)
    return WiseFt().evaluate(inputs, own, prompts)


def values(outcome):
    return {metric.name: metric.value for metric in outcome.metrics}


def metric(outcome, name):
    return next(found for found in outcome.metrics if found.name == name)


def zero_shot(inputs, prompts):
    return ZeroShot().evaluate(inputs, ZeroShotSettings(task="zero_shot", datasets=("toys",)), prompts)


def scikit(inputs, C, *splits):
    """A tight fit without intercept on the unit features of some splits."""
    features = np.concatenate([unit(inputs.sets[split].features["projected"].array) for split in splits])
    labels = np.concatenate([inputs.sets[split].labels for split in splits])
    estimator = LogisticRegression(C=C, fit_intercept=False, tol=1e-10, max_iter=1000, solver="newton-cholesky")
    return estimator.fit(features.astype(np.float64), labels)


def scores(weight, inputs, split="test"):
    return unit(inputs.sets[split].features["projected"].array.astype(np.float64)) @ weight.T


def text_weight(texts, classes=DIGITS):
    return SCALE * unit(np.stack([texts[name] for name in classes]).astype(np.float64))


def test_its_ends_are_zero_shot_and_scikit_learns_fit_and_between_lie_their_mixtures(toys, prompted, texts):
    inputs, prompts = toys(**HALVES), prompted(*DIGITS)
    outcome = evaluate(inputs, prompts, C=1)
    truth = inputs.sets["test"].labels
    assert values(outcome)["zero_shot_top1"] == values(zero_shot(inputs, prompts))["top1"]
    fitted, origin = scikit(inputs, 1, "train", "val").coef_, text_weight(texts)
    curve = outcome.tables["alpha_curve"]
    for alpha, top1 in zip(curve["alpha"], curve["top1"], strict=True):
        mixed = scores(alpha * fitted + (1 - alpha) * origin, inputs).argmax(axis=1)
        assert top1 == pytest.approx((mixed == truth).mean(), abs=1.5 / len(truth))
    half = scores((fitted + origin) / 2, inputs).argmax(axis=1)
    assert (outcome.examples["prediction"] == half).mean() >= 0.998
    assert values(outcome)["zero_shot_top1"] < values(outcome)["top1"] < values(outcome)["fitted_top1"]


def test_the_validation_heads_have_not_seen_the_held_out_part_and_choose_c_and_alpha(toys, prompted, texts):
    inputs, prompts = toys(**HALVES), prompted(*DIGITS)
    outcome = evaluate(inputs, prompts)
    main, chosen = metric(outcome, "top1"), metric(outcome, "top1_at_chosen_alpha")
    curve, tried = outcome.tables["alpha_curve"], outcome.tables["validation_curve"]
    part, origin = scikit(inputs, main.params["C"], "train").coef_, text_weight(texts)
    truth = inputs.sets["val"].labels
    for alpha, score in zip(curve["alpha"], curve["validation"], strict=True):
        mixed = scores(alpha * part + (1 - alpha) * origin, inputs, "val").argmax(axis=1)
        assert score == pytest.approx((mixed == truth).mean(), abs=1.5 / len(truth))
    best = curve["alpha"][curve["validation"] == curve["validation"].max()].min()
    assert chosen.params == {"alpha": best, "chosen_on": "val", "chosen_by": "top1"}
    assert chosen.value == curve["top1"][curve["alpha"] == best].item()
    assert tried["score"][tried["chosen"]].item() == tried["score"].max()
    assert tried["C"][tried["chosen"]].item() == main.params["C"]
    assert tried.columns.tolist() == ["C", "score", "metric", "iterations", "converged", "chosen"]


def test_of_alphas_that_validate_equally_the_smaller_is_chosen(toys, prompted):
    inputs = toys(train=slice(0, 900), val=slice(0, 5), test=slice(1200, None))
    outcome = evaluate(inputs, prompted(*DIGITS), C=100)
    curve = outcome.tables["alpha_curve"]
    assert (curve["validation"][curve["alpha"] >= 0.9] == 1).all()
    first = curve["alpha"][curve["validation"] == 1].min()
    assert metric(outcome, "top1_at_chosen_alpha").params["alpha"] == first < 1


def test_nothing_is_chosen_on_the_test_split(toys, prompted):
    inputs, prompts = toys(**HALVES), prompted(*DIGITS)
    wrong = ImageSet(
        inputs.sets["test"].ids, inputs.sets["test"].features, labels=(inputs.sets["test"].labels + 1) % 10
    )
    altered = Inputs(inputs.dataset, inputs.model, {**inputs.sets, "test": wrong}, inputs.text)
    first, second = evaluate(inputs, prompts), evaluate(altered, prompts)
    assert metric(first, "top1").params["C"] == metric(second, "top1").params["C"]
    assert metric(first, "top1_at_chosen_alpha").params == metric(second, "top1_at_chosen_alpha").params
    assert first.tables["validation_curve"].equals(second.tables["validation_curve"])


def test_without_a_validation_split_a_fifth_of_train_is_held_out(toys, prompted):
    outcome = evaluate(toys(train=slice(0, 900), test=slice(900, None)), prompted(*DIGITS), C=1)
    assert metric(outcome, "top1_at_chosen_alpha").params["chosen_on"] == "a fifth of train, stratified, seed 0"
    assert metric(outcome, "top1").params["chosen_on"] == "fixed"
    assert metric(outcome, "top1").params["n_train"] == 900
    assert "validation_curve" not in outcome.tables


def test_a_strong_pull_towards_the_text_classifier_leaves_zero_shot_at_every_alpha(toys, prompted):
    inputs, prompts = toys(**HALVES), prompted(*DIGITS)
    pulled = evaluate(inputs, prompts, C=1e-9, towards="text_classifier")
    expected = values(zero_shot(inputs, prompts))["top1"]
    assert set(pulled.tables["alpha_curve"]["top1"]) == {expected}
    assert metric(pulled, "top1").params["towards"] == "text_classifier"
    free = evaluate(inputs, prompts, C=1e-9)
    assert values(free)["fitted_top1"] != expected


def test_a_weak_pull_towards_the_text_classifier_fits_the_data(toys, prompted):
    inputs, prompts = toys(**HALVES), prompted(*DIGITS)
    zero, text = (evaluate(inputs, prompts, C=1, towards=towards) for towards in ("zero", "text_classifier"))
    assert values(text)["fitted_top1"] > values(text)["zero_shot_top1"] + 0.05
    assert values(text)["fitted_top1"] == pytest.approx(values(zero)["fitted_top1"], abs=0.02)


@pytest.mark.parametrize("towards", ["zero", "text_classifier"])
def test_two_classes_are_one_score(toys, prompted, texts, towards):
    inputs, prompts = (
        toys(DIGITS[:2], train=slice(0, 200), val=slice(200, 260), test=slice(260, None)),
        prompted("0", "1"),
    )
    outcome = evaluate(inputs, prompts, C=0.01, towards=towards, alphas=[])
    truth = inputs.sets["test"].labels
    assert outcome.tables["alpha_curve"]["alpha"].tolist() == [0, 0.5, 1]
    assert values(outcome)["zero_shot_top1"] == values(zero_shot(inputs, prompts))["top1"]
    if towards == "zero":
        fitted = scikit(inputs, 0.01, "train", "val").coef_
        difference = text_weight(texts, "01")[1:] - text_weight(texts, "01")[:1]
        half = scores((fitted + difference) / 2, inputs)[:, 0] > 0
        assert outcome.examples["prediction"].tolist() == half.astype(int).tolist()
        assert values(outcome)["fitted_top1"] == ((scores(fitted, inputs)[:, 0] > 0) == truth).mean()


def test_fewer_examples_than_features(toys, prompted, texts):
    inputs = toys(train=slice(0, 30), val=slice(30, 60), test=slice(1200, None))
    outcome = evaluate(inputs, prompted(*DIGITS), C=1)
    fitted, truth = scikit(inputs, 1, "train", "val").coef_, inputs.sets["test"].labels
    assert metric(outcome, "top1").params["n_train"] == 60 < 64
    expected = (scores(fitted, inputs).argmax(axis=1) == truth).mean()
    assert values(outcome)["fitted_top1"] == pytest.approx(expected, abs=1.5 / len(truth))


def test_equal_prompts_and_equal_vectors_are_decided_as_in_zero_shot(toys, prompted, texts):
    vectors = {**texts, "6": texts["5"]}
    inputs = toys(vectors=vectors, bias=-10.0, **HALVES)
    prompts = prompted(*DIGITS, **{"8": ("3",)})
    reference, outcome = zero_shot(inputs, prompts), evaluate(inputs, prompts, C=1)
    assert values(outcome)["zero_shot_top1"] == values(reference)["top1"]
    equal, tied = outcome.notes
    assert equal.startswith("Equal prompts: 3 and 8. At alpha 0 the lower index wins, as in zero_shot;")
    assert tied == "Different prompts, same embedding: 5 = 6. At alpha 0 these ties count as wrong."
    assert values(outcome)["fitted_top1"] > values(outcome)["zero_shot_top1"] + 0.2


def test_the_records_and_their_intervals(toys, prompted):
    outcome = evaluate(toys(**HALVES), prompted(*DIGITS), C=1, alphas=[0.25])
    names = [*("top1", "top5", "mean_per_class_recall"), *("zero_shot_top1", "fitted_top1", "top1_at_chosen_alpha")]
    assert [found.name for found in outcome.metrics] == names
    assert [found.name for found in outcome.metrics if found.main] == ["top1"]
    assert {found.interval.kind for found in outcome.metrics} == {"wilson", "bootstrap"}
    said = {"alpha": 0.5, "C": 1, "features": "projected", "normalised": True, "towards": "zero", "n_classes": 10}
    assert said.items() <= metric(outcome, "top1").params.items()
    assert metric(outcome, "top1").params["converged"] is True
    curve = outcome.tables["alpha_curve"]
    assert curve.columns.tolist() == ["alpha", "top1", "low", "high", "validation"]
    assert curve["alpha"].tolist() == [0, 0.25, 0.5, 1]
    assert ((curve["low"] < curve["top1"]) & (curve["top1"] < curve["high"])).all()
    assert outcome.examples["correct"].mean() == curve["top1"][2] == values(outcome)["top1"]
    assert set(outcome.seconds) == {"search", "refit", "test"}


def test_mean_per_class_recall_is_what_alpha_is_chosen_by_where_the_data_set_reports_it(toys, prompted):
    outcome = evaluate(toys(main_metric="mean_per_class_recall", **HALVES), prompted(*DIGITS), C=1)
    assert metric(outcome, "top1_at_chosen_alpha").params["chosen_by"] == "mean_per_class_recall"
    assert metric(outcome, "mean_per_class_recall").main
    assert metric(outcome, "mean_per_class_recall").params["alpha"] == 0.5


def test_what_is_amiss_with_the_fit_is_said(toys, prompted):
    outcome = evaluate(toys(**HALVES), prompted(*DIGITS), max_iterations=1)
    assert metric(outcome, "top1").params["converged"] is False
    assert any("had not converged after 1 iterations" in note for note in outcome.notes)
    assert any("fits of the search had not converged" in note for note in outcome.notes)


def test_it_asks_for_every_split_and_prompt(model, facts, prompted):
    dataset = facts(DIGITS, splits=("train", "validation", "test"))
    needs = WiseFt().needs(settings(), dataset, model(), prompted(*DIGITS))
    assert (needs.splits, needs.features) == (("train", "validation", "test"), ("projected",))
    assert needs.strings == DIGITS
    counts = {"train": 1000, "validation": 100, "test": 10**9}
    assert 4 * 1100 * 512 < needs.memory(counts, 512) < 10**9


def test_what_it_refuses(model, facts, prompted):
    splits = ("train", "test")

    def refusal(dataset, by, prompts=None, **keys):
        with pytest.raises(UserError) as caught:
            WiseFt().needs(settings(**keys), dataset, by, prompts or prompted(*DIGITS))
        return str(caught.value)

    dataset = facts(DIGITS, splits=splits)
    assert refusal(dataset, model(has_text=False, features=("backbone",))) == (
        "toy: wise_ft needs a model that embeds images and texts in one space; choose a CLIP-style model"
    )
    assert "this data set is multi-label" in refusal(facts(DIGITS, multilabel=True, splits=splits), model())
    assert "prompts 'toy' are for 2 classes, the data set has 10" in refusal(dataset, model(), prompted("a", "b"))
    assert "tested on the split that it learns from" in refusal(dataset, model(), split="train")
    assert "there is no split 'dev'" in refusal(dataset, model(), val_split="dev")
    with pytest.raises(UserError, match="wise_ft needs prompts"):
        WiseFt().needs(settings(), dataset, model(), None)


def test_each_prompt_choice_is_a_job():
    found = settings(prompts=["photo", "a {}."], towards="text_classifier").variants()
    assert [one.variant for one in found] == [
        "photo, towards the text classifier",
        "a {}., towards the text classifier",
    ]
    assert [one.prompt_choices() for one in found] == [("photo",), ("a {}.",)]
    plain = settings()
    assert (plain.variants(), plain.variant, plain.prompt_choices()) == ((plain,), "", (None,))
    assert settings(C=1).variant == "C = 1"
    assert plain.alphas == (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)
    assert settings(alphas=0.2, features="projected").every_alpha == (0, 0.2, 0.5, 1)


@pytest.mark.parametrize(
    "keys", [{"features": ["pre_projection"]}, {"normalise": False}, {"alphas": [1.5]}, {"prompts": ["a", "a"]}]
)
def test_wrong_settings(keys):
    with pytest.raises(ValidationError):
        settings(**keys)


SUITE = """
name: both
datasets:
  cifar: {{adapter: hf, path: {cifar}, splits: {{train: train, test: test}}, image: image, label: label}}
tasks:
  - {{task: zero_shot, datasets: cifar, prompts: "a photo of a {{}}.", limit: 200}}
  - {{task: wise_ft, datasets: cifar, prompts: "a photo of a {{}}.", limit: 200}}
  - {{task: few_shot, datasets: cifar, shots: 4, limit: 200}}
"""


@pytest.mark.shared_data
def test_on_real_photographs_alpha_0_is_the_zero_shot_job(shared_data, tmp_path):
    suite = tmp_path / "both.yaml"
    suite.write_text(SUITE.format(cifar=shared_data / "cifar10"))
    options = clipbench.RunOptions(output=tmp_path / "results", cache=tmp_path / "cache", device="cpu", workers=0)
    model = f"open_clip:local-dir:{shared_data / 'models' / 'cifar-clip'}"
    results = clipbench.run(load_suite(suite), [model], options)
    jobs = {job.task: job for job in results.jobs()}
    reference = next(record for record in jobs["zero_shot"].records if record.main)
    found = {record.metric: record for record in jobs["wise_ft"].records}
    assert (found["zero_shot_top1"].value, found["zero_shot_top1"].n) == (reference.value, 200)
    assert (found["zero_shot_top1"].low, found["zero_shot_top1"].high) == (reference.low, reference.high)
    assert {jobs[task].pedigree.data for task in jobs} == {jobs["zero_shot"].pedigree.data}
    assert found["fitted_top1"].value > 0.5
    few = next(record for record in jobs["few_shot"].records if record.main)
    assert 0.2 < few.value < found["fitted_top1"].value
