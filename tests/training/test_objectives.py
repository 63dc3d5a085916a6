"""Objectives against sums written out, over processes and over parts of a batch."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from clipbench.training.cached import Inputs, backward
from clipbench.training.objectives.contrastive import contrastive
from clipbench.training.objectives.exchange import gathered, passed_round
from clipbench.training.objectives.pairs import Pairs, caption_codes
from clipbench.training.objectives.sigmoid import sigmoid

CAPTIONS = ["a dog", "a cat", "a dog", "a photo of a dog", "two cats", "a ship", "a ship", "the sea"]
CLASSES = [0, 1, 0, 0, -1, 2, 2, -1]


def made(seed: int = 0, width: int = 5) -> Pairs:
    generator = torch.Generator().manual_seed(seed)
    image, text = (functional.normalize(torch.randn(8, width, generator=generator), dim=1) for _ in range(2))
    return Pairs(image, text, caption_codes(CAPTIONS), torch.tensor(CLASSES))


def test_contrastive_is_the_cross_entropy_written_out() -> None:
    pairs, scale, total = made(), 7.0, 0.0
    for first, second in ((pairs.image, pairs.text), (pairs.text, pairs.image)):
        for i in range(8):
            alike = [j for j in range(8) if CAPTIONS[j] == CAPTIONS[i]]
            hidden = {j for j in range(8) if CLASSES[i] >= 0 and CLASSES[i] == CLASSES[j]} - set(alike)
            weights = {j: math.exp(scale * float(first[i] @ second[j])) for j in range(8) if j not in hidden}
            total -= sum(math.log(weights[j] / sum(weights.values())) for j in alike) / len(alike)
    assert float(contrastive(pairs, pairs, scale)) == pytest.approx(total / 16, rel=1e-5)


def test_sigmoid_is_the_sum_of_log_sigmoids_written_out() -> None:
    pairs, scale, bias, total = made(), 10.0, -3.0, 0.0
    for i in range(8):
        for j in range(8):
            if CLASSES[i] >= 0 and CLASSES[i] == CLASSES[j] and CAPTIONS[i] != CAPTIONS[j]:
                continue
            sign = 1 if CAPTIONS[i] == CAPTIONS[j] else -1
            total += math.log1p(math.exp(-sign * (scale * float(pairs.image[i] @ pairs.text[j]) + bias)))
    assert float(sigmoid(pairs, pairs, scale, bias)) == pytest.approx(total / 8, rel=1e-5)


class Towers(nn.Module):
    """Two small towers with dropout, whose pairs do not depend on each other."""

    def __init__(self) -> None:
        super().__init__()
        self.image = nn.Sequential(nn.Flatten(), nn.Linear(48, 16), nn.GELU(), nn.Dropout(0.1), nn.Linear(16, 6))
        self.text = nn.Sequential(nn.Embedding(20, 16), nn.Flatten(), nn.Linear(64, 6))

    def forward(self, pixels: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        return functional.normalize(self.image(pixels), dim=1), functional.normalize(self.text(tokens), dim=1)


def inputs() -> Inputs:
    generator = torch.Generator().manual_seed(3)
    pixels = torch.randn(8, 3, 4, 4, generator=generator)
    tokens = torch.randint(20, (8, 4), generator=generator)
    return Inputs(pixels, tokens, caption_codes(CAPTIONS), torch.tensor(CLASSES))


def losses(log_scale: Tensor, name: str) -> Tensor | partial[Tensor]:
    if name == "contrastive":
        return lambda pairs: contrastive(pairs, gathered(pairs), log_scale.exp())
    bias = -3.0
    return lambda pairs: sum(
        (sigmoid(pairs, others, log_scale.exp(), bias) for others in passed_round(pairs)), torch.zeros(())
    )


def gradients(name: str, part: int | None, *, rank: slice = slice(None), ddp: bool = False):
    torch.manual_seed(0)
    towers = Towers().eval()
    log_scale = nn.Parameter(torch.tensor(2.0))
    given = inputs()
    mine = Inputs(given.pixels[rank], given.tokens[rank], given.captions[rank], given.classes[rank])
    wrapped = DistributedDataParallel(towers) if ddp else towers
    torch.manual_seed(1)
    found = backward(wrapped, mine, losses(log_scale, name), part)
    return found, [weight.grad for weight in (*towers.parameters(), log_scale)]


@pytest.mark.parametrize("name", ["contrastive", "sigmoid"])
def test_parts_have_the_gradients_of_the_whole(name: str) -> None:
    whole, expected = gradients(name, None)
    for part in (3, 1):
        loss, found = gradients(name, part)
        assert float(loss) == pytest.approx(float(whole), rel=1e-6)
        for one, other in zip(found, expected, strict=True):
            assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)


def test_the_second_pass_drops_out_what_the_first_did() -> None:
    """With other units the features would not be those that the loss gave gradients for: their mean would move."""
    torch.manual_seed(0)
    towers, seen = Towers(), []
    towers.image.register_forward_hook(lambda _, __, output: seen.append(output.detach()))
    backward(towers, inputs(), lambda pairs: contrastive(pairs, pairs, 5.0), 4)
    assert torch.equal(seen[0], seen[2])
    assert torch.equal(seen[1], seen[3])


def _process(rank: int, folder: str, name: str, part: int | None) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    loss, found = gradients(name, part, rank=slice(4 * rank, 4 * rank + 4), ddp=True)
    # The scale is outside of what is exchanged by itself.
    distributed.all_reduce(found[-1])
    found[-1] /= 2
    torch.save({"loss": loss, "gradients": found}, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "part"),
    [pytest.param("contrastive", None, marks=SLOW), ("contrastive", 3), pytest.param("sigmoid", None, marks=SLOW)],
)
def test_two_processes_have_the_gradients_of_one(tmp_path: Path, name: str, part: int | None) -> None:
    torch.multiprocessing.spawn(_process, (str(tmp_path), name, part), nprocs=2)
    whole, expected = gradients(name, None)
    ranks = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    assert sum(float(rank["loss"]) for rank in ranks) / 2 == pytest.approx(float(whole), rel=1e-5)
    for rank in ranks:
        for one, other in zip(rank["gradients"], expected, strict=True):
            assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)
