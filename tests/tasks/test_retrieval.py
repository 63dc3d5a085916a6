import numpy as np
import pytest

from clipbench.errors import UserError
from clipbench.tasks.retrieval.retrieval import Retrieval, RetrievalSettings

SETTINGS = RetrievalSettings(task="retrieval", datasets=("toys",))


def evaluate(inputs, settings=SETTINGS):
    return Retrieval().evaluate(inputs, settings, None)


def values(outcome):
    return {metric.name: metric.value for metric in outcome.metrics}


def ranks(outcome, column):
    return outcome.examples[column].tolist()


def brute_force(images, texts, captions):
    """Flat lists, in float64; no two strings or images are equal."""
    flat = [(row, string) for row, own in enumerate(captions) for string in own]
    table = np.array([texts[string] for _, string in flat], np.float64)
    owner = np.array([row for row, _ in flat])
    scores = (images / np.linalg.norm(images, axis=1)[:, None]) @ (table / np.linalg.norm(table, axis=1)[:, None]).T
    to_text = [1 + np.sum(scores[row, owner != row] >= scores[row, owner == row].max()) for row in range(len(images))]
    to_image = [
        1 + np.sum(np.delete(scores[:, column], row) >= scores[row, column]) for column, row in enumerate(owner)
    ]
    return np.array(to_text), np.array(to_image)


@pytest.fixture
def random_world(make_inputs, facts):
    random = np.random.default_rng(4)
    images = random.normal(size=(120, 10)).astype(np.float32)
    captions = [tuple(f"{row}: {k}" for k in range(random.integers(1, 6))) for row in range(120)]
    texts = {string: images[row] + 0.8 * random.normal(size=10) for row, own in enumerate(captions) for string in own}
    return make_inputs(images, texts, facts(), captions=captions), (images, texts, captions)


def test_recalls_and_medians_agree_with_brute_force(random_world):
    inputs, world = random_world
    to_text, to_image = brute_force(*world)
    outcome = evaluate(inputs)
    expected = {"mean_recall_at_1": ((to_text == 1).mean() + (to_image == 1).mean()) / 2}
    for k in (1, 5, 10):
        expected[f"image_to_text_recall_at_{k}"] = (to_text <= k).mean()
        expected[f"text_to_image_recall_at_{k}"] = (to_image <= k).mean()
    expected |= {"image_to_text_median_rank": np.median(to_text), "text_to_image_median_rank": np.median(to_image)}
    assert values(outcome) == pytest.approx(expected)
    assert ranks(outcome, "image_to_text_rank") == to_text.tolist()


def test_every_metric_has_its_count_unit_and_interval(random_world):
    inputs, (_, _, captions) = random_world
    outcome = evaluate(inputs)
    assert [metric.name for metric in outcome.metrics if metric.main] == ["mean_recall_at_1"]
    for metric in outcome.metrics:
        assert metric.n == (sum(map(len, captions)) if metric.name.startswith("text_to_image") else 120)
        assert metric.unit == ("rank" if metric.name.endswith("median_rank") else "fraction")
        assert metric.interval.low <= metric.value <= metric.interval.high
        assert metric.params == {"seed": 0, "resamples": 2000, "unit": "image"}


