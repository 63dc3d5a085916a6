import numpy as np
import pytest

from clipbench.tasks.classify.zero_shot import ZeroShot

from .conftest import evaluate, main, refusal, settings_of, unit, values

AB = {"a": [1, 0], "b": [0, 1]}


@pytest.fixture
def zero_shot(make_inputs, prompted, facts):
    """zero_shot(images, texts, classes, labels=..., ...): the outcome; each class's own name is its prompt."""

    def run(images, texts, classes, *, prompts=None, main_metric="", **fields):
        inputs = make_inputs(images, texts, facts(classes, main_metric=main_metric), **fields)
        return evaluate(ZeroShot, inputs, prompted(*classes, **(prompts or {})))

    return run


@pytest.fixture
def cats_and_dogs(zero_shot):
    """Three of four images right; the second cat lies nearer to the dogs."""
    images, texts = [[3, 0], [0.6, 0.8], [0, 1], [0, 9]], {"cat": [2, 0], "dog": [0, 5]}
    return zero_shot(images, texts, ("cat", "dog"), labels=[0, 0, 1, 1], groups={"light": list("ddnn")})


def test_metrics_come_with_count_and_interval(zero_shot):
    outcome = zero_shot([[1, 0], [0, 1], [0, 1], [0, 1]] * 10, AB, "ab", labels=[0, 0, 1, 1] * 10)
    assert values(outcome) == {"top1": 0.75, "mean_per_class_recall": 0.75}
    top1, recall = outcome.metrics
    assert (top1.n, top1.interval.kind, top1.main) == (40, "wilson", True)
    assert (top1.interval.low, top1.interval.high) == pytest.approx((0.5981, 0.8581), abs=1e-4)
    assert (recall.interval.kind, recall.main) == ("effective wilson", False)
    assert recall.interval.low <= 0.75 <= recall.interval.high
    assert recall.params == {"classes": 2}


def test_few_images_have_no_interval(zero_shot):
    outcome = zero_shot([[1, 0]] * 9, AB, "ab", labels=[0] * 5 + [1] * 4)
    assert [(metric.n, metric.interval) for metric in outcome.metrics] == [(9, None), (9, None)]
    assert outcome.tables["per_class"][["low", "high"]].isna().all(axis=None)


def test_clustered_images_have_wider_intervals_and_their_cluster_in_the_table(zero_shot):
    right = np.repeat([1, 1, 1, 1, 0] * 8, 10)
    images = [[1, 0] if one else [0, 1] for one in right]
    tracks = [f"track {number // 10}" for number in range(400)]
    apart, together = (
        zero_shot(images, AB, "ab", labels=[0, 0] * 200, clusters=clusters) for clusters in (None, tracks)
    )
    assert together.examples["cluster"].tolist() == tracks
    top1 = main(together)
    assert (top1.value, top1.interval.kind) == (main(apart).value, "cluster wilson")
    # Forty tracks are worth forty images, but for Student's quantile.
    assert top1.interval.high - top1.interval.low > 3 * (main(apart).interval.high - main(apart).interval.low)
    few = zero_shot(images[:190], AB, "ab", labels=[0] * 190, clusters=tracks[:190])
    assert [metric.interval for metric in few.metrics] == [None, None]


def test_accuracies_stand_beside_guessing_and_the_commonest_class(zero_shot):
    outcome = zero_shot([[1, 0]] * 4, {**AB, "c": [-1, -1]}, "abc", labels=[0, 0, 0, 1])
    top1, recall = outcome.metrics
    assert (top1.chance, top1.commonest) == pytest.approx((1 / 3, 0.75))
    assert (recall.chance, recall.commonest) == pytest.approx((1 / 3, 0.5))


def test_examples_say_what_was_decided_and_by_how_much(cats_and_dogs):
    frame = cats_and_dogs.examples
    assert frame.columns.tolist() == [
        *("id", "split", "label", "label_name", "prediction", "prediction_name", "correct", "margin", "score"),
        "group.light",
    ]
    assert frame["prediction_name"].tolist() == ["cat", "dog", "dog", "dog"]
    assert frame["correct"].tolist() == [True, False, True, True]
    assert frame["margin"].tolist() == pytest.approx([1, -0.2, 1, 1])
    # Cosines 0.6 and 0.8 at a scale of 100: exp(-20).
    assert frame["score"][1] == pytest.approx(np.exp(-20), rel=1e-4)


