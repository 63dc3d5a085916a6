"""Nearest neighbours against scikit-learn, on digits and on random features, and what is refused."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from clipbench.errors import UserError
from clipbench.runs.runner import Runner, RunOptions
from clipbench.suite.loading import load_suite
from clipbench.tasks.base import ArrayFeatures, ImageSet, Inputs
from clipbench.tasks.probe.knn import Knn, KnnSettings

pytestmark = pytest.mark.filterwarnings("error")

AXES = {"a": [1, 0, 0], "b": [0, 1, 0], "c": [0, 0, 1]}


def settings(**keys):
    return KnnSettings.model_validate({"task": "knn", "datasets": ["toys"], **keys})


def image_set(features, labels, prefix="image", **fields):
    array = np.asarray(features, np.float32)
    ids = [f"{prefix}-{row}" for row in range(len(array))]
    stored = {"projected": ArrayFeatures(array), "backbone": ArrayFeatures(array)}
    return ImageSet(ids, stored, None if labels is None else np.asarray(labels, np.int64), **fields)


@pytest.fixture
def evaluate(facts, model):
    """evaluate(train (features, labels), test (features, labels), classes, k=..., ...)."""

    def run(train, test, classes, *, the_model=None, main_metric="", **keys):
        dataset = facts(classes, splits=("train", "test"), main_metric=main_metric)
        sets = {"train": image_set(*train, prefix="train"), "test": image_set(*test)}
        inputs = Inputs(dataset, the_model or model(features=("projected", "backbone")), sets, lambda _: None)
        return Knn().evaluate(inputs, settings(**keys), None)

    return run


def values(outcome):
    return {metric.name: metric.value for metric in outcome.metrics}


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
def test_predictions_are_those_of_scikit_learn(evaluate, data, temperature):
    train, test = data()
    classes = [str(label) for label in range(train[1].max() + 1)]
    for k in (1, 5, 20, 200):
        outcome = evaluate(train, test, classes, k=k, temperature=temperature)
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


def test_every_k_is_evaluated_and_the_first_stands_for_the_job(evaluate):
    train, test = digits()
    classes = [str(label) for label in range(10)]
    outcome = evaluate(train, test, classes, k=[10, 1, 40])
    alone = {k: values(evaluate(train, test, classes, k=[k]))["top1"] for k in (1, 10, 40)}
    found = values(outcome)
    assert list(found) == ["top1", "top5", "mean_per_class_recall", "top1_at_k_1", "top1_at_k_40"]
    assert [metric.name for metric in outcome.metrics if metric.main] == ["top1"]
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


def test_length_does_not_matter_only_direction(evaluate):
    train = [[9, 0, 0], [0, 0.1, 0.02]], [0, 1]
    outcome = evaluate(train, ([[0.1, 0.02, 0], [1, 50, 0]], [0, 1]), ["a", "b"], k=1)
    assert values(outcome)["top1"] == 1


def test_near_neighbours_outvote_many_distant_ones(evaluate):
    train = [[1, 0.1], [0, 1], [-1, 1], [-1, 0.5]], [0, 1, 1, 1]
    test = [[1, 0]], [0]
    assert values(evaluate(train, test, ["a", "b"], k=4))["top1"] == 1
    assert values(evaluate(train, test, ["a", "b"], k=4, temperature=None))["top1"] == 0


def test_a_margin_says_how_much_less_similar_the_neighbours_might_be(evaluate):
    train = [[1, 0], [0.6, 0.8]], [0, 1]
    examples = evaluate(train, ([[1, 0], [1, 0]], [0, 1]), ["a", "b"], k=2).examples
    assert examples["margin"].tolist() == pytest.approx([0.4, -0.4], abs=1e-6)
    assert examples["score"][1] == pytest.approx(1 / (1 + np.exp(0.4 / 0.07)), rel=1e-4)


def test_a_tie_of_votes_is_wrong_whichever_class_is_true(evaluate):
    train = [AXES["a"], AXES["b"]], [0, 1]
    outcome = evaluate(train, ([[1, 1, 0], [1, 1, 0]], [0, 1]), ["a", "b"], k=2, temperature=None)
    assert values(outcome)["top1"] == 0
    assert outcome.examples["prediction"].tolist() == [1, 0]
    assert outcome.notes == ("For 2 images two classes lead with equally many votes; such a tie is no right answer.",)


def test_a_training_image_twice_has_two_votes(evaluate):
    train = [AXES["a"], [1, 1, 0], [1, 1, 0]], [0, 1, 1]
    test = [[1, 0.35, 0]], [1]
    assert values(evaluate(train, test, ["a", "b"], k=[2, 3], temperature=None)) == {
        "top1": 0,
        "mean_per_class_recall": 0,
        "top1_at_k_3": 1,
    }


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_of_training_images_that_are_equal_the_first_is_the_nearest(evaluate, order):
    random = np.random.default_rng(0)
    one = random.normal(size=(1, 33))
    features = np.concatenate([random.normal(size=(6, 33)), one, random.normal(size=(7, 33)), one])
    labels = np.array([2] * 6 + [order[0]] + [2] * 7 + [order[1]])
    outcome = evaluate((features, labels), (one, [0]), ["a", "b", "c"], k=[1, 2])
    assert outcome.examples["prediction"].tolist() == [order[0]]
    assert values(outcome)["top1_at_k_2"] == 0, "with both, the two classes tie"


def test_classes_without_a_vote_rank_last(evaluate):
    # Seven classes; the neighbours are of one class, so the true one is not among the five best of the others.
    train = np.concatenate([np.eye(7), np.eye(7)[:1]]), [0, 1, 2, 3, 4, 5, 6, 0]
    test = [[9, 0, 0, 0, 0, 0, 1], [9, 0, 0, 0, 0, 0, 1]], [6, 0]
    outcome = evaluate(train, test, list("abcdefg"), k=2)
    assert values(outcome) == {"top1": 0.5, "top5": 0.5, "mean_per_class_recall": 0.5}
    examples = outcome.examples
    assert examples["score"].tolist() == [0, 1]
    assert examples["margin"].isna().all(), "no other class has a vote to be compared with"
    assert outcome.pictures[0].caption == "true: g; predicted: a (1.00)"


def test_a_model_that_sees_no_difference_gets_no_more_than_the_first_votes(evaluate):
    train, test = (np.ones((300, 5)), np.arange(300) % 3), (np.ones((30, 5)), np.arange(30) % 3)
    found = values(evaluate(train, test, list("abc"), k=[30, 1, 31]))
    assert (found["top1"], found["top1_at_k_1"]) == (0, pytest.approx(1 / 3))


class Pieces:
    """Features that come in other pieces than were asked for."""

    def __init__(self, array, rows):
        self.array, self.rows, self.shape = np.asarray(array, np.float32), rows, np.shape(array)

    def chunks(self, rows=4096):
        yield from ArrayFeatures(self.array).chunks(self.rows)

    def load(self):
        pytest.fail("the whole set was loaded")


def test_chunks_do_not_change_anything(facts, model):
    (train, train_labels), (test, test_labels) = clusters()
    dataset = facts([str(label) for label in range(12)], splits=("train", "test"))
    frames = []
    for rows in (1, 37, 5000):
        sets = {
            name: ImageSet([f"{row}" for row in range(len(labels))], {"projected": Pieces(features, rows)}, labels)
            for name, features, labels in (("train", train, train_labels), ("test", test, test_labels))
        }
        outcome = Knn().evaluate(Inputs(dataset, model(), sets, lambda _: None), settings(), None)
        frames.append((outcome.examples, outcome.tables["k_curve"], values(outcome)))
    for examples, curve, found in frames[1:]:
        numbers = ["margin", "score"]
        assert examples.drop(columns=numbers).equals(frames[0][0].drop(columns=numbers))
        np.testing.assert_allclose(examples[numbers], frames[0][0][numbers], atol=1e-5)
        assert curve.equals(frames[0][1])
        assert found == frames[0][2]


def test_images_without_a_label_are_left_out_of_both_splits(evaluate):
    train = [AXES["a"], AXES["b"], [0.9, 1, 0]], [0, 1, -1]
    test = [[0.9, 1, 0], [1, 0, 0], [1, 0, 0]], [1, -1, 0]
    outcome = evaluate(train, test, ["a", "b"], k=1)
    assert outcome.examples["id"].tolist() == ["image-0", "image-2"]
    assert values(outcome)["top1"] == 1
    assert outcome.metrics[0].params["n_train"] == 2
    assert outcome.notes == (
        "Left out for want of a label: 1 of 3 images.",
        "Left out of the training images for want of a label: 1.",
    )


def test_a_k_beyond_the_training_images_is_left_out_with_a_note(evaluate):
    train = [AXES["a"], AXES["b"], AXES["c"]], [0, 1, 2]
    outcome = evaluate(train, ([AXES["a"]], [0]), list("abc"), k=[1, 3, 200, 4])
    assert outcome.tables["k_curve"]["k"].tolist() == [1, 3]
    assert "top1_at_k_4" not in values(outcome)
    assert outcome.notes[-1] == "Left out, as there are 3 training images: k = 4, 200."


def test_the_first_k_beyond_the_training_images_is_an_error(evaluate):
    with pytest.raises(UserError) as caught:
        evaluate(([AXES["a"], AXES["b"], AXES["a"]], [0, 1, -1]), ([AXES["a"]], [0]), ["a", "b"], k=[3, 1])
    assert str(caught.value) == (
        "toys, split train: k: 3 nearest neighbours were asked for, among 2 training images; "
        "give a smaller k, or raise --limit"
    )


def test_the_declared_main_metric_stands_for_the_job(evaluate):
    train = [AXES["a"], AXES["b"]], [0, 1]
    outcome = evaluate(train, train, ["a", "b"], k=1, main_metric="mean_per_class_recall")
    (main,) = (metric for metric in outcome.metrics if metric.main)
    assert (main.name, main.params["k"], main.params["classes"]) == ("mean_per_class_recall", 1, 2)


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_features_without_direction_are_refused_by_split_and_id(evaluate, split, value):
    bad = [[1, 0], [value, value]], [0, 1]
    good = np.eye(2), [0, 1]
    name = "train-1" if split == "train" else "image-1"
    with pytest.raises(UserError, match=f"toy, toys, split {split}: .*NaN, infinite or all zero: 1 .*'{name}'"):
        evaluate(bad if split == "train" else good, bad if split == "test" else good, ["a", "b"], k=1)


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 7], "labels outside the 2 classes: 1, the first 7"),
        ([-1, -1], "no image has a label"),
        (None, "not every image has a label"),
    ],
)
def test_labels_that_cannot_be_used_are_refused_by_split(evaluate, split, labels, message):
    bad, good = (np.eye(2), labels), (np.eye(2), [0, 1])
    with pytest.raises(UserError, match=f"toys, split {split}: {message}"):
        evaluate(bad if split == "train" else good, bad if split == "test" else good, ["a", "b"], k=1)


def test_a_class_without_a_training_image_is_refused_by_name(evaluate):
    with pytest.raises(UserError, match="toys, split train: 1 of 3 classes have no image: c"):
        evaluate((np.eye(3)[:2], [0, 1]), (np.eye(3), [0, 1, 2]), list("abc"), k=1)


def test_training_images_of_one_class_are_refused(evaluate):
    with pytest.raises(UserError, match="toys, split train: every image is of one class, 'b'"):
        evaluate((np.eye(3), [1, 1, 1]), (np.eye(3), [0, 1, 2]), list("abc"), k=1)


def test_a_split_without_readable_images_is_refused(evaluate):
    with pytest.raises(UserError, match="toys, split test: has no readable images"):
        evaluate((np.eye(2), [0, 1]), (np.zeros((0, 2)), []), ["a", "b"], k=1)


def test_an_image_only_model_works(facts, model):
    baseline = model(has_text=False, features=("backbone",))
    dataset = facts(["a", "b"], splits=("train", "test"))
    assert Knn().needs(settings(), dataset, baseline, None).features == ("backbone",)
    sets = {name: ImageSet(["x", "y"], {"backbone": ArrayFeatures(np.eye(2, dtype=np.float32))}, np.arange(2))
            for name in ("train", "test")}  # fmt: skip
    outcome = Knn().evaluate(Inputs(dataset, baseline, sets, lambda _: None), settings(k=1), None)
    assert values(outcome)["top1"] == 1
    assert outcome.notes == ()


def test_a_model_with_one_kind_of_features_says_so(evaluate, model):
    outcome = evaluate((np.eye(2), [0, 1]), (np.eye(2), [0, 1]), ["a", "b"], k=1, the_model=model())
    assert outcome.notes == (
        "The model gives one kind of features, so there is nothing before a projection: those were used.",
    )


@pytest.mark.parametrize(
    ("dataset", "keys", "the_model", "message"),
    [
        ({"multilabel": True}, {}, {}, "toys: knn lets each training image vote for one class; .* use linear_probe"),
        ({"classes": ["a"]}, {}, {}, "toys: knn needs at least two classes, this has 1"),
        ({"splits": ("test",)}, {}, {}, "toys: there is no split 'train'; it has: test"),
        ({}, {"split": "train"}, {}, "toys: knn would be tested on the split that it learns from, 'train'"),
        ({}, {"features": "projected"}, {"features": ("backbone",)}, "toy: knn on projected features needs a model"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_embedded(facts, model, dataset, keys, the_model, message):
    described = facts(**{"classes": ["a", "b"], "splits": ("train", "test"), **dataset})
    with pytest.raises(UserError, match=message):
        Knn().needs(settings(**keys), described, model(**the_model), None)


def test_needs_are_both_splits_no_text_and_the_training_features_in_memory(facts, model):
    needs = Knn().needs(settings(), facts(["a", "b"], splits=("train", "test")), model(), None)
    assert (needs.splits, needs.features, needs.strings) == (("train", "test"), ("projected",), ())
    more, less = (needs.memory({"train": count, "test": 50_000}, 768) for count in (1_280_000, 640_000))
    assert more - less == 640_000 * 768 * 4


def test_memory_does_not_grow_with_the_images_tested(facts, model):
    class Generated:
        def __init__(self, count):
            self.shape = (count, 256)

        def chunks(self, rows=4096):
            for start in range(0, self.shape[0], rows):
                size = min(rows, self.shape[0] - start)
                yield start, np.random.default_rng(start).standard_normal((size, 256), np.float32)

        def load(self):
            pytest.fail("the whole set was loaded")

    def peak(count):
        sets = {name: ImageSet([""] * n, {"projected": Generated(n)}, np.arange(n) % 200)
                for name, n in (("train", 400), ("test", count))}  # fmt: skip
        dataset = facts([f"class {index}" for index in range(200)], splits=("train", "test"))
        tracemalloc.start()
        try:
            Knn().evaluate(Inputs(dataset, model(), sets, lambda _: None), settings(k=[200, 1]), None)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1000)  # imports
    few, many = peak(10_000), peak(25_000)
    # The per-example table grows by some 200 bytes an image; neighbours would by 3,200 and features by 1,024.
    assert many - few < 15_000 * 250


def test_each_kind_of_features_is_a_variant():
    both = settings(features=["pre_projection", "projected"]).variants()
    assert [variant.variant for variant in both] == ["", "projected"]


@pytest.mark.parametrize(
    ("keys", "variant"),
    [
        ({"k": [20, 1]}, ""),
        ({"k": 5}, "k = 5"),
        ({"temperature": None}, "unweighted"),
        ({"temperature": 0.1, "features": "projected"}, "projected, temperature 0.1"),
    ],
)
def test_what_changes_the_number_of_the_job_is_in_its_variant(keys, variant):
    assert settings(**keys).variant == variant


def test_one_k_stands_for_a_list_of_one():
    assert settings(k=5) == settings(k=[5])
    assert settings().k == (20, 1, 5, 10, 50, 100, 200)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"k": []}, "at least 1 item"),
        ({"k": [5, 0]}, "greater than 0"),
        ({"k": [-1]}, "greater than 0"),
        ({"k": [5, 2.5]}, "valid integer"),
        ({"k": ["5"]}, "valid integer"),
        ({"k": True}, "valid integer"),
        ({"k": [1, 5, 1]}, "named twice: 1"),
        ({"temperature": 0}, "greater than or equal to 0.0001"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": float("inf")}, "less than or equal to 100"),
        ({"normalise": False}, "by their cosine, for which features have length 1; delete this key"),
        ({"neighbours": 5}, "not permitted"),
    ],
)
def test_wrong_settings_are_refused(keys, message):
    with pytest.raises(ValidationError, match=message):
        settings(**keys)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("k: [20, 0]", "tasks[0].k[1]: 0 is not allowed: it should be greater than 0"),
        ("k: [20, 1.5]", "tasks[0].k[1]: expected a whole number, got 1.5"),
        ("k: [20, 5, 20]", "tasks[0].k: named twice: 20"),
        (
            "normalise: false",
            "tasks[0].normalise: knn compares images by their cosine, for which features have length 1; "
            "delete this key",
        ),
    ],
)
def test_a_suite_says_where_its_settings_are_wrong(tmp_path, line, message):
    (tmp_path / "suite.yaml").write_text(f"name: s\ntasks:\n  - task: knn\n    datasets: digits\n    {line}\n")
    with pytest.raises(UserError) as caught:
        load_suite(tmp_path / "suite.yaml")
    assert str(caught.value).endswith(f"suite.yaml:5: {message}")


def test_a_suite_may_leave_everything_to_the_defaults(tmp_path):
    (tmp_path / "suite.yaml").write_text("name: s\ntasks:\n  - {task: knn, datasets: digits, temperature: null}\n")
    (task,) = load_suite(tmp_path / "suite.yaml").tasks
    assert (task.k[0], task.temperature, task.normalise) == (20, None, True)


def test_a_run_keeps_the_records_the_curve_and_the_seconds(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "examples"))
    suite = "name: s\ntasks:\n  - {task: knn, datasets: digits, k: [5, 1, 999], temperature: null, limit: 200}\n"
    (tmp_path / "suite.yaml").write_text(suite)
    options = RunOptions(output=tmp_path / "results", cache=tmp_path / "cache", device="cpu", workers=0)
    runner = Runner(load_suite(tmp_path / "suite.yaml"), ["colour_words_model:ColourWords"], options)
    runner.run()
    (job,) = runner.results.jobs()
    assert (job.status, job.variant, job.pedigree.prompts) == ("done", "k = 5, unweighted", "")
    assert job.main is not None
    assert job.main.params.items() >= {"k": 5, "temperature": None, "n_train": 200}.items()
    assert job.tables["k_curve"].frame()["k"].tolist() == [1, 5]
    assert job.provenance["seconds_of"].keys() == {"neighbours"}
    assert "k = 999." in job.notes[-1]
    assert runner.results.examples(job.hash)["correct"].mean() == job.main.value
