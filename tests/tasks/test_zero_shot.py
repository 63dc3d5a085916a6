import numpy as np
import pytest

from clipbench.errors import UserError
from clipbench.tasks.classify.zero_shot import ZeroShot, ZeroShotSettings

SETTINGS = ZeroShotSettings(task="zero_shot", datasets=("toys",))


def evaluate(inputs, prompts):
    return ZeroShot().evaluate(inputs, SETTINGS, prompts)


def values(outcome):
    return {metric.name: metric.value for metric in outcome.metrics}


@pytest.fixture
def cats_and_dogs(make_inputs, prompted, facts):
    """Three of four images right; the second cat lies nearer to the dogs."""
    texts = {"cat": [2, 0], "dog": [0, 5]}
    images = [[3, 0], [0.6, 0.8], [0, 1], [0, 9]]
    inputs = make_inputs(images, texts, facts(["cat", "dog"]), labels=[0, 0, 1, 1], groups={"light": list("ddnn")})
    return evaluate(inputs, prompted("cat", "dog"))


def test_metrics_come_with_count_and_interval(cats_and_dogs):
    assert values(cats_and_dogs) == {"top1": 0.75, "mean_per_class_recall": 0.75}
    top1, recall = cats_and_dogs.metrics
    assert (top1.n, top1.interval.kind, top1.main) == (4, "wilson", True)
    assert top1.interval.low == pytest.approx(0.3006, abs=1e-4)
    assert (recall.interval.kind, recall.main) == ("bootstrap", False)
    assert recall.interval.low <= 0.75 <= recall.interval.high
    assert recall.params == {"classes": 2, "seed": 0, "resamples": 2000}


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


def test_prompts_are_normalised_before_and_after_the_mean(make_inputs, prompted, facts):
    # Unnormalised, the long second prompt would pull class a to the image's side.
    texts = {"a": [1, 0, 0], "aa": [0, 100, 0], "b": [0.6, 0.6, 0.5]}
    inputs = make_inputs([[0, 1, 0]], texts, facts(["a", "b"]), labels=[0])
    outcome = evaluate(inputs, prompted("a", "b", a=("a", "aa")))
    expected = np.sqrt(0.5) - 0.6 / np.linalg.norm([0.6, 0.6, 0.5])
    assert outcome.examples["margin"][0] == pytest.approx(expected, abs=1e-6)


def test_top5_counts_the_five_best_and_needs_more_than_five_classes(make_inputs, prompted, facts):
    classes = list("abcdefg")
    texts = dict(zip(classes, np.eye(7), strict=True))
    ranked = [7, 6, 5, 4, 3, 2, 1]  # image i has its true class at rank i + 1
    inputs = make_inputs([ranked] * 7, texts, facts(classes), labels=range(7))
    outcome = evaluate(inputs, prompted(*classes))
    assert values(outcome)["top1"] == pytest.approx(1 / 7)
    assert values(outcome)["top5"] == pytest.approx(5 / 7)
    five = make_inputs([ranked[:5]], {name: texts[name][:5] for name in classes[:5]}, facts(classes[:5]), labels=[0])
    assert "top5" not in values(evaluate(five, prompted(*classes[:5])))


def test_a_tie_between_different_classes_is_wrong(make_inputs, prompted, facts):
    texts = {"a": [1, 0], "b": [0, 1], "c": [-1, -1]}
    inputs = make_inputs([[1, 1], [1, 1], [-1, -1]], texts, facts(["a", "b", "c"]), labels=[0, 1, 2])
    outcome = evaluate(inputs, prompted("a", "b", "c"))
    assert values(outcome)["top1"] == pytest.approx(1 / 3)
    assert outcome.examples["prediction_name"].tolist() == ["b", "a", "c"]
    assert outcome.metrics[0].params["near_ties"] == 2


def test_a_model_that_sees_no_difference_gets_nothing_right(make_inputs, prompted, facts):
    classes = list("abcdefg")
    inputs = make_inputs([[1, 2]] * 7, {name: [1, 1] for name in classes}, facts(classes), labels=range(7))
    outcome = evaluate(inputs, prompted(*classes))
    assert values(outcome) == {"top1": 0, "top5": 0, "mean_per_class_recall": 0}
    assert (outcome.examples["prediction"] != outcome.examples["label"]).all()
    assert outcome.examples["margin"].tolist() == [0] * 7
    assert outcome.notes == (
        "Different prompts, same embedding: a = b = c = d = e = f = g. These ties count as wrong.",
    )
    assert outcome.metrics[0].params["near_ties"] == 7