def test_tables_and_pictures(cats_and_dogs):
    tables = cats_and_dogs.tables
    assert tables["per_class"][["class", "n", "correct", "accuracy"]].values.tolist() == [
        ["cat", 2, 1, 0.5],
        ["dog", 2, 2, 1.0],
    ]
    assert tables["confusions"].values.tolist() == [["cat", "dog", 1, 0.5]]
    assert tables["per_group"][["group", "value", "n", "accuracy"]].values.tolist() == [
        ["light", "d", 2, 0.5],
        ["light", "n", 2, 1.0],
    ]
    (picture,) = cats_and_dogs.pictures
    assert (picture.id, picture.role) == ("image-1", "confident mistake")
    assert picture.caption == "true: cat; predicted: dog (1.00)"
    assert (picture.true_label, picture.prediction) == ("cat", "dog (1.00)")


def test_prompts_are_normalised_before_and_after_the_mean(zero_shot):
    # Unnormalised, the long second prompt would pull class a to the image's side.
    texts = {"a": [1, 0, 0], "aa": [0, 100, 0], "b": [0.6, 0.6, 0.5]}
    outcome = zero_shot([[0, 1, 0]], texts, ("a", "b"), prompts={"a": ("a", "aa")}, labels=[0])
    expected = np.sqrt(0.5) - 0.6 / np.linalg.norm([0.6, 0.6, 0.5])
    assert outcome.examples["margin"][0] == pytest.approx(expected, abs=1e-6)


def test_top5_counts_the_five_best_and_needs_more_than_five_classes(zero_shot):
    ranked = [7, 6, 5, 4, 3, 2, 1]  # image i has its true class at rank i + 1
    found = values(zero_shot([ranked] * 7, dict(zip("abcdefg", np.eye(7), strict=True)), "abcdefg", labels=range(7)))
    assert (found["top1"], found["top5"]) == pytest.approx((1 / 7, 5 / 7))
    five = zero_shot([ranked[:5]], dict(zip("abcde", np.eye(5), strict=True)), "abcde", labels=[0])
    assert "top5" not in values(five)


def test_a_tie_between_different_classes_is_wrong(zero_shot):
    outcome = zero_shot([[1, 1], [1, 1], [-1, -1]], {**AB, "c": [-1, -1]}, "abc", labels=[0, 1, 2])
    assert main(outcome).value == pytest.approx(1 / 3)
    assert outcome.examples["prediction_name"].tolist() == ["b", "a", "c"]
    assert main(outcome).params["near_ties"] == 2


def test_a_model_that_sees_no_difference_gets_nothing_right(zero_shot):
    outcome = zero_shot([[1, 2]] * 7, {name: [1, 1] for name in "abcdefg"}, "abcdefg", labels=range(7))
    assert values(outcome) == {"top1": 0, "top5": 0, "mean_per_class_recall": 0}
    assert (outcome.examples["prediction"] != outcome.examples["label"]).all()
    assert outcome.examples["margin"].tolist() == [0] * 7
    assert outcome.notes == (
        "Different prompts, same embedding: a = b = c = d = e = f = g. These ties count as wrong.",
    )
    assert main(outcome).params["near_ties"] == 7


def test_of_classes_with_equal_prompts_the_lower_index_wins_but_strictly_both_are_wrong(zero_shot):
    """As in OpenAI's ImageNet list: two classes of one name."""
    classes, texts = ("missile", "dog", "missile"), {"missile": [1, 0], "dog": [0, 1]}
    outcome = zero_shot([[2, 0], [1, 0], [0, 1], [3, 1]], texts, classes, labels=[0, 2, 1, 0])
    assert outcome.examples["prediction"].tolist() == [0, 0, 1, 0]
    assert outcome.examples["correct"].tolist() == [True, False, True, True]
    assert (values(outcome)["top1"], values(outcome)["strict_top1"]) == (0.75, 0.25)
    assert outcome.examples["score"][0] == pytest.approx(0.5, abs=1e-6), "they share the probability"
    assert outcome.tables["equal_prompts"].values.tolist() == [[0, "missile", 2, "missile", "missile"]]
    (note,) = outcome.notes
    assert note.startswith("Equal prompts: missile (0) and missile (2). The lower index wins")


