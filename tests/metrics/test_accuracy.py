import numpy as np
import pytest
import torch
from sklearn.metrics import recall_score, top_k_accuracy_score
from torchmetrics.functional.classification import multiclass_accuracy

from clipbench.metrics.accuracy import class_counts, mean_per_class_recall, true_class_ranks


def share_within(k, scores, labels):
    return float((true_class_ranks(scores, labels) <= k).mean())


@pytest.mark.parametrize("most", [1, 5])
def test_ranks_agree_with_scikit_learn_and_torchmetrics(agree, most):
    def k(case):
        return min(most, case.scores.shape[1] - 1)

    def scikit_learn(case):
        if k(case) == 1:
            return (case.predictions == case.labels).mean()
        return top_k_accuracy_score(case.labels, case.scores, k=k(case), labels=range(case.scores.shape[1]))

    def torchmetrics(case):
        scores, labels = torch.tensor(case.scores), torch.tensor(case.labels)
        return multiclass_accuracy(scores, labels, case.scores.shape[1], average="micro", top_k=k(case))

    agree(lambda case: share_within(k(case), case.scores, case.labels), scikit_learn, torchmetrics)


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
    assert share_within(1, scores, np.array([0, 0])) == 0.5
    assert share_within(2, scores, np.array([0, 1])) == 0.5
    # A model that answers nothing scores nothing.
    assert share_within(5, np.zeros((10, 7)), np.zeros(10, int)) == 0.0


def test_classes_that_share_a_column_rank_before_every_other_class_they_reach():
    scores = np.array([[3.0, 2.0, 1.0]] * 3)
    assert true_class_ranks(scores, np.array([0, 1, 2]), np.array([1, 4, 1])).tolist() == [1, 2, 6]


def test_classes_without_examples_are_left_out_of_the_mean():
    assert mean_per_class_recall(np.array([4, 0, 2]), np.array([2, 0, 2])) == pytest.approx(0.75)
    assert np.isnan(mean_per_class_recall(np.array([0, 0]), np.array([0, 0])))
