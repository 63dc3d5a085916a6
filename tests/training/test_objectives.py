"""Objectives against sums written out: losses, and the gradients of features, scale and bias."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from clipbench.training.objectives import rows
from clipbench.training.objectives.contrastive import contrastive
from clipbench.training.objectives.pairs import Pairs
from clipbench.training.objectives.sigmoid import sigmoid

from .largest import largest_tensor
from .written_out import CAPTIONS, WRITTEN_OUT, features, pairs


def loss_of(name: str, local: Pairs, scale: Tensor, bias: Tensor) -> Tensor:
    return contrastive(local, local, scale) if name == "contrastive" else sigmoid(local, local, scale, bias)


@pytest.mark.parametrize("at_once", [None, 5, 1], ids=["whole", "five rows at a time", "row by row"])
@pytest.mark.parametrize("name", ["contrastive", "sigmoid"])
def test_an_objective_is_the_sum_written_out(name: str, at_once: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if at_once:
        monkeypatch.setattr(rows, "SIMILARITIES", at_once * len(CAPTIONS))
    learnt = [torch.tensor(7.0), torch.tensor(-3.0)]
    ours, theirs = ([column.clone().requires_grad_() for column in (*features(), *learnt)] for _ in range(2))
    expected = WRITTEN_OUT[name](*theirs)
    found = loss_of(name, pairs(*ours[:2]), *ours[2:])
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    expected.backward()
    found.backward()
    for one, other in zip(ours, theirs, strict=True):
        if other.grad is None:
            assert one.grad is None
        else:
            assert torch.allclose(one.grad, other.grad, rtol=1e-4, atol=1e-6)
            assert one.grad.abs().max() > 1e-3


def test_of_many_rows_few_similarities_are_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def largest(name: str) -> int:
        image, text = (side.repeat(100, 1)[:200].requires_grad_() for side in features())
        columns = Pairs(image, text, torch.arange(200), torch.full((200,), -1))
        return largest_tensor(lambda: loss_of(name, columns, torch.tensor(7.0), torch.tensor(-3.0)))

    assert [largest(name) for name in WRITTEN_OUT] == [200 * 200] * 2
    monkeypatch.setattr(rows, "SIMILARITIES", 10 * 200)
    assert [largest(name) for name in WRITTEN_OUT] == [10 * 200] * 2
