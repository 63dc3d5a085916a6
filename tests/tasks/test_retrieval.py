import numpy as np
import pytest

from clipbench.tasks.retrieval.retrieval import Retrieval

from .conftest import evaluate, main, metric, refusal, settings_of, unit, values

AB = {"a": [1, 0], "b": [0, 1]}
PETS = {"a dog": [1, 0], "a cat": [0, 1]}


@pytest.fixture
def retrieval(make_inputs, facts):
    """retrieval(images, texts, captions): the outcome."""

    def run(images, texts, captions, main_metric=""):
        return evaluate(Retrieval, make_inputs(images, texts, facts(main_metric=main_metric), captions=captions))

    return run


def ranks(outcome, column="image_to_text_rank"):
    return outcome.examples[column].tolist()


def brute_force(images, texts, captions):
    """Flat lists, in float64; no two strings or images are equal."""
    flat = [(row, string) for row, strings in enumerate(captions) for string in strings]
    owner = np.array([row for row, _ in flat])
    scores = unit(images.astype(np.float64)) @ unit(np.array([texts[string] for _, string in flat], np.float64)).T
    to_text = [1 + np.sum(scores[row, owner != row] >= scores[row, owner == row].max()) for row in range(len(images))]
    to_image = [
        1 + np.sum(np.delete(scores[:, column], row) >= scores[row, column]) for column, row in enumerate(owner)
    ]
    return np.array(to_text), np.array(to_image)


@pytest.fixture
def random_world(retrieval):
    random = np.random.default_rng(4)
    images = random.normal(size=(120, 10)).astype(np.float32)
    captions = [tuple(f"{row}: {k}" for k in range(random.integers(1, 6))) for row in range(120)]
    texts = {s: images[row] + 0.8 * random.normal(size=10) for row, strings in enumerate(captions) for s in strings}
    return retrieval(images, texts, captions), captions, *brute_force(images, texts, captions)


def test_recalls_and_medians_agree_with_brute_force(random_world):
    outcome, _, to_text, to_image = random_world
    expected = {"mean_recall_at_1": ((to_text == 1).mean() + (to_image == 1).mean()) / 2}
    for k in (1, 5, 10):
        expected[f"image_to_text_recall_at_{k}"] = (to_text <= k).mean()
        expected[f"text_to_image_recall_at_{k}"] = (to_image <= k).mean()
    expected |= {"image_to_text_median_rank": np.median(to_text), "text_to_image_median_rank": np.median(to_image)}
    assert values(outcome) == pytest.approx(expected)
    assert ranks(outcome) == to_text.tolist()


def test_every_metric_has_its_count_unit_and_interval(random_world):
    outcome, captions, *_ = random_world
    assert main(outcome).name == "mean_recall_at_1"
    for found in outcome.metrics:
        assert found.n == (sum(map(len, captions)) if found.name.startswith("text_to_image") else 120)
        assert found.unit == ("rank" if found.name.endswith("median_rank") else "fraction")
        assert found.interval.low <= found.value <= found.interval.high
        assert found.params == {"gallery_images": 120, "gallery_texts": sum(map(len, captions))}
        assert found.interval.kind == "fixed gallery"


def test_recalls_stand_beside_those_of_a_random_ranking(random_world):
    outcome, captions, *_ = random_world
    counts = np.array([len(strings) for strings in captions])
    assert metric(outcome, "text_to_image_recall_at_5").chance == pytest.approx(5 / 120)
    to_text = np.mean(counts / counts.sum())
    assert main(outcome).chance == pytest.approx((to_text + 1 / 120) / 2)
    assert metric(outcome, "text_to_image_median_rank").chance is None


def test_an_interval_has_the_spread_of_resampled_images(random_world):
    outcome, captions, _, to_image = random_world
    owner = np.repeat(np.arange(120), [len(strings) for strings in captions])
    hits, counts = np.bincount(owner, to_image == 1), np.bincount(owner)
    drawn = np.random.default_rng(9).integers(0, 120, (4000, 120))
    recalls = hits[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    interval = metric(outcome, "text_to_image_recall_at_1").interval
    assert (interval.low, interval.high) == pytest.approx(np.quantile(recalls, [0.025, 0.975]), abs=0.01)


def test_images_in_clusters_have_wider_intervals_and_their_cluster_in_the_table(make_inputs, facts):
    random, people = np.random.default_rng(5), np.repeat(np.arange(25), 8)
    images = (10 * random.normal(size=(25, 12))[people] + random.normal(size=(200, 12))).astype(np.float32)
    captions = [(f"{row}",) for row in range(200)]
    # All pictures of a person are either described well or badly.
    noise = np.where(people % 2 == 0, 0.05, 3)[:, None] * random.normal(size=(200, 12))
    texts = {f"{row}": images[row] + noise[row] for row in range(200)}
    apart, together = (
        evaluate(Retrieval, make_inputs(images, texts, facts(), captions=captions, clusters=clusters))
        for clusters in (None, [f"person {person}" for person in people])
    )
    assert together.examples["cluster"].nunique() == 25
    for plain, clustered in zip(apart.metrics, together.metrics, strict=True):
        assert clustered.value == plain.value
        assert clustered.interval.kind == "fixed gallery, clusters"
    wide, narrow = main(together).interval, main(apart).interval
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)
    few = make_inputs(images[:80], texts, facts(), captions=captions[:80], clusters=list(map(str, people[:80])))
    assert all(found.interval is None for found in evaluate(Retrieval, few).metrics)