@pytest.fixture
def missiles(make_inputs, prompted, facts):
    """As in OpenAI's ImageNet list: two classes of one name."""
    classes = ("missile", "dog", "missile")
    texts = {"missile": [1, 0], "dog": [0, 1]}
    inputs = make_inputs([[2, 0], [1, 0], [0, 1], [3, 1]], texts, facts(classes), labels=[0, 2, 1, 0])
    return evaluate(inputs, prompted(*classes))


def test_of_classes_with_equal_prompts_the_lower_index_wins(missiles):
    assert missiles.examples["prediction"].tolist() == [0, 0, 1, 0]
    assert missiles.examples["correct"].tolist() == [True, False, True, True]
    assert values(missiles)["top1"] == 0.75


def test_strict_top1_counts_equal_prompts_as_wrong(missiles):
    assert values(missiles)["strict_top1"] == 0.25
    assert missiles.tables["equal_prompts"].values.tolist() == [[0, "missile", 2, "missile", "missile"]]
    (note,) = missiles.notes
    assert note.startswith("Equal prompts: missile (0) and missile (2). The lower index wins")


def test_equal_prompts_share_the_probability(missiles):
    assert missiles.examples["score"][0] == pytest.approx(0.5, abs=1e-6)


def test_classes_of_equal_prompts_may_list_them_in_another_order(make_inputs, prompted, facts):
    texts = {"x": [1, 0.3], "y": [0.1, 1], "z": [-1, 0], "w": [0.123, 0.456]}
    inputs = make_inputs([[1, 1], [1, 1]], texts, facts(["a", "b", "c"]), labels=[0, 1])
    outcome = evaluate(inputs, prompted("a", "b", "c", a=("x", "y", "w"), b=("w", "y", "x"), c=("z",)))
    assert outcome.examples["correct"].tolist() == [True, False]


def test_near_ties_are_counted(make_inputs, prompted, facts):
    texts = {"a": [1, 0], "b": [0, 1]}
    inputs = make_inputs([[1, 1 - 5e-6], [1, 0.99]], texts, facts(["a", "b"]), labels=[0, 0])
    (top1, _) = evaluate(inputs, prompted("a", "b")).metrics
    assert top1.value == 1
    assert top1.params == {"near_ties": 1, "near": 1e-5}


def test_scale_and_bias_change_probabilities_but_no_decision(make_inputs, prompted, facts, model):
    random = np.random.default_rng(0)
    classes = list("abcdefgh")
    texts = dict(zip(classes, random.normal(size=(8, 16)), strict=True))
    images, labels = random.normal(size=(200, 16)), random.integers(0, 8, 200)
    clip, siglip = (
        evaluate(make_inputs(images, texts, facts(classes), labels=labels, model=chosen), prompted(*classes))
        for chosen in (model(scale=10), model(scale=10, bias=-16.5))
    )
    assert clip.examples["prediction"].tolist() == siglip.examples["prediction"].tolist()
    np.testing.assert_allclose(clip.examples["score"], siglip.examples["score"], rtol=1e-4)


def test_classes_without_images_are_left_out_of_the_mean_and_named(make_inputs, prompted, facts):
    texts = {"a": [1, 0], "b": [0, 1], "c": [-1, 0]}
    inputs = make_inputs([[1, 0], [1, 0], [0, 1]], texts, facts(["a", "b", "c"]), labels=[0, 1, 1])
    outcome = evaluate(inputs, prompted("a", "b", "c"))
    assert values(outcome)["mean_per_class_recall"] == 0.75
    assert outcome.notes == ("Left out of the mean per-class recall for want of images: c.",)
    assert outcome.tables["per_class"]["accuracy"].isna().tolist() == [False, False, True]


