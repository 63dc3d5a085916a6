import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from clipbench.metrics.average_precision import average_precision_11point
from clipbench.tasks.classify.zero_shot import ZeroShot

from .conftest import evaluate, main, refusal, unit

AB = {"a": [1, 0], "b": [0, 1]}


@pytest.fixture
def zero_shot(make_inputs, prompted, facts):
    """zero_shot(images, texts, label_sets=..., ...): the outcome on a multi-label set."""

    def run(images, texts, main_metric="", **fields):
        inputs = make_inputs(images, texts, facts(texts, multilabel=True, main_metric=main_metric), **fields)
        return evaluate(ZeroShot, inputs, prompted(*texts))

    return run


@pytest.fixture
def random_world(zero_shot):
    random = np.random.default_rng(2)
    table = random.normal(size=(6, 12))
    present = random.random((400, 6)) < 0.3
    present[:, 5] = False
    images = random.normal(size=(400, 12)) + 0.4 * present @ table
    label_sets = [tuple(np.flatnonzero(row)) for row in present]
    groups = {"half": ["first", "second"] * 200}
    outcome = zero_shot(images, dict(zip("abcdef", table, strict=True)), label_sets=label_sets, groups=groups)
    return outcome, present, unit(images) @ unit(table).T


def test_map_is_the_mean_of_scikit_learns_average_precision(random_world):
    outcome, present, cosines = random_world
    steps, points = outcome.metrics
    each = [average_precision_score(present[:, index], cosines[:, index]) for index in range(5)]
    assert (steps.name, steps.n, steps.main) == ("map", 400, True)
    assert steps.value == pytest.approx(np.mean(each), abs=1e-6)
    assert outcome.tables["per_class"]["average_precision"][:5].tolist() == pytest.approx(each, abs=1e-6)
    assert points.name == "map_voc2007_11point"
    each = [average_precision_11point(cosines[:, index], present[:, index]) for index in range(5)]
    assert points.value == pytest.approx(np.mean(each), abs=1e-6)


def test_intervals_hold_the_value_and_have_the_spread_of_resampled_sets(random_world):
    outcome, present, cosines = random_world
    for metric in outcome.metrics:
        assert metric.interval.low < metric.value < metric.interval.high
        assert metric.params == {"classes": 5, "seed": 0, "resamples": 1000, "centred": True}
    random = np.random.default_rng(0)
    maps = []
    for _ in range(200):
        drawn = random.integers(0, 400, 400)
        maps.append(np.mean([average_precision_score(present[drawn, c], cosines[drawn, c]) for c in range(5)]))
    width = outcome.metrics[0].interval.high - outcome.metrics[0].interval.low
    assert width == pytest.approx(2 * 1.96 * np.std(maps), rel=0.2)


def test_images_in_clusters_are_drawn_by_cluster(zero_shot):
    random, tracks = np.random.default_rng(0), np.repeat(np.arange(30), 8)
    present = random.random((30, 2))[tracks] < 0.5
    images = (present + 0.9 * random.normal(size=(30, 2))[tracks]) + 0.01 * random.normal(size=(240, 2))
    label_sets = [tuple(np.flatnonzero(row)) for row in present]

    def interval(clusters, n=240):
        return main(zero_shot(images[:n], AB, label_sets=label_sets[:n], clusters=clusters)).interval

    apart, together = interval(None), interval([f"track {track:02d}" for track in tracks])
    assert together.kind == "cluster bootstrap"
    assert together.high - together.low > 2 * (apart.high - apart.low)
    assert interval(["one", "other"] * 120) is None


def test_classes_without_positives_are_left_out_and_named(random_world):
    outcome, *_ = random_world
    assert outcome.notes == ("Left out of the means for want of a positive image: f.",)
    assert outcome.tables["per_class"]["average_precision"].isna().tolist() == [False] * 5 + [True]
    assert outcome.tables["per_class"]["n"][5] == 0


def test_examples_hold_the_highest_class_and_the_margin(random_world):
    outcome, present, cosines = random_world
    frame = outcome.examples
    assert frame["prediction"].tolist() == cosines.argmax(axis=1).tolist()
    assert frame["correct"].tolist() == present[np.arange(400), cosines.argmax(axis=1)].tolist()
    row = int(np.flatnonzero(present.any(axis=1))[0])
    expected = cosines[row][present[row]].max() - cosines[row][~present[row]].max()
    assert frame["margin"][row] == pytest.approx(expected, abs=1e-6)
    assert frame["labels"][row] == " ".join(map(str, np.flatnonzero(present[row])))
    assert frame["group.half"][1] == "second"
    assert frame["margin"].isna().tolist() == (~present.any(axis=1)).tolist()


def test_pictures_are_the_widest_mistakes(random_world):
    outcome, *_ = random_world
    worst = outcome.examples.sort_values("margin").head(12)
    assert [picture.id for picture in outcome.pictures] == worst["id"].tolist()
    assert outcome.pictures[0].caption.startswith(f"true: {worst['label_names'].iloc[0]}; predicted: ")


def test_a_tie_is_not_the_present_classs_win(zero_shot):
    outcome = zero_shot([[1, 1], [1, 0]], AB, label_sets=[(0,), (0,)])
    assert outcome.examples["correct"].tolist() == [False, True]


def test_nothing_present_anywhere_is_undefined_and_said(zero_shot):
    outcome = zero_shot([[1, 1], [1, 0]], AB, label_sets=[(), ()])
    assert [(metric.value, metric.interval) for metric in outcome.metrics] == [(None, None)] * 2
    assert outcome.notes == ("No image shows any class, so average precision is undefined.",)


def test_the_declared_voc_metric_is_the_main_one(zero_shot):
    outcome = zero_shot([[1, 1], [1, 0]], AB, main_metric="map_voc2007_11point", label_sets=[(1,), (0,)])
    assert main(outcome).name == "map_voc2007_11point"


@pytest.mark.parametrize(
    ("images", "fields", "message"),
    [
        ([1, 1], {"label_sets": [(0,), (1, 2)]}, "labels [1, 2] of 'image-1' are not all among the 2 classes"),
        ([1, 1], {"labels": [0, 1]}, "has no label sets"),
        ([np.nan, 0], {"label_sets": [(0,), (1,)]}, "all zero: 1 of the images of toys, split test, the first"),
    ],
)  # fmt: skip
def test_images_and_label_sets_that_cannot_be_used_are_refused(zero_shot, images, fields, message):
    assert message in refusal(zero_shot, [[1, 1], images], AB, **fields)
