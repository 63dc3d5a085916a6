"""The search for C against the whole grid."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import load_breast_cancer, load_digits

from clipbench.heads.logistic import fit
from clipbench.heads.path import search_path
from clipbench.heads.problem import Problem, class_targets
from clipbench.heads.search import GRID, search


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


def cifar_pixels(shared_data, name, rows):
    from io import BytesIO

    import PIL.Image

    (path,) = (shared_data / "cifar10" / "data").glob(f"{name}-*.parquet")
    table = pq.read_table(path).slice(0, rows)
    images = [PIL.Image.open(BytesIO(image["bytes"])).resize((8, 8)) for image in table["image"].to_pylist()]
    return np.stack([np.asarray(image, np.float32).ravel() / 255 for image in images]), table["label"].to_numpy()


def real_data(name, shared_data):
    if name == "cifar10":
        return (*cifar_pixels(shared_data, "train", 1200), 10)
    load = {"digits": load_digits, "breast_cancer": load_breast_cancer}[name]
    features, labels = load(return_X_y=True)
    return features.astype(np.float32), labels.astype(np.int64), len(np.unique(labels))


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["digits", "breast_cancer", "cifar10"])
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
    # Of a few hundred held-out images one is more than a fifth of a point.
    assert path.best.score >= max(scores) - max(0.002, 1 / len(held)) - 1e-12
    assert min(point.C for point in path.points if point.score == path.best.score) == path.best.C
