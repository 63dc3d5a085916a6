import numpy as np
import pytest
import torch
from sklearn.metrics import recall_score, top_k_accuracy_score
from torchmetrics.functional.classification import multiclass_accuracy

from clipbench.metrics.accuracy import class_counts, mean_per_class_recall, top_k_accuracy, true_class_ranks


def test_top_1_agrees_with_scikit_learn_and_torchmetrics(agree):
    agree(
        lambda case: top_k_accuracy(case.scores, case.labels),
        lambda case: (case.predictions == case.labels).mean(),
        lambda case: multiclass_accuracy(
            torch.tensor(case.scores), torch.tensor(case.labels), case.scores.shape[1], average="micro"
        ),
    )


def test_top_k_agrees_with_scikit_learn_and_torchmetrics(agree):
    def k(case):
        return min(5, case.scores.shape[1] - 1)

    def scikit_learn(case):
        if case.scores.shape[1] == 2:
            return (case.predictions == case.labels).mean()
        return top_k_accuracy_score(case.labels, case.scores, k=k(case), labels=range(case.scores.shape[1]))

    agree(
        lambda case: top_k_accuracy(case.scores, case.labels, k(case)),
        scikit_learn,
        lambda case: multiclass_accuracy(
            torch.tensor(case.scores), torch.tensor(case.labels), case.scores.shape[1], average="micro", top_k=k(case)
        ),
    )


def test_mean_per_class_recall_agrees_with_scikit_learn_and_torchmetrics(agree):
    def ours(case):
        counts = class_counts(case.labels, case.predictions == case.labels, case.scores.shape[1])
        return float(mean_per_class_recall(*counts))

    def torchmetrics(case):
        recalls = multiclass_accuracy(
            torch.tensor(case.predictions), torch.tensor(case.labels), case.scores.shape[1], average="none"
        )
        return recalls[np.unique(case.labels)].mean()

    agree(
        ours,
        lambda case: recall_score(
            case.labels, case.predictions, average="macro", labels=np.unique(case.labels), zero_division=0
        ),
        torchmetrics,
    )


def test_a_tie_is_not_right():
    scores = np.array([[1.0, 1.0, 0.0], [2.0, 1.0, 1.0]])
    assert top_k_accuracy(scores, np.array([0, 0])) == 0.5
    assert top_k_accuracy(scores, np.array([0, 1]), k=2) == 0.5


def test_a_model_that_answers_nothing_scores_nothing():
    assert top_k_accuracy(np.zeros((10, 7)), np.zeros(10, int), k=5) == 0.0


def test_classes_that_share_a_column_rank_before_every_other_class_they_reach():
    scores = np.array([[3.0, 2.0, 1.0]] * 3)
    assert true_class_ranks(scores, np.array([0, 1, 2]), np.array([1, 4, 1])).tolist() == [1, 2, 6]


def test_classes_without_examples_are_left_out_of_the_mean():
    assert mean_per_class_recall(np.array([4, 0, 2]), np.array([2, 0, 2])) == pytest.approx(0.75)
    assert np.isnan(mean_per_class_recall(np.array([0, 0]), np.array([0, 0])))


@pytest.mark.parametrize(
    ("scores", "labels", "k", "message"),
    [
        (np.zeros((2, 3)), np.array([0, 3]), 1, "labels must be 0 to 2, got 0 to 3"),
        (np.zeros((2, 3)), np.array([0]), 1, r"scores must be \(1, classes\), got \(2, 3\)"),
        (np.zeros((2, 3)), np.array([0, 1]), 3, "k must be 1 to 2, got 3"),
        (np.zeros((2, 3)), np.array([[0], [1]]), 1, "labels must have one dimension"),
        (np.full((1, 3), np.nan), np.array([0]), 1, "scores must be finite"),
        (np.zeros((0, 3)), np.zeros(0, int), 1, "at least one row"),
    ],
)
def test_what_does_not_fit_is_refused(scores, labels, k, message):
    with pytest.raises(ValueError, match=message):
        top_k_accuracy(scores, labels, k)
