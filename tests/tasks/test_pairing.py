"""Which of N text snippets is an image's own?"""

from itertools import combinations

import numpy as np
import pytest

from clipbench.tasks.retrieval.pairing import Pairing, snippet_counts

from .conftest import evaluate, main, refusal, values


@pytest.fixture
def pairing(make_inputs, facts):
    """pairing(images, captions): the outcome of n image vectors beside their captions' vectors, a list of arrays."""

    def run(images, captions):
        strings = [tuple(f"caption {row}.{place}" for place in range(len(rows))) for row, rows in enumerate(captions)]
        texts = dict(zip((text for own in strings for text in own), np.concatenate(captions), strict=True))
        return evaluate(Pairing, make_inputs(images, texts, facts(), captions=strings))

    return run


def noisy(n, per_image, noise, seed=0):
    random = np.random.default_rng(seed)
    images = random.normal(size=(n, 8))
    return images, [image + random.normal(size=(per_image, 8)) * noise for image in images]


def enumerated(images, captions, snippets):
    """Draw every set of N - 1 captions of other images, and see which is first."""
    units = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in captions]
    means = []
    for row, image in enumerate(images / np.linalg.norm(images, axis=1, keepdims=True)):
        others = np.concatenate([unit for other, unit in enumerate(units) if other != row]) @ image
        answers = [
            own > max(draw) for own in units[row] @ image for draw in combinations(others.tolist(), snippets - 1)
        ]
        means.append(np.mean(answers))
    return np.mean(means)


@pytest.mark.parametrize("per_image", [1, 2])
def test_the_chance_is_that_of_every_draw_without_drawing(pairing, per_image):
    images, captions = noisy(6, per_image, 1.0)
    outcome = pairing(images, captions)
    expected = {f"paired_of_{size}": enumerated(images, captions, size) for size in (2, 4)}
    assert {name: values(outcome)[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    means = outcome.examples[["paired_of_2", "paired_of_4"]].mean()
    assert means.tolist() == pytest.approx(list(expected.values()), abs=1e-6)


def test_snippets_double_as_far_as_the_set_goes(pairing):
    assert snippet_counts(1) == (2,)
    assert snippet_counts(7) == (2, 4, 8)
    assert snippet_counts(10**6)[-1] == 32_768
    outcome = pairing(*noisy(9, 1, 0.1))
    assert outcome.tables["pairing_curve"]["snippets"].tolist() == [2, 4, 8]
    assert main(outcome).name == "paired_of_8"


def test_a_tie_counts_against_the_model(pairing):
    images = np.eye(4)
    outcome = pairing(images, [np.ones((1, 4))] * 4)
    assert [metric.value for metric in outcome.metrics] == [0, 0]


def test_where_all_are_right_there_is_no_interval(pairing):
    outcome = pairing(np.eye(8), [row[None] for row in np.eye(8)])
    assert [(metric.value, metric.interval) for metric in outcome.metrics] == [(1, None)] * 3


def test_captions_without_a_picture_are_refused(pairing):
    found = refusal(pairing, np.eye(2), [np.eye(2)[:1], np.empty((0, 2))])
    assert "images without a caption: 1, the first 'image-1'" in found


@pytest.mark.slow
def test_intervals_cover_the_accuracy_of_all_images_and_captions(pairing):
    truth = values(pairing(*noisy(4000, 1, 1.5, seed=1)))
    covered = {"paired_of_2": 0, "paired_of_32": 0}
    for seed in range(200):
        for metric in pairing(*noisy(100, 1, 1.5, seed=2 + seed)).metrics:
            if metric.name in covered:
                covered[metric.name] += metric.interval.low <= truth[metric.name] <= metric.interval.high
    # 95 %, within three standard deviations of 200 draws.
    assert min(covered.values()) / 200 >= 0.95 - 3 * (0.95 * 0.05 / 200) ** 0.5


def test_images_in_clusters_are_left_out_by_cluster_and_too_few_have_no_interval(make_inputs, facts):
    # A person's eight images are described well or badly; their captions lie apart in the table.
    random, people = np.random.default_rng(0), np.tile(np.arange(25), 8)
    images = random.normal(size=(200, 8))
    captions = images + np.where(people % 2, 0.3, 3)[:, None] * random.normal(size=(200, 8))
    texts = {f"caption {row}": caption for row, caption in enumerate(captions)}

    def interval(clusters, n=200):
        strings = [(f"caption {row}",) for row in range(n)]
        inputs = make_inputs(images[:n], texts, facts(), captions=strings, clusters=clusters)
        return evaluate(Pairing, inputs).metrics[2].interval

    apart, together = interval(None), interval([f"person {person}" for person in people])
    alone = interval([f"image {row:03d}" for row in range(200)])
    assert (alone.low, alone.high) == pytest.approx((apart.low, apart.high))
    assert together.high - together.low > 1.5 * (apart.high - apart.low)
    assert interval(["one", "other"] * 100) is None
    assert interval(None, 9) is None