def test_a_median_rank_has_the_ranks_around_the_half(random_world):
    outcome, _, to_text, _ = random_world
    interval = metric(outcome, "image_to_text_median_rank").interval
    drawn = np.random.default_rng(3).integers(0, 120, (4000, 120))
    bootstrap = np.quantile(np.median(to_text[drawn], axis=1), [0.025, 0.975])
    assert [interval.low, interval.high] == pytest.approx(bootstrap, abs=1)


def test_pictures_are_the_worst_ranks(random_world):
    outcome, *_ = random_world
    worst = outcome.examples.sort_values("image_to_text_rank", ascending=False, kind="stable")
    found = [picture.id for picture in outcome.pictures]
    assert found == worst[worst["image_to_text_rank"] > 1]["id"].head(12).tolist()
    assert outcome.pictures[0].caption.startswith("best own caption at rank ")


def test_any_caption_of_the_image_counts(retrieval):
    texts = {"a": [1, 0, 0], "off": [0, 0, 1], "b": [0, 1, 0]}
    outcome = retrieval([[1, 0, 0], [0, 1, 0]], texts, [("off", "a"), ("b",)])
    assert ranks(outcome) == [1, 1]
    # "off" is as far from both images: a tie, and not in the model's favour.
    assert ranks(outcome, "text_to_image_rank") == [1, 1]
    assert ranks(outcome, "text_to_image_worst_rank") == [2, 1]
    assert values(outcome)["text_to_image_recall_at_1"] == pytest.approx(2 / 3)


def test_a_model_that_sees_no_difference_finds_nothing(retrieval):
    captions = [(f"caption {row}",) for row in range(20)]
    outcome = retrieval([[1, 2]] * 20, {strings[0]: [1, 1] for strings in captions}, captions)
    assert ranks(outcome) == [20] * 20
    assert values(outcome)["text_to_image_recall_at_10"] == 0
    assert outcome.notes == (
        "Images with exactly the embedding of another: 19. They count as ties, against the model.",
        "Texts with exactly the embedding of another: 19. They count as ties, against the model.",
    )
    assert main(outcome).interval.high > 0.1, "none of 20 found does not prove that none ever is"


def test_a_caption_at_two_images_is_right_for_both(retrieval):
    outcome = retrieval([[1, 0.1], [1, 0.2], [0, 1]], PETS, [("a dog",), ("a dog",), ("a cat",)])
    assert ranks(outcome) == ranks(outcome, "text_to_image_rank") == [1, 1, 1]
    assert outcome.notes[0] == "Captions that stand at several images: 1. Each is right for all of them."


def test_a_wrong_caption_at_two_images_stands_twice_in_the_list(retrieval):
    assert ranks(retrieval([[1, 0.1], [1, 0.2], [1, 0.3]], PETS, [("a dog",), ("a dog",), ("a cat",)])) == [1, 1, 3]


def test_the_same_caption_twice_at_one_image_is_two_queries_and_no_tie(retrieval):
    outcome = retrieval([[1, 0], [0, 1]], AB, [("a", "a"), ("b",)])
    assert ranks(outcome) == [1, 1]
    assert metric(outcome, "text_to_image_recall_at_1").n == 3
    assert not any("several images" in note for note in outcome.notes)


def test_recall_that_every_query_reaches_is_left_out(retrieval):
    captions = [tuple(f"{row} {k}" for k in range(3)) for row in range(4)]
    random = np.random.default_rng(0)
    texts = {string: random.normal(size=5) for strings in captions for string in strings}
    outcome = retrieval(random.normal(size=(4, 5)), texts, captions)
    reported = [name for name in values(outcome) if "_recall_at_" in name]
    assert reported == [
        *("mean_recall_at_1", "image_to_text_recall_at_1", "image_to_text_recall_at_5", "text_to_image_recall_at_1"),
    ]
    assert "Recall at 5, 10 is left out where there are no more candidates than that" in outcome.notes[-1]


@pytest.mark.parametrize(
    ("images", "texts", "captions", "message"),
    [
        ([[1, 0]] * 2, AB, [("a",), ()], "toys, split test: images without a caption: 1, the first 'image-1'"),
        ([[1, 0]], AB, [("a",)], "toys, split test: retrieval needs at least two images, this has 1"),
        ([[1, 0]] * 2, AB, None, "toys, split test: has no captions; retrieval needs at least one caption an image"),
        ([[1, 0], [np.inf, 1]], AB, [("a",), ("b",)], "all zero: 1 of the images of toys, split test, the first"),
        ([[1, 0], [0, 1]], {**AB, "b": [0, 0]}, [("a",), ("b",)], "all zero: 1 of the captions, the first 'b'"),
    ],
)  # fmt: skip
def test_images_and_captions_that_cannot_be_used_are_refused(retrieval, images, texts, captions, message):
    assert message in refusal(retrieval, images, texts, captions)


def test_needs_are_the_captions(facts, model):
    def needs(dataset, known):
        return Retrieval().needs(settings_of(Retrieval), dataset, known, None)

    found = needs(facts(), model())
    assert (found.splits, found.strings, found.captions) == (("test",), (), True)
    assert "retrieval needs a model that embeds images and texts" in refusal(needs, facts(), model(has_text=False))
    assert "there is no split 'test'; it has: val" in refusal(needs, facts(splits=("val",)), model())
