"""Gradients of a batch that is larger than memory: the whole batch's loss, a part of its activations at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from clipbench.training.objectives.pairs import Pairs
from clipbench.training.towers.base import Trainable

_LOG = logging.getLogger("clipbench")

Loss = Callable[[Pairs], Tensor]
"""What a process's pairs cost, the other processes' taken into account."""


@dataclass(frozen=True)
class Inputs:
    """B images and texts as the towers take them."""

    pixels: Tensor
    """(B, 3, S, S)."""
    tokens: Tensor
    """(B, L) int64."""
    captions: Tensor
    """(B,) int64 codes, as in `Pairs`."""
    classes: Tensor
    """(B,) int64, as in `Pairs`."""

    def parts(self, size: int) -> Sequence[Inputs]:
        """Cut it into parts of at most `size` pairs."""
        columns = (self.pixels, self.tokens, self.captions, self.classes)
        return [Inputs(*part) for part in zip(*(torch.split(column, size) for column in columns), strict=True)]


def backward(
    towers: nn.Module, inputs: Inputs, loss: Loss, part: int | None = None, device: str | torch.device = "cpu"
) -> Tensor:
    """Add a batch's gradients to those of the towers and of what `loss` has learnt; return the loss, detached.

    With `part` the towers run over so many pairs at a time, twice: first without activations, for the features; the
    loss gives each feature its gradient; then each part again with its activations, from which its features' gradients
    go on to the weights (Gao et al. 2021, arXiv 2101.06983, GradCache). The gradients are those of the whole batch to
    rounding for towers in which no image or text depends on the others. Batch norm takes its statistics of a part, and
    moves its running ones twice a step; the gradients are those of the loss of such features.

    Args:
        towers: called with pixels and tokens, return image and text features, (B, D) float32 of length 1.
        inputs: this process's pairs.
        loss: of all pairs.
        part: pairs a pass; None: all in one, with their activations.
        device: of the towers, to which the pairs of a pass are moved: a large batch's pixels need not fit there.
    """
    captions, classes = inputs.captions.to(device), inputs.classes.to(device)
    if part is None or part >= len(inputs.pixels):
        found = loss(Pairs(*_features(towers, inputs, device), captions, classes))
        found.backward()  # type: ignore[no-untyped-call]
        return found.detach()
    parts, states = inputs.parts(part), []
    with torch.no_grad():
        features = []
        for one in parts:
            states.append(_RandomState(torch.device(device)))
            features.append(_features(towers, one, device))
    image, text = (torch.cat(side).requires_grad_() for side in zip(*features, strict=True))
    found = loss(Pairs(image, text, captions, classes))
    found.backward()  # type: ignore[no-untyped-call]
    assert image.grad is not None and text.grad is not None  # noqa: PT018 - for the type checker
    gradients = zip(torch.split(image.grad, part), torch.split(text.grad, part), strict=True)
    for place, (one, (of_image, of_text)) in enumerate(zip(parts, gradients, strict=True)):
        with _without_exchange(towers) if place < len(parts) - 1 else nullcontext(), states[place].again():
            torch.autograd.backward(_features(towers, one, device), (of_image, of_text))
    return found.detach()


def warn_of_batch_statistics(model: Trainable, part: int | None, pairs: int) -> None:
    """Log that parts change what is computed, where features depend on the others of their batch.

    Args:
        model: to be trained.
        part: as in `backward`.
        pairs: of a process in a step.
    """
    if part is not None and part < pairs and model.batch_statistics:
        _LOG.warning("part: batch norm takes its statistics of %d images, not of %d: other gradients", part, pairs)


def _features(towers: nn.Module, inputs: Inputs, device: str | torch.device) -> tuple[Tensor, Tensor]:
    image, text = towers(inputs.pixels.to(device, non_blocking=True), inputs.tokens.to(device, non_blocking=True))
    return image, text


def _without_exchange(towers: nn.Module) -> AbstractContextManager[None]:
    """Let gradients add up here; those of the last part are exchanged with the other processes for all."""
    return towers.no_sync() if isinstance(towers, DistributedDataParallel) else nullcontext()


class _RandomState:
    """Random numbers, as they were when a part first ran: its second pass drops out the same units."""

    def __init__(self, device: torch.device) -> None:
        self._devices = [device] if device.type == "cuda" else []
        self._cpu = torch.get_rng_state()
        self._cuda = [torch.cuda.get_rng_state(device) for device in self._devices]

    @contextmanager
    def again(self) -> Iterator[None]:
        """Set them to what they were, for as long as the context is open."""
        with torch.random.fork_rng(self._devices):
            torch.set_rng_state(self._cpu)
            for device, state in zip(self._devices, self._cuda, strict=True):
                torch.cuda.set_rng_state(state, device)
            yield
