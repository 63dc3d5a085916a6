import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from torchmetrics.functional.classification import binary_average_precision

from clipbench.metrics.average_precision import PrecisionRecall, average_precision, average_precision_11point


def by_hand_11point(scores, positive):
    """The devkit's loop over recalls, with a threshold at each distinct score."""
    points = []
    for threshold in np.unique(scores):
        chosen = scores >= threshold
        points.append((positive[chosen].sum() / positive.sum(), positive[chosen].mean()))
    return sum(max(p for r, p in points if r >= tenth / 10 - 1e-9) for tenth in range(11)) / 11


@pytest.mark.parametrize("digits", [0, 6])
def test_average_precision_agrees_with_scikit_learn_and_torchmetrics(agree, digits):
    agree(
        lambda case: average_precision(np.round(case.scores[:, 0], digits), case.positive),
        lambda case: average_precision_score(case.positive, np.round(case.scores[:, 0], digits)),
        lambda case: binary_average_precision(
            torch.tensor(np.round(case.scores[:, 0], digits)), torch.tensor(case.positive).long()
        ),
    )


@pytest.mark.parametrize("digits", [0, 6])
def test_the_11_point_average_agrees_with_the_definition(agree, digits):
    agree(
        lambda case: average_precision_11point(np.round(case.scores[:, 0], digits), case.positive),
        lambda case: by_hand_11point(np.round(case.scores[:, 0], digits), case.positive),
    )


def test_three_positives_worked_by_hand():
    scores, positive = np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([True, False, True, False, True])
    assert average_precision(scores, positive) == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    # Recalls 0 to 0.3 reach precision 1, 0.4 to 0.6 reach 2/3, 0.7 to 1 reach 3/5.
    assert average_precision_11point(scores, positive) == pytest.approx((4 * 1 + 3 * 2 / 3 + 4 * 3 / 5) / 11)


def test_three_of_ten_reach_the_recall_three_tenths():
    scores = -np.arange(14.0)
    positive = np.array([True] * 3 + [False] * 4 + [True] * 7)
    assert average_precision_11point(scores, positive) == pytest.approx((4 * 1 + 7 * 10 / 14) / 11)


@pytest.mark.parametrize("digits", [0, 1, 6])
def test_contributions_are_the_derivatives_by_each_images_weight(digits):
    random = np.random.default_rng(1)
    scores, positive = np.round(random.normal(size=50), digits), random.random(50) < 0.3
    curve, value = PrecisionRecall(scores, positive), average_precision(scores, positive)
    step = 1e-6
    nudged = curve.averages(1 + step * np.eye(50))[0]
    assert curve.contributions.mean() == pytest.approx(value)
    assert curve.contributions == pytest.approx(value + 50 * (nudged - value) / step, abs=1e-4)


def test_the_scatter_of_contributions_is_that_of_new_samples():
    random = np.random.default_rng(2)

    def sample():
        positive = random.random(400) < 0.1
        return PrecisionRecall(random.normal(size=400) + 1.5 * positive, positive).contributions

    samples = [sample() for _ in range(400)]
    errors = [values.std(ddof=1) / 20 for values in samples]
    assert np.mean(errors) == pytest.approx(np.std([values.mean() for values in samples]), rel=0.1)


def test_weights_count_images_as_if_they_were_repeated():
    random = np.random.default_rng(0)
    scores, positive = np.round(random.normal(size=60), 1), random.random(60) < 0.4
    weights = random.integers(0, 4, (20, 60))
    steps, points = PrecisionRecall(scores, positive).averages(weights.T)
    for row, weight in enumerate(weights):
        repeated = np.repeat(scores, weight), np.repeat(positive, weight)
        assert steps[row] == pytest.approx(average_precision(*repeated), abs=1e-12)
        assert points[row] == pytest.approx(average_precision_11point(*repeated), abs=1e-12)


def test_a_resample_without_positives_has_no_value():
    steps, points = PrecisionRecall(np.array([1.0, 0.0]), np.array([True, False])).averages(np.array([[0], [2]]))
    assert np.isnan(steps).all()
    assert np.isnan(points).all()


def test_scores_without_an_order_are_refused():
    with pytest.raises(ValueError, match="scores must be finite"):
        average_precision(np.array([np.nan]), np.array([True]))