def test_classes_of_equal_prompts_may_list_them_in_another_order(zero_shot):
    texts = {"x": [1, 0.3], "y": [0.1, 1], "z": [-1, 0], "w": [0.123, 0.456]}
    prompts = {"a": ("x", "y", "w"), "b": ("w", "y", "x"), "c": ("z",)}
    outcome = zero_shot([[1, 1], [1, 1]], texts, ("a", "b", "c"), prompts=prompts, labels=[0, 1])
    assert outcome.examples["correct"].tolist() == [True, False]


def test_near_ties_are_counted(zero_shot):
    top1 = main(zero_shot([[1, 1 - 5e-6], [1, 0.99]], AB, "ab", labels=[0, 0]))
    assert top1.value == 1
    assert top1.params == {"near_ties": 1, "near": 1e-5}


def test_scale_and_bias_change_probabilities_but_no_decision(zero_shot, model):
    random = np.random.default_rng(0)
    texts = dict(zip("abcdefgh", random.normal(size=(8, 16)), strict=True))
    images, labels = random.normal(size=(200, 16)), random.integers(0, 8, 200)
    clip, siglip = (
        zero_shot(images, texts, "abcdefgh", labels=labels, model=model(scale=10, bias=bias)).examples
        for bias in (0, -16.5)
    )
    assert clip["prediction"].tolist() == siglip["prediction"].tolist()
    np.testing.assert_allclose(clip["score"], siglip["score"], rtol=1e-4)


def test_classes_without_images_are_left_out_of_the_mean_and_named(zero_shot):
    outcome = zero_shot([[1, 0], [1, 0], [0, 1]], {**AB, "c": [-1, 0]}, "abc", labels=[0, 1, 1])
    assert values(outcome)["mean_per_class_recall"] == 0.75
    assert outcome.notes == ("Left out of the mean per-class recall for want of images: c.",)
    assert outcome.tables["per_class"]["accuracy"].isna().tolist() == [False, False, True]


def test_all_right_still_leaves_room_for_doubt(zero_shot):
    top1, recall = zero_shot([[1, 0]] * 9 + [[0, 1]], AB, "ab", labels=[0] * 9 + [1]).metrics
    assert recall.interval.high == 1
    assert recall.interval.low < top1.interval.low < 1, "the one image of b carries half of the mean"


def test_images_without_a_label_are_left_out(zero_shot):
    outcome = zero_shot([[1, 0], [1, 0], [0, 1]], AB, "ab", labels=[0, -1, 1])
    assert main(outcome).n == 2
    assert outcome.examples["id"].tolist() == ["image-0", "image-2"]
    assert outcome.notes == ("Left out for want of a label: 1 of 3 images.",)


def test_groups_with_many_values_are_not_broken_down(zero_shot):
    groups = {"photographer": [str(row) for row in range(60)], "light": ["day", "night"] * 30}
    outcome = zero_shot([[1, 0]] * 60, AB, "ab", labels=[0] * 60, groups=groups)
    assert outcome.tables["per_group"]["group"].unique().tolist() == ["light"]
    assert "Not broken down by photographer: more than 50 values." in outcome.notes
    assert "group.photographer" in outcome.examples


def test_no_more_than_two_pictures_of_a_pair(zero_shot):
    outcome = zero_shot([[1, 1.1], [1, 1.3], [1, 1.2], [1, 1.4]], AB, "ab", labels=[0] * 4)
    assert [picture.id for picture in outcome.pictures] == ["image-3", "image-1"]


