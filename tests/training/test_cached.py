"""Gradients of a large batch, a part of it at a time: those of open_clip's towers against the batch in one pass."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from clipbench.training.objectives.contrastive import contrastive
from clipbench.training.objectives.pairs import Pairs, caption_codes
from clipbench.training.objectives.sigmoid import sigmoid
from clipbench.training.recipe import Objective
from clipbench.training.recipe import Towers as Wanted
from clipbench.training.step.cached import Inputs, Loss, backward, warn_of_batch_statistics
from clipbench.training.towers.base import Trainable
from clipbench.training.towers.open_clip import build

from .written_out import CAPTIONS, CLASSES, WRITTEN_OUT

TEXT = {"context_length": 8, "vocab_size": 64, "width": 64, "heads": 1, "layers": 1}
VIT = {"image_size": 16, "patch_size": 8, "width": 64, "layers": 2}
RESNET = {"image_size": 32, "width": 8, "layers": [1, 1, 1, 1]}


def made(vision: Mapping[str, Any], objective: str = "contrastive") -> Trainable:
    torch.manual_seed(0)
    wanted = Wanted(config={"embed_dim": 16, "vision_cfg": dict(vision), "text_cfg": dict(TEXT)})
    return build(wanted, Objective(name=objective, bias=-3.0), "test")


def inputs(side: int) -> Inputs:
    generator, count = torch.Generator().manual_seed(3), len(CAPTIONS)
    pixels = torch.randn(count, 3, side, side, generator=generator)
    tokens = torch.randint(1, 60, (count, 8), generator=generator)
    tokens[:, -1] = 63
    return Inputs(pixels, tokens, caption_codes(CAPTIONS), torch.tensor(CLASSES))


def loss_of(model: Trainable) -> Loss:
    if model.bias is not None:
        return lambda pairs: sigmoid(pairs, pairs, model.log_scale.exp(), model.bias)
    return lambda pairs: contrastive(pairs, pairs, model.log_scale.exp())


def gradients(model: Trainable) -> dict[str, Tensor]:
    return {name: weight.grad.clone() for name, weight in model.model.named_parameters() if weight.grad is not None}


def by_parts(model: Trainable, part: int | None, precision: torch.dtype = torch.float32) -> dict[str, Tensor]:
    model.model.zero_grad()
    torch.manual_seed(1)
    backward(model.towers(precision), inputs(model.side), loss_of(model), part)
    return gradients(model)


def with_all_activations(model: Trainable, part: int) -> dict[str, Tensor]:
    """The same passes, but with the activations of all: the gradients of one graph."""
    model.model.zero_grad()
    torch.manual_seed(1)
    given, towers = inputs(model.side), model.towers()
    seen = [towers(some.pixels, some.tokens) for some in given.parts(part)]
    image, text = (torch.cat(side) for side in zip(*seen, strict=True))
    loss_of(model)(Pairs(image, text, given.captions, given.classes)).backward()
    return gradients(model)


def furthest(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    """The largest distance of a weight's gradient from the expected one, as a share of that one's length."""
    assert found.keys() == expected.keys()
    return max(float((found[name] - wanted).norm() / wanted.norm()) for name, wanted in expected.items())


@pytest.mark.parametrize("objective", ["contrastive", "sigmoid"])
def test_a_vit_has_the_gradients_of_the_batch_in_one_pass(objective: str) -> None:
    model = made(VIT, objective)
    whole = by_parts(model, None)
    assert len(whole) == len(list(model.model.parameters()))
    for part in (5, 1):
        assert furthest(by_parts(model, part), whole) < 2e-5


def test_in_bfloat16_parts_round_no_more_than_the_batch_does() -> None:
    """A weight's gradient is a bfloat16, of three digits, before it is added to those of other parts."""
    model = made(VIT)
    exact, whole, parts = by_parts(model, None), *(by_parts(model, part, torch.bfloat16) for part in (None, 5))
    assert furthest(parts, whole) < 0.03
    assert furthest(parts, exact) < 1.5 * furthest(whole, exact)


def test_the_loss_is_of_float32_similarities_whatever_the_precision_of_the_towers() -> None:
    model = made(VIT)
    given, towers, scale = inputs(model.side), model.towers(torch.bfloat16), model.log_scale.exp()
    image, text = towers(given.pixels, given.tokens)
    assert image.dtype == text.dtype == torch.float32
    expected = WRITTEN_OUT["contrastive"](image, text, scale, torch.zeros(()))
    assert backward(towers, given, loss_of(model)).item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_second_pass_drops_out_what_the_first_did() -> None:
    model = made({**VIT, "image_size": 32, "patch_dropout": 0.5})
    assert furthest(by_parts(model, 5), with_all_activations(model, 5)) < 2e-5


def test_batch_norm_takes_its_statistics_of_a_part() -> None:
    model = made(RESNET)
    for module in model.model.modules():
        if isinstance(module, nn.BatchNorm2d):
            # open_clip starts the last ones of a block at 0, where a gradient says little.
            nn.init.ones_(module.weight)
    assert furthest(by_parts(model, 6), with_all_activations(model, 6)) < 1e-3
    assert furthest(by_parts(model, 6), by_parts(model, None)) > 0.1


def test_batch_norm_with_parts_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "clipbench"):
        warn_of_batch_statistics(made(VIT), 4, 8)
        warn_of_batch_statistics(made(RESNET), None, 8)
        warn_of_batch_statistics(made(RESNET), 8, 8)
        assert not caplog.text
        warn_of_batch_statistics(made(RESNET), 4, 8)
    assert "statistics of 4 images, not of 8" in caplog.text
