"""The contrastive loss against a value by hand and against open_clip."""

from __future__ import annotations

import math

import pytest
import torch

from clipbench.training.objectives import contrastive, shared_captions


def test_by_hand():
    image = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    text = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    # Cosines are 1, 0.6 / 0, 0.8; times 5: 5, 3 / 0, 4.
    rows = [math.log(1 + math.exp(3 - 5)), math.log(1 + math.exp(0 - 4))]
    columns = [math.log(1 + math.exp(0 - 5)), math.log(1 + math.exp(3 - 4))]
    expected = (sum(rows) / 2 + sum(columns) / 2) / 2
    assert contrastive(image, text, 5.0).item() == pytest.approx(expected, rel=1e-6)


def test_equals_open_clip():
    open_clip_loss = pytest.importorskip("open_clip.loss")
    image, text = torch.randn(2, 16, 8, generator=torch.Generator().manual_seed(0))
    scale = torch.tensor(1 / 0.07)
    normal_image, normal_text = (torch.nn.functional.normalize(side, dim=1) for side in (image, text))
    theirs = open_clip_loss.ClipLoss()(normal_image, normal_text, scale)
    assert contrastive(image, text, scale).item() == pytest.approx(theirs.item(), rel=1e-6)


def test_embeddings_that_tell_nothing_cost_the_logarithm_of_the_batch():
    same = torch.ones(7, 4)
    assert contrastive(same, same, 100.0).item() == pytest.approx(math.log(7), rel=1e-6)


def test_targets_without_equal_captions_change_nothing():
    image, text = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(1))
    targets = shared_captions(["a", "b", "c", "d", "e"])
    assert torch.equal(targets, torch.eye(5))
    assert contrastive(image, text, 10.0, targets).item() == pytest.approx(contrastive(image, text, 10.0).item())


def test_equal_captions_share_their_weight():
    targets = shared_captions(["a ring", "a star", "a ring"])
    assert targets.tolist() == [[0.5, 0, 0.5], [0, 1, 0], [0.5, 0, 0.5]]


def test_equal_captions_are_not_pushed_apart():
    text = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    image = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    told = contrastive(image, text, 100.0, shared_captions(["a", "a", "b"]))
    assert told.item() == pytest.approx(2 / 3 * math.log(2), rel=1e-5)
    told.backward()
    assert text.grad is not None
    assert text.grad.abs().max() < 1e-6


def test_sides_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match=r"images \(2, 4\) and texts \(3, 4\) are not pairs"):
        contrastive(torch.ones(2, 4), torch.ones(3, 4), 1.0)