def test_all_right_still_leaves_room_for_doubt(make_inputs, prompted, facts):
    texts = {"a": [1, 0], "b": [0, 1]}
    inputs = make_inputs([[1, 0]] * 9 + [[0, 1]], texts, facts(["a", "b"]), labels=[0] * 9 + [1])
    top1, recall = evaluate(inputs, prompted("a", "b")).metrics
    assert recall.interval.high == 1
    assert recall.interval.low < top1.interval.low < 1, "the one image of b carries half of the mean"


def test_images_without_a_label_are_left_out(make_inputs, prompted, facts):
    texts = {"a": [1, 0], "b": [0, 1]}
    inputs = make_inputs([[1, 0], [1, 0], [0, 1]], texts, facts(["a", "b"]), labels=[0, -1, 1])
    outcome = evaluate(inputs, prompted("a", "b"))
    assert outcome.metrics[0].n == 2
    assert outcome.examples["id"].tolist() == ["image-0", "image-2"]
    assert outcome.notes == ("Left out for want of a label: 1 of 3 images.",)


def test_groups_with_many_values_are_not_broken_down(make_inputs, prompted, facts):
    texts = {"a": [1, 0], "b": [0, 1]}
    groups = {"photographer": [str(row) for row in range(60)], "light": ["day", "night"] * 30}
    inputs = make_inputs([[1, 0]] * 60, texts, facts(["a", "b"]), labels=[0] * 60, groups=groups)
    outcome = evaluate(inputs, prompted("a", "b"))
    assert outcome.tables["per_group"]["group"].unique().tolist() == ["light"]
    assert "Not broken down by photographer: more than 50 values." in outcome.notes
    assert "group.photographer" in outcome.examples


def test_no_more_than_two_pictures_of_a_pair(make_inputs, prompted, facts):
    texts = {"a": [1, 0], "b": [0, 1]}
    nearer = [[1, 1.1], [1, 1.3], [1, 1.2], [1, 1.4]]
    inputs = make_inputs(nearer, texts, facts(["a", "b"]), labels=[0] * 4)
    assert [picture.id for picture in evaluate(inputs, prompted("a", "b")).pictures] == ["image-3", "image-1"]


def test_many_images_and_classes_agree_with_a_direct_computation(make_inputs, prompted, facts):
    random = np.random.default_rng(7)
    classes = [f"class {index}" for index in range(300)]
    prompts = prompted(*classes, **{f"class_{index}": [f"{index} {t}" for t in range(20)] for index in range(300)})
    texts = {string: random.normal(size=24) for own in prompts.strings for string in own}
    images, labels = random.normal(size=(9000, 24)), random.integers(0, 300, 9000)
    outcome = evaluate(make_inputs(images, texts, facts(classes), labels=labels), prompts)

    def unit(rows):
        return rows / np.linalg.norm(rows, axis=-1, keepdims=True)

    table = np.array([unit(unit(np.array([texts[string] for string in own])).mean(axis=0)) for own in prompts.strings])
    cosines = unit(images) @ table.T
    order = np.argsort(-cosines, axis=1)
    assert (outcome.examples["prediction"] == order[:, 0]).mean() > 0.9999
    assert values(outcome)["top1"] == pytest.approx((order[:, 0] == labels).mean(), abs=2e-4)
    assert values(outcome)["top5"] == pytest.approx((order[:, :5] == labels[:, None]).any(axis=1).mean(), abs=2e-4)
    own = cosines[np.arange(9000), labels]
    others = np.where(np.arange(300) == labels[:, None], -np.inf, cosines).max(axis=1)
    np.testing.assert_allclose(outcome.examples["margin"], own - others, atol=1e-6)


def test_the_declared_main_metric_stands_for_the_job(make_inputs, prompted, facts):
    texts = {"a": [1, 0], "b": [0, 1]}
    dataset = facts(["a", "b"], main_metric="mean_per_class_recall")
    outcome = evaluate(make_inputs([[1, 0]], texts, dataset, labels=[0]), prompted("a", "b"))
    assert [metric.name for metric in outcome.metrics if metric.main] == ["mean_per_class_recall"]


