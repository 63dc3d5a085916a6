"""Processes that train together: what one of them computes, what all of them compute, and how they end."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from clipbench.training.data.base import Batch, TrainingData
from clipbench.training.loop import Progress, fit
from clipbench.training.objectives.contrastive import contrastive
from clipbench.training.objectives.exchange import gathered, passed_round
from clipbench.training.objectives.sigmoid import sigmoid
from clipbench.training.processes import Processes, processes
from clipbench.training.recipe import load_recipe
from clipbench.training.start import build, open_data
from clipbench.training.step.cached import Inputs, Loss, backward
from clipbench.training.towers.base import Trainable

from .largest import largest_tensor
from .test_cached import VIT, inputs, made
from .written_out import CAPTIONS, CLASSES, WRITTEN_OUT, features, pairs

Seen = tuple[float, int, Tensor]
"""The loss of a step, how many were skipped before, and all weights after it."""
RECIPE = """
name: small
data: [{dataset: digits, split: train}]
towers:
  config:
    embed_dim: 16
    vision_cfg: {image_size: 16, patch_size: 8, width: 64, layers: 1}
    text_cfg: {context_length: 16, vocab_size: 49408, width: 64, heads: 1, layers: 1}
optimiser: {rate: 1.0e-3}
schedule: {batch: 12, steps: 5, warmup: 1}
save_every: 2
seed: 5
"""

STATE = {"a": torch.arange(6.0).reshape(2, 3).T, 3: [1, (torch.tensor(7), "x")], "path": Path("there"), "none": None}


def start(count: int, work: Callable[[Processes, Path], Any], folder: Path) -> list[Any]:
    """Do some work in processes of their own, as torchrun would start them; return what each of them found."""
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(_joined, (count, port, work, folder), nprocs=count)
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(count)]


def _joined(rank: int, count: int, port: int, work: Callable[[Processes, Path], Any], folder: Path) -> None:
    torch.set_num_threads(1)
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count), **address}
    with processes("cpu") as here:
        torch.save(work(here, folder), folder / f"{rank}.pt")


def loss_of(model: Trainable) -> Loss:
    scale, bias = model.log_scale, model.bias
    if bias is None:
        return lambda of: contrastive(of, gathered(of), scale.exp())
    return lambda of: sum((sigmoid(of, others, scale.exp(), bias) for others in passed_round(of)), torch.zeros(()))


def gradients(name: str, part: int | None, here: Processes) -> tuple[Tensor, dict[str, Tensor]]:
    """A loss and the gradients of a ViT's weights, of this process's pairs among all."""
    model = made(VIT, name)
    apart = [weight for weight in (model.log_scale, model.bias) if weight is not None]
    towers, size = here.together(model.towers(), apart), len(CAPTIONS) // here.count
    own = inputs(model.side).parts(size)[here.rank]
    loss = here.average(backward(towers, own, loss_of(model), part))
    for weight in apart:
        here.average(weight.grad)
    return loss, {name: weight.grad for name, weight in model.model.named_parameters() if weight.grad is not None}


def written_out(name: str) -> tuple[Tensor, dict[str, Tensor]]:
    """The same of the whole batch and the sum over all pairs."""
    model = made(VIT, name)
    given: Inputs = inputs(model.side)
    bias = torch.zeros(()) if model.bias is None else model.bias
    loss = WRITTEN_OUT[name](*model.towers()(given.pixels, given.tokens), model.log_scale.exp(), bias)
    loss.backward()
    return loss.detach(), {
        name: weight.grad for name, weight in model.model.named_parameters() if weight.grad is not None
    }


def largest_of_a_loss(name: str, here: Processes) -> int:
    image, text = (side.repeat(10, 1).requires_grad_() for side in features())
    many = replace(pairs(image, text), captions=torch.arange(120) + 120 * here.rank, classes=torch.arange(120))
    model = made(VIT, name)
    return largest_tensor(lambda: loss_of(model)(many))


def _computations(here: Processes, folder: Path) -> Mapping[str, Any]:
    here.seed_step(5, 2)
    drawn = torch.rand(3)
    return {
        "gradients": {(name, part): gradients(name, part, here) for name in WRITTEN_OUT for part in (None, 3)},
        "largest": {name: largest_of_a_loss(name, here) for name in WRITTEN_OUT},
        "state": here.of_first(STATE if here.first else None),
        "drawn": drawn,
    }


@pytest.fixture(scope="module", params=[2, 3])
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Mapping[str, Any]]:
    """What each of two or three processes computed."""
    return start(request.param, _computations, tmp_path_factory.mktemp("processes") / "found")


@pytest.mark.slow
@pytest.mark.parametrize("part", [None, 3])
@pytest.mark.parametrize("name", ["contrastive", "sigmoid"])
def test_all_processes_have_the_gradients_of_the_sum_written_out(
    found: list[Mapping[str, Any]], name: str, part: int | None
) -> None:
    """Equal captions and images of one class are in different processes; 3 does not divide all of their pairs."""
    expected_loss, expected = written_out(name)
    for process in found:
        loss, gradients = process["gradients"][name, part]
        assert float(loss) == pytest.approx(float(expected_loss), rel=1e-6)
        assert gradients.keys() == expected.keys()
        for weight, gradient in gradients.items():
            assert (gradient - expected[weight]).norm() <= 2e-5 * expected[weight].norm(), weight


@pytest.mark.slow
def test_no_process_holds_the_similarities_of_all_pairs(found: list[Mapping[str, Any]]) -> None:
    for process in found:
        assert process["largest"] == {"contrastive": 120 * 120 * len(found), "sigmoid": 120 * 120}


@pytest.mark.slow
def test_a_state_reaches_all_from_the_first_process(found: list[Mapping[str, Any]]) -> None:
    for process in found:
        state = process["state"]
        assert state["a"].equal(STATE["a"])
        assert state[3] == [1, (torch.tensor(7), "x")]
        assert (state["path"], state["none"]) == (Path("there"), None)


@pytest.mark.slow
def test_processes_draw_numbers_of_their_own_and_again(found: list[Mapping[str, Any]]) -> None:
    drawn = [process["drawn"].tolist() for process in found]
    assert len({tuple(numbers) for numbers in drawn}) == len(found)
    Processes().seed_step(5, 2)
    assert torch.rand(3).tolist() == drawn[0]
    Processes().seed_step(5, 3)
    assert torch.rand(3).tolist() != drawn[0]


class OneBroken:
    """Pixels of which those of the second process are no numbers in the third step."""

    examples = None

    def __init__(self, here: Processes) -> None:
        self._here, self._size = here, len(CAPTIONS) // here.count

    def batches(self, first: int) -> Iterator[Batch]:
        own = slice(self._here.rank * self._size, (self._here.rank + 1) * self._size)
        for step in count(first):
            pixels = torch.randn(len(CAPTIONS), 3, 16, 16, generator=torch.Generator().manual_seed(step))[own]
            broken = step == 2 and self._here.rank == 1
            yield Batch(pixels * torch.nan if broken else pixels, CAPTIONS[own], torch.tensor(CLASSES)[own])

    def about(self) -> Mapping[str, Any]:
        return {}


TRAININGS = {
    "contrastive": (),
    "sigmoid": ("objective.name=sigmoid",),
    "contrastive by parts": ("part=4",),
    "sigmoid by parts": ("objective.name=sigmoid", "part=4"),
}
"""Of digits with a prompt each: equal captions and other images of a class are in one batch, on either side."""


def training(here: Processes, folder: Path, settings: Sequence[str], data: TrainingData | None = None) -> list[Seen]:
    """Train a ViT; return the loss, the skipped steps and all weights, step by step."""
    loaded, seen = load_recipe(folder.parent / "small.yaml", settings), list[Seen]()
    torch.manual_seed(0)
    model = build(loaded)

    def note(progress: Progress) -> None:
        weights = torch.cat([weight.detach().flatten() for weight in model.model.parameters()])
        seen.append((progress.loss, progress.skipped, weights))

    fit(loaded, model, data or open_data(loaded, model, here), folder / "model", here=here, report=note)
    return seen


def _trainings(here: Processes, folder: Path) -> Mapping[str, list[Seen]]:
    whole = {name: training(here, folder, settings) for name, settings in TRAININGS.items()}
    precisions = ("float32", "bfloat16", "float16")
    return whole | {kind: training(here, folder, [f"precision={kind}"], OneBroken(here)) for kind in precisions}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> list[Mapping[str, list[Seen]]]:
    """What each of two processes saw in its trainings."""
    folder = tmp_path_factory.mktemp("trainings")
    (folder / "small.yaml").write_text(RECIPE)
    return start(2, _trainings, folder / "found")


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAININGS)
def test_two_processes_train_as_one(trained: list[Mapping[str, list[Seen]]], name: str, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(RECIPE)
    settings = [setting for setting in TRAININGS[name] if not setting.startswith("part")]
    alone = training(Processes(), tmp_path / "alone", settings)
    moved = (alone[-1][2] - alone[0][2]).norm()
    for process in trained:
        seen = process[name]
        assert [loss for loss, _, _ in seen] == pytest.approx([loss for loss, _, _ in alone], rel=1e-5)
        assert [skipped for _, skipped, _ in seen] == [0] * len(alone)
        # AdamW's first steps make tiny gradients large, and their rounding with them: 0.002 by parts, less without.
        assert (seen[-1][2] - alone[-1][2]).norm() < 0.01 * moved


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_step_that_one_process_cannot_take_is_skipped_by_both(
    trained: list[Mapping[str, list[Seen]]], precision: str
) -> None:
    first, second = (process[precision] for process in trained)
    numbers = [skipped for _, skipped, _ in first]
    assert numbers == [skipped for _, skipped, _ in second]
    # In float16 the gradients' scale starts too high as well.
    assert numbers[2] == numbers[1] + 1
    assert numbers[-1] == 1 or precision == "float16"
    for step, (_, skipped, weights) in enumerate(first):
        assert torch.isfinite(weights).all()
        assert weights.equal(second[step][2])
        assert not step or weights.equal(first[step - 1][2]) == (skipped > numbers[step - 1])
