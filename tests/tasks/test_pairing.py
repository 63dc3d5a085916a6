"""Which of N text snippets is an image's own?"""

from itertools import combinations

import numpy as np
import pytest

from clipbench.errors import UserError
from clipbench.metrics.specs import Declared
from clipbench.models.base import ModelInfo, ModelPedigree
from clipbench.tasks.base import ArrayFeatures, DatasetFacts, ImageSet, Inputs
from clipbench.tasks.registry import load_task
from clipbench.tasks.retrieval.pairing import PairingSettings, snippet_counts

SETTINGS = PairingSettings(task="pairing", datasets=("pictures",))


def evaluate(images, captions):
    """Evaluate n image vectors beside their captions' vectors, a list of arrays."""
    texts = {f"caption {row}.{at}": vector for row, rows in enumerate(captions) for at, vector in enumerate(rows)}
    strings = tuple(tuple(f"caption {row}.{at}" for at in range(len(rows))) for row, rows in enumerate(captions))
    features = {"projected": ArrayFeatures(np.asarray(images, np.float32))}
    names = [f"i{row}" for row in range(len(images))]
    model = ModelInfo("m", ModelPedigree("", ""), has_text=True)
    sets = {"test": ImageSet(names, features, captions=strings)}
    facts = DatasetFacts("pictures", (), multilabel=False, splits=("test",))
    inputs = Inputs(facts, model, sets, lambda batch: np.stack([texts[text] for text in batch]).astype(np.float32))
    return load_task("pairing").evaluate(inputs, SETTINGS, None)


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
def test_the_chance_is_that_of_every_draw_without_drawing(per_image):
    images, captions = noisy(6, per_image, 1.0)
    outcome = evaluate(images, captions)
    values = {metric.name: metric.value for metric in outcome.metrics}
    expected = {f"paired_of_{size}": enumerated(images, captions, size) for size in (2, 4)}
    assert {name: values[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    means = outcome.examples[["paired_of_2", "paired_of_4"]].mean()
    assert means.tolist() == pytest.approx(list(expected.values()), abs=1e-6)


def test_snippets_double_as_far_as_the_set_goes():
    assert snippet_counts(1) == (2,)
    assert snippet_counts(7) == (2, 4, 8)
    assert snippet_counts(10**6)[-1] == 32_768
    outcome = evaluate(*noisy(9, 1, 0.1))
    assert outcome.tables["pairing_curve"]["snippets"].tolist() == [2, 4, 8]
    assert [metric.name for metric in outcome.metrics if metric.main] == ["paired_of_8"]


def test_a_tie_counts_against_the_model():
    images = np.eye(4)
    outcome = evaluate(images, [np.ones((1, 4))] * 4)
    assert [metric.value for metric in outcome.metrics] == [0, 0]


def test_where_all_are_right_there_is_no_interval():
    outcome = evaluate(np.eye(8), [row[None] for row in np.eye(8)])
    assert [(metric.value, metric.interval) for metric in outcome.metrics] == [(1, None)] * 3


def test_captions_without_a_picture_are_refused():
    with pytest.raises(UserError, match="images without a caption: 1, the first 'i1'"):
        evaluate(np.eye(2), [np.eye(2)[:1], np.empty((0, 2))])


def test_curve_and_metrics_are_declared():
    declared, outcome = Declared.by(load_task("pairing")), evaluate(*noisy(9, 1, 0.5))
    assert [declared.metric(metric.name).label for metric in outcome.metrics] == [
        f"own of {n} snippets" for n in (2, 4, 8)
    ]
    (spec,) = declared.tables
    assert set(outcome.tables[spec.name]) == {"snippets", "accuracy", "low", "high", "chance"}
    assert (spec.curve.x, spec.curve.y, spec.curve.log_x) == ("snippets", "accuracy", True)


@pytest.mark.slow
def test_intervals_cover_the_accuracy_of_all_images_and_captions():
    truth = {metric.name: metric.value for metric in evaluate(*noisy(4000, 1, 1.5, seed=1)).metrics}
    covered = {"paired_of_2": 0, "paired_of_32": 0}
    for seed in range(200):
        for metric in evaluate(*noisy(100, 1, 1.5, seed=2 + seed)).metrics:
            if metric.name in covered:
                covered[metric.name] += metric.interval.low <= truth[metric.name] <= metric.interval.high
    # 95 %, within three standard deviations of 200 draws.
    assert min(covered.values()) / 200 >= 0.95 - 3 * (0.95 * 0.05 / 200) ** 0.5