def test_a_main_metric_that_is_not_computed_is_refused(make_inputs, prompted, facts):
    dataset = facts(["a", "b"], main_metric="top5")
    inputs = make_inputs([[1, 0]], {"a": [1, 0], "b": [0, 1]}, dataset, labels=[0])
    with pytest.raises(UserError) as caught:
        evaluate(inputs, prompted("a", "b"))
    assert str(caught.value) == (
        "toys: main_metric: 'top5' is not computed here; declare one of: top1, mean_per_class_recall; or none"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_features_without_direction_are_refused_by_count_and_id(make_inputs, prompted, facts, value):
    images = np.ones((5000, 2))
    images[[4200, 4999]] = value
    inputs = make_inputs(images, {"a": [1, 0], "b": [0, 1]}, facts(["a", "b"]), labels=[0] * 5000)
    with pytest.raises(UserError) as caught:
        evaluate(inputs, prompted("a", "b"))
    assert str(caught.value) == (
        "toy: features that are NaN, infinite or all zero: 2 of the images of toys, split test, "
        "the first 'image-4200'; try --precision float32; if that does not help, check the weights"
    )


def test_text_features_without_direction_are_refused_by_text(make_inputs, prompted, facts):
    inputs = make_inputs([[1, 0]], {"a": [1, 0], "b": [np.nan, 1]}, facts(["a", "b"]), labels=[0])
    with pytest.raises(UserError, match="all zero: 1 of the texts, the first 'b'"):
        evaluate(inputs, prompted("a", "b"))


def test_prompts_that_cancel_out_are_refused_by_class(make_inputs, prompted, facts):
    inputs = make_inputs([[1, 0]], {"a": [1, 0], "x": [1, 0], "y": [-1, 0]}, facts(["a", "b"]), labels=[0])
    with pytest.raises(UserError, match="all zero: 1 of the classes, the first 'b'"):
        evaluate(inputs, prompted("a", "b", b=("x", "y")))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            [0, 7, -3],
            "toys, split test: labels outside the 2 classes: 2, the first 7, of 'image-1'; "
            "labels must be 0 to 1, in the order of the class names",
        ),
        ([-1, -1, -1], "toys, split test: no image has a label; choose a split that has labels"),
        (None, "toys, split test: not every image has a label; classification needs one label an image"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(make_inputs, prompted, facts, labels, message):
    inputs = make_inputs([[1, 0]] * 3, {"a": [1, 0], "b": [0, 1]}, facts(["a", "b"]), labels=labels)
    with pytest.raises(UserError) as caught:
        evaluate(inputs, prompted("a", "b"))
    assert str(caught.value) == message


def test_a_split_without_readable_images_is_refused(make_inputs, prompted, facts):
    inputs = make_inputs(np.zeros((0, 2)), {"a": [1, 0], "b": [0, 1]}, facts(["a", "b"]), labels=[])
    with pytest.raises(UserError, match="toys, split test: has no readable images"):
        evaluate(inputs, prompted("a", "b"))


def test_needs_are_each_prompt_once_and_the_projected_features(prompted, facts, model):
    needs = ZeroShot().needs(SETTINGS, facts(["a", "b"]), model(), prompted("a", "b", a=("x", "y"), b=("y", "z")))
    assert (needs.splits, needs.features, needs.captions) == (("test",), ("projected",), False)
    assert needs.strings == ("x", "y", "z")


@pytest.mark.parametrize(
    ("dataset", "the_model", "names", "message"),
    [
        ({"classes": ["a"]}, {}, ["a"], "toys: zero_shot needs at least two classes, this has 1"),
        ({"classes": []}, {}, [], "toys: zero_shot needs at least two classes, this has 0"),
        ({"classes": ["a", "b"], "splits": ("train", "val")}, {}, ["a", "b"], "no split 'test'; it has: train, val"),
        ({"classes": ["a", "b"]}, {"has_text": False}, ["a", "b"], "toy: zero_shot needs a model that embeds images"),
        ({"classes": ["a", "b"]}, {"features": ("backbone",)}, ["a", "b"], "choose a CLIP-style model"),
        ({"classes": ["a", "b"]}, {}, ["a"], "prompts 'toy' are for 1 classes, the data set has 2"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_embedded(
    prompted, facts, model, dataset, the_model, names, message
):
    with pytest.raises(UserError, match=message):
        ZeroShot().needs(SETTINGS, facts(**dataset), model(**the_model), prompted(*names))