def test_many_images_and_classes_agree_with_a_direct_computation(zero_shot):
    random = np.random.default_rng(7)
    classes = [f"class {index}" for index in range(300)]
    prompts = {f"class_{index}": [f"{index} {t}" for t in range(20)] for index in range(300)}
    texts = {string: random.normal(size=24) for strings in prompts.values() for string in strings}
    images, labels = random.normal(size=(9000, 24)), random.integers(0, 300, 9000)
    outcome = zero_shot(images, texts, classes, prompts=prompts, labels=labels)
    means = [unit(np.array([texts[string] for string in strings])).mean(axis=0) for strings in prompts.values()]
    cosines = unit(images) @ unit(np.array(means)).T
    order = np.argsort(-cosines, axis=1)
    assert (outcome.examples["prediction"] == order[:, 0]).mean() > 0.9999
    found = values(outcome)
    assert found["top1"] == pytest.approx((order[:, 0] == labels).mean(), abs=2e-4)
    assert found["top5"] == pytest.approx((order[:, :5] == labels[:, None]).any(axis=1).mean(), abs=2e-4)
    others = np.where(np.arange(300) == labels[:, None], -np.inf, cosines).max(axis=1)
    np.testing.assert_allclose(outcome.examples["margin"], cosines[np.arange(9000), labels] - others, atol=1e-6)


def test_the_declared_main_metric_stands_for_the_job_if_it_is_computed(zero_shot):
    assert main(zero_shot([[1, 0]], AB, "ab", labels=[0], main_metric="mean_per_class_recall")).name != "top1"
    assert refusal(zero_shot, [[1, 0]], AB, "ab", labels=[0], main_metric="top5") == (
        "toys: main_metric: 'top5' is not computed here; declare one of: top1, mean_per_class_recall; or none"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_features_without_direction_are_refused_by_count_and_id(zero_shot, value):
    images = np.ones((5000, 2))
    images[[4200, 4999]] = value
    assert refusal(zero_shot, images, AB, "ab", labels=[0] * 5000) == (
        "toy: features that are NaN, infinite or all zero: 2 of the images of toys, split test, "
        "the first 'image-4200'; try --precision float32; if that does not help, check the weights"
    )


def test_text_features_without_direction_are_refused_by_text_and_prompts_that_cancel_out_by_class(zero_shot):
    found = refusal(zero_shot, [[1, 0]], {**AB, "b": [np.nan, 1]}, "ab", labels=[0])
    assert "all zero: 1 of the texts, the first 'b'" in found
    cancelling = {"prompts": {"b": ("x", "y")}, "labels": [0]}
    found = refusal(zero_shot, [[1, 0]], {"a": [1, 0], "x": [1, 0], "y": [-1, 0]}, ("a", "b"), **cancelling)
    assert "all zero: 1 of the classes, the first 'b'" in found


def test_labels_outside_the_classes_are_refused(zero_shot):
    found = refusal(zero_shot, np.ones((3, 2)), AB, "ab", labels=[0, 7, -3])
    assert found.startswith("toys, split test: labels outside the 2 classes: 2, the first 7, of 'image-1'; labels must")


def test_needs_are_each_prompt_once_and_the_projected_features(prompted, facts, model):
    prompts = prompted("a", "b", a=("x", "y"), b=("y", "z"))
    needs = ZeroShot().needs(settings_of(ZeroShot), facts(["a", "b"]), model(), prompts)
    assert (needs.splits, needs.features, needs.captions) == (("test",), ("projected",), False)
    assert needs.strings == ("x", "y", "z")


@pytest.mark.parametrize(
    ("dataset", "known", "names", "message"),
    [
        ({"classes": "a"}, {}, "a", "toys: zero_shot needs at least two classes, this has 1; use retrieval if it has"),
        ({"classes": ""}, {}, "", "toys: zero_shot needs at least two classes, this has 0"),
        ({"splits": ("train", "val")}, {}, "ab", "toys: there is no split 'test'; it has: train, val"),
        ({}, {"has_text": False}, "ab", "toy: zero_shot needs a model that embeds images and texts in one space"),
        ({}, {"features": ("backbone",)}, "ab", "toy: zero_shot needs a model that embeds images and texts in one"),
        ({}, {}, "a", "toys: prompts 'toy' are for 1 classes, the data set has 2"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_embedded(
    prompted, facts, model, dataset, known, names, message
):
    described = facts(**{"classes": "ab", **dataset})
    found = refusal(ZeroShot().needs, settings_of(ZeroShot), described, model(**known), prompted(*names))
    assert found.startswith(message)
