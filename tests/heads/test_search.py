"""The search for C against the whole grid."""

from io import BytesIO

import numpy as np
import PIL.Image
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import load_breast_cancer, load_digits

from clipbench.heads.logistic import fit
from clipbench.heads.problem import Problem, class_targets
from clipbench.heads.search import GRID, search, search_path


def test_the_grid_is_the_papers():
    assert len(GRID) == 97
    assert (GRID[0], GRID[48], GRID[96]) == pytest.approx((1e-6, 1.0, 1e6))
    assert np.diff(np.log10(GRID)) == pytest.approx(1 / 8)


@pytest.mark.parametrize("peak", [0, 1, 7, 8, 40, 47, 48, 63, 90, 96])
def test_a_single_peak_is_found_exactly(peak):
    found = search(lambda place: -abs(place - peak))
    assert found.best == peak
    assert found.at_edge == (peak in (0, 96))
    assert len(found.scores) <= 7 + 8


def test_each_value_is_tried_once_and_the_hopeless_end_not_at_all():
    tried = []

    def score(place):
        tried.append(place)
        return -abs(place - 16)

    search(score)
    assert len(tried) == len(set(tried))
    assert max(tried) == 48


def test_of_equal_scores_the_stronger_penalty_wins():
    assert search(lambda place: float(place >= 30)).best == 30
    assert search(lambda place: 1.0).best == 0


def pixels(files):
    """Features of photographs: 8 x 8 pixels."""
    images = (PIL.Image.open(file).convert("RGB").resize((8, 8)) for file in files)
    return np.stack([np.asarray(image, np.float32).ravel() / 255 for image in images])


def cifar(shared_data):
    (path,) = (shared_data / "cifar10" / "data").glob("train-*.parquet")
    table = pq.read_table(path).slice(0, 1200)
    return pixels(BytesIO(image["bytes"]) for image in table["image"].to_pylist()), table["label"].to_numpy()


def cifar_shift(shared_data):
    files = sorted((shared_data / "cifar10_shift").glob("*/*.JPEG"))
    return pixels(files), np.unique([file.parent.name for file in files], return_inverse=True)[1]


def real_data(name, shared_data):
    photographs = {"cifar10": cifar, "cifar10_shift": cifar_shift}
    if name in photographs:
        features, labels = photographs[name](shared_data)
        return features, labels, len(np.unique(labels))
    load = {"digits": load_digits, "breast_cancer": load_breast_cancer}[name]
    features, labels = load(return_X_y=True)
    return features.astype(np.float32), labels.astype(np.int64), len(np.unique(labels))


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["digits", "breast_cancer", "cifar10", "cifar10_shift"])
def test_it_is_within_a_fifth_of_a_point_of_the_best_of_the_whole_grid(name, shared_data):
    features, labels, classes = real_data(name, shared_data)
    order = np.random.default_rng(0).permutation(len(features))
    fitted, held = np.split(order, [len(order) * 3 // 4])
    targets, outputs = class_targets(labels[fitted], classes)
    problem = Problem.of(features[fitted], targets, outputs)

    def score(head):
        return float((head.class_scores(features[held]).argmax(axis=1) == labels[held]).mean())

    path = search_path(problem, fit, score)
    scores, head = [], None
    for C in GRID:
        head = fit(problem, C, head).head
        scores.append(score(head))
    assert path.best.score >= max(scores) - max(0.002, 1 / len(held)) - 1e-12
    if name != "breast_cancer":
        # There one example of 143 is 0.7 points, and the curve has several peaks.
        assert path.best.score >= max(scores) - 0.002
    assert min(point.C for point in path.points if point.score == path.best.score) == path.best.C
