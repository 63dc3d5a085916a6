"""Nearest neighbours against scikit-learn, on digits and on random features."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from clipbench.tasks.base import ArrayFeatures
from clipbench.tasks.probe.knn import Knn

from .conftest import DIGITS, evaluate, main, refusal, settings_of, values

pytestmark = pytest.mark.filterwarnings("error")

AXES = {"a": [1, 0, 0], "b": [0, 1, 0], "c": [0, 0, 1]}


@pytest.fixture
def knn(world):
    """knn(train (features, labels), test (features, labels), classes, k=..., ...)."""

    def run(train, test, classes, *, main_metric="", **keys):
        return evaluate(Knn, world(classes, train=train, test=test, main_metric=main_metric), **keys)

    return run


def digits():
    pixels, labels = load_digits(return_X_y=True)
    return (pixels[::2], labels[::2]), (pixels[1::2], labels[1::2])


def clusters():
    random = np.random.default_rng(0)
    centres, labels = random.normal(size=(12, 40)), random.integers(0, 12, 1500)
    features = centres[labels] + 2.5 * random.normal(size=(1500, 40)) + 1
    return (features[:1000], labels[:1000]), (features[1000:], labels[1000:])


@pytest.mark.parametrize("temperature", [0.07, None])
@pytest.mark.parametrize("data", [digits, clusters])
def test_predictions_are_those_of_scikit_learn(knn, data, temperature):
    train, test = data()
    classes = [str(label) for label in range(train[1].max() + 1)]
    for k in (1, 5, 20, 200):
        outcome = knn(train, test, classes, k=k, temperature=temperature)
        weights = (lambda distances: np.exp((1 - distances) / temperature)) if temperature else "uniform"
        peer = KNeighborsClassifier(k, metric="cosine", algorithm="brute", weights=weights).fit(*train)
        shares = peer.predict_proba(test[0])
        clear = np.diff(np.sort(shares, axis=1)[:, -2:])[:, 0] > 1e-9
        assert clear.mean() > (0.75 if temperature is None else 0.999)
        examples = outcome.examples
        assert np.array_equal(examples["prediction"][clear], shares.argmax(axis=1)[clear])
        np.testing.assert_allclose(examples["score"], shares[np.arange(len(shares)), test[1]], rtol=1e-4, atol=1e-7)
        strict = clear & (shares.argmax(axis=1) == test[1])
        assert examples["correct"].tolist() == strict.tolist(), "a tie of votes is no right answer"
        assert values(outcome)["top1"] == strict.mean()


def test_every_k_is_evaluated_and_the_first_stands_for_the_job(knn):
    train, test = digits()
    outcome = knn(train, test, DIGITS, k=[10, 1, 40])
    alone = {k: values(knn(train, test, DIGITS, k=[k]))["top1"] for k in (1, 10, 40)}
    found = values(outcome)
    assert list(found) == ["top1", "top5", "mean_per_class_recall", "top1_at_k_1", "top1_at_k_40"]
    assert main(outcome).name == "top1"
    assert (found["top1"], found["top1_at_k_1"], found["top1_at_k_40"]) == (alone[10], alone[1], alone[40])
    curve = outcome.tables["k_curve"]
    assert curve.columns.tolist() == ["k", "top1", "low", "high"]
    assert dict(zip(curve["k"], curve["top1"], strict=True)) == alone
    assert curve["k"].tolist() == [1, 10, 40]
    assert ((curve["low"] < curve["top1"]) & (curve["top1"] < curve["high"])).all()
    params = {metric.name: metric.params for metric in outcome.metrics}
    common = {"temperature": 0.07, "features": "pre_projection", "normalised": True, "n_train": 899}
    assert params["top1"].items() >= {"k": 10, **common}.items()
    assert params["top1_at_k_40"] == {"k": 40, **common}
    assert {metric.interval.kind for metric in outcome.metrics if "top1" in metric.name} == {"wilson"}
    assert outcome.seconds["neighbours"] > 0


def test_a_margin_says_how_much_less_similar_the_neighbours_might_be(knn):
    train = [[1, 0], [0.6, 0.8]], [0, 1]
    examples = knn(train, ([[1, 0], [1, 0]], [0, 1]), ["a", "b"], k=2).examples
    assert examples["margin"].tolist() == pytest.approx([0.4, -0.4], abs=1e-6)
    assert examples["score"][1] == pytest.approx(1 / (1 + np.exp(0.4 / 0.07)), rel=1e-4)


def test_a_tie_of_votes_is_wrong_whichever_class_is_true(knn):
    train = [AXES["a"], AXES["b"]], [0, 1]
    outcome = knn(train, ([[1, 1, 0], [1, 1, 0]], [0, 1]), ["a", "b"], k=2, temperature=None)
    assert main(outcome).value == 0
    assert outcome.examples["prediction"].tolist() == [1, 0]
    assert outcome.notes == ("For 2 images two classes lead with equally many votes; such a tie is no right answer.",)


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_of_training_images_that_are_equal_one_of_another_class_is_nearer(knn, order):
    random = np.random.default_rng(0)
    twin = random.normal(size=(1, 33))
    features = np.concatenate([random.normal(size=(6, 33)), twin, random.normal(size=(7, 33)), twin])
    labels = np.array([2] * 6 + [order[0]] + [2] * 7 + [order[1]])
    outcome = knn((features, labels), (twin, [0]), ["a", "b", "c"], k=[1, 2])
    assert outcome.examples["prediction"].tolist() == [1], "whichever comes first"
    assert values(outcome)["top1_at_k_2"] == 0, "with both, the two classes tie"


def test_classes_without_a_vote_rank_last(knn):
    # Seven classes; the neighbours are of one class, so the true one is not among the five best of the others.
    train = np.concatenate([np.eye(7), np.eye(7)[:1]]), [0, 1, 2, 3, 4, 5, 6, 0]
    test = [[9, 0, 0, 0, 0, 0, 1], [9, 0, 0, 0, 0, 0, 1]], [6, 0]
    outcome = knn(train, test, list("abcdefg"), k=2)
    assert values(outcome) == {"top1": 0.5, "top5": 0.5, "mean_per_class_recall": 0.5}
    examples = outcome.examples
    assert examples["score"].tolist() == [0, 1]
    assert examples["margin"].isna().all(), "no other class has a vote to be compared with"
    assert outcome.pictures[0].caption == "true: g; predicted: a (1.00)"


def test_a_model_that_sees_no_difference_is_never_right(knn):
    train, test = (np.ones((300, 5)), np.arange(300) % 3), (np.ones((30, 5)), np.arange(30) % 3)
    found = values(knn(train, test, list("abc"), k=[30, 1, 31, 300]))
    assert [found[name] for name in ("top1", "top1_at_k_1", "top1_at_k_31", "top1_at_k_300")] == [0, 0, 0, 0]


class Pieces:
    """Features that come in other pieces than were asked for."""

    def __init__(self, array, rows):
        self.array, self.rows, self.shape = np.asarray(array, np.float32), rows, np.shape(array)

    def chunks(self, rows=4096):
        yield from ArrayFeatures(self.array).chunks(self.rows)


def test_chunks_do_not_change_anything(world):
    (train, train_labels), (test, test_labels) = clusters()
    classes, outcomes = [str(label) for label in range(12)], []
    for rows in (1, 37, 5000):
        splits = {"train": (Pieces(train, rows), train_labels), "test": (Pieces(test, rows), test_labels)}
        outcomes.append(evaluate(Knn, world(classes, **splits)))
    first, numbers = outcomes[0], ["margin", "score"]
    for outcome in outcomes[1:]:
        assert outcome.examples.drop(columns=numbers).equals(first.examples.drop(columns=numbers))
        np.testing.assert_allclose(outcome.examples[numbers], first.examples[numbers], atol=1e-5)
        assert outcome.tables["k_curve"].equals(first.tables["k_curve"])
        assert values(outcome) == values(first)


def test_images_without_a_label_are_left_out_of_both_splits(knn):
    train = [AXES["a"], AXES["b"], [0.9, 1, 0]], [0, 1, -1]
    test = [[0.9, 1, 0], [1, 0, 0], [1, 0, 0]], [1, -1, 0]
    outcome = knn(train, test, ["a", "b"], k=1)
    assert outcome.examples["id"].tolist() == ["test-0", "test-2"]
    assert main(outcome).value == 1
    assert main(outcome).params["n_train"] == 2
    assert outcome.notes == (
        "Left out for want of a label: 1 of 3 images.",
        "Left out of the training images for want of a label: 1.",
    )


def test_a_k_beyond_the_training_images_is_left_out_with_a_note_unless_it_is_the_first(knn):
    train, test = ([AXES["a"], AXES["b"], AXES["c"]], [0, 1, 2]), ([AXES["a"]], [0])
    outcome = knn(train, test, list("abc"), k=[1, 3, 200, 4])
    assert outcome.tables["k_curve"]["k"].tolist() == [1, 3]
    assert "top1_at_k_4" not in values(outcome)
    assert outcome.notes[-1] == "Left out, as there are 3 training images: k = 4, 200."
    unlabelled = [AXES["a"], AXES["b"], AXES["a"]], [0, 1, -1]
    assert refusal(knn, unlabelled, test, ["a", "b"], k=[3, 1]) == (
        "toys, split train: k: 3 nearest neighbours were asked for, among 2 training images; "
        "give a smaller k, or raise --limit"
    )


def test_needs_are_both_splits_no_text_and_the_training_features_in_memory(facts, model):
    needs = Knn().needs(settings_of(Knn), facts(["a", "b"], splits=("train", "test")), model(), None)
    assert (needs.splits, needs.features, needs.strings) == (("train", "test"), ("projected",), ())
    more, less = (needs.memory({"train": count, "test": 50_000}, 768) for count in (1_280_000, 640_000))
    assert more - less == 640_000 * 768 * 4