def test_an_interval_has_the_spread_of_resampled_images(random_world):
    inputs, world = random_world
    _, to_image = brute_force(*world)
    owner = np.repeat(np.arange(120), [len(own) for own in world[2]])
    hits, counts = np.bincount(owner, to_image == 1), np.bincount(owner)
    drawn = np.random.default_rng(9).integers(0, 120, (4000, 120))
    recalls = hits[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    metric = next(m for m in evaluate(inputs).metrics if m.name == "text_to_image_recall_at_1")
    expected = np.quantile(recalls, [0.025, 0.975])
    assert (metric.interval.low, metric.interval.high) == pytest.approx(expected, abs=0.01)


def test_any_caption_of_the_image_counts(make_inputs, facts):
    texts = {"a": [1, 0, 0], "off": [0, 0, 1], "b": [0, 1, 0]}
    outcome = evaluate(make_inputs([[1, 0, 0], [0, 1, 0]], texts, facts(), captions=[("off", "a"), ("b",)]))
    assert ranks(outcome, "image_to_text_rank") == [1, 1]
    # "off" is as far from both images: a tie, and not in the model's favour.
    assert ranks(outcome, "text_to_image_rank") == [1, 1]
    assert ranks(outcome, "text_to_image_worst_rank") == [2, 1]
    assert values(outcome)["text_to_image_recall_at_1"] == pytest.approx(2 / 3)


def test_a_model_that_sees_no_difference_finds_nothing(make_inputs, facts):
    captions = [(f"caption {row}",) for row in range(20)]
    inputs = make_inputs([[1, 2]] * 20, {own[0]: [1, 1] for own in captions}, facts(), captions=captions)
    outcome = evaluate(inputs)
    assert ranks(outcome, "image_to_text_rank") == [20] * 20
    assert values(outcome)["text_to_image_recall_at_10"] == 0
    assert outcome.notes == (
        "Images with exactly the embedding of another: 19. They count as ties, against the model.",
        "Texts with exactly the embedding of another: 19. They count as ties, against the model.",
    )
    assert outcome.metrics[0].interval.high > 0.1, "none of 20 found does not prove that none ever is"


def test_a_caption_at_two_images_is_right_for_both(make_inputs, facts):
    texts = {"a dog": [1, 0], "a cat": [0, 1]}
    images = [[1, 0.1], [1, 0.2], [0, 1]]
    outcome = evaluate(make_inputs(images, texts, facts(), captions=[("a dog",), ("a dog",), ("a cat",)]))
    assert ranks(outcome, "image_to_text_rank") == [1, 1, 1]
    assert ranks(outcome, "text_to_image_rank") == [1, 1, 1]
    assert outcome.notes[0] == "Captions that stand at several images: 1. Each is right for all of them."


def test_a_wrong_caption_at_two_images_stands_twice_in_the_list(make_inputs, facts):
    texts = {"a dog": [1, 0], "a cat": [0, 1]}
    images = [[1, 0.1], [1, 0.2], [1, 0.3]]
    outcome = evaluate(make_inputs(images, texts, facts(), captions=[("a dog",), ("a dog",), ("a cat",)]))
    assert ranks(outcome, "image_to_text_rank") == [1, 1, 3]


def test_the_same_caption_twice_at_one_image_is_two_queries_and_no_tie(make_inputs, facts):
    texts = {"a": [1, 0], "b": [0, 1]}
    outcome = evaluate(make_inputs([[1, 0], [0, 1]], texts, facts(), captions=[("a", "a"), ("b",)]))
    assert ranks(outcome, "image_to_text_rank") == [1, 1]
    assert {metric.name: metric.n for metric in outcome.metrics}["text_to_image_recall_at_1"] == 3
    assert not any("several images" in note for note in outcome.notes)


def test_recall_that_every_query_reaches_is_left_out(make_inputs, facts):
    captions = [tuple(f"{row} {k}" for k in range(3)) for row in range(4)]
    random = np.random.default_rng(0)
    texts = {string: random.normal(size=5) for own in captions for string in own}
    outcome = evaluate(make_inputs(random.normal(size=(4, 5)), texts, facts(), captions=captions))
    reported = [name for name in values(outcome) if "_recall_at_" in name]
    assert reported == [
        *("mean_recall_at_1", "image_to_text_recall_at_1", "image_to_text_recall_at_5", "text_to_image_recall_at_1"),
    ]
    assert "Recall at 5, 10 is left out where there are no more candidates than that" in outcome.notes[-1]


def test_pictures_are_the_worst_ranks(random_world):
    inputs, _ = random_world
    outcome = evaluate(inputs)
    worst = outcome.examples.sort_values("image_to_text_rank", ascending=False, kind="stable")
    found = [picture.id for picture in outcome.pictures]
    assert found == worst[worst["image_to_text_rank"] > 1]["id"].head(12).tolist()
    assert outcome.pictures[0].caption.startswith("best own caption at rank ")


def test_a_declared_recall_is_the_main_metric(make_inputs, facts):
    texts = {"a": [1, 0], "b": [0, 1]}
    dataset = facts(main_metric="text_to_image_recall_at_1")
    outcome = evaluate(make_inputs([[1, 0], [0, 1]], texts, dataset, captions=[("a",), ("b",)]))
    assert [metric.name for metric in outcome.metrics if metric.main] == ["text_to_image_recall_at_1"]


@pytest.mark.parametrize(
    ("images", "captions", "message"),
    [
        (2, [("a",), ()], "toys, split test: images without a caption: 1, the first 'image-1'"),
        (1, [("a",)], "toys, split test: retrieval needs at least two images, this has 1"),
        (2, None, "toys, split test: has no captions; retrieval needs at least one caption an image"),
    ],
)
def test_captions_that_cannot_be_used_are_refused(make_inputs, facts, images, captions, message):
    inputs = make_inputs([[1, 0]] * images, {"a": [1, 0]}, facts(), captions=captions)
    with pytest.raises(UserError, match=message):
        evaluate(inputs)


@pytest.mark.parametrize(
    ("images", "texts", "message"),
    [
        (
            [[1, 0], [np.inf, 1]],
            {"a": [1, 0], "b": [0, 1]},
            "all zero: 1 of the images of toys, split test, the first 'image-1'",
        ),
        ([[1, 0], [0, 1]], {"a": [1, 0], "b": [0, 0]}, "all zero: 1 of the captions, the first 'b'"),
    ],
)
def test_features_without_direction_are_refused(make_inputs, facts, images, texts, message):
    with pytest.raises(UserError, match=message):
        evaluate(make_inputs(images, texts, facts(), captions=[("a",), ("b",)]))


def test_needs_are_the_captions(facts, model):
    needs = Retrieval().needs(SETTINGS, facts(), model(), None)
    assert (needs.splits, needs.strings, needs.captions) == (("test",), (), True)
    with pytest.raises(UserError, match="retrieval needs a model that embeds images and texts"):
        Retrieval().needs(SETTINGS, facts(), model(has_text=False), None)
    with pytest.raises(UserError, match="there is no split 'test'; it has: val"):
        Retrieval().needs(SETTINGS, facts(splits=("val",)), model(), None)
