"""Features of other processes, with gradients that find their way back to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, distributed

from clipbench.training.objectives.pairs import Pairs


def ranks() -> int:
    """Return how many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def gathered(local: Pairs) -> Pairs:
    """Return the pairs of all processes in the order of their ranks; `local` itself where there is one process.

    The gradient of a feature is the sum of those that all processes have for it.
    """
    if ranks() == 1:
        return local
    return Pairs(
        _Gather.apply(local.image),
        _Gather.apply(local.text),
        _every(local.captions),
        _every(local.classes),
    )


def passed_round(local: Pairs) -> Iterator[Pairs]:
    """Yield the pairs of each process, this one's first, each taken over from the rank before.

    Only texts go round, and no process holds more than one other's at a time.
    """
    yield local
    text, captions, classes = local.text, local.captions, local.classes
    for _ in range(ranks() - 1):
        text = _PassOn.apply(text)
        captions, classes = _shifted(captions, 1), _shifted(classes, 1)
        yield Pairs(local.image, text, captions, classes)


def _every(local: Tensor) -> Tensor:
    parts = [torch.empty_like(local) for _ in range(ranks())]
    distributed.all_gather(parts, local.contiguous())
    return torch.cat(parts)


def _shifted(local: Tensor, step: int) -> Tensor:
    """Send to the rank that is `step` further on, return what came from the one as far back."""
    rank, count = distributed.get_rank(), ranks()
    received = torch.empty_like(local)
    sends = distributed.P2POp(distributed.isend, local.contiguous(), (rank + step) % count)
    receives = distributed.P2POp(distributed.irecv, received, (rank - step) % count)
    for work in distributed.batch_isend_irecv([sends, receives]):
        work.wait()
    return received


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, local: Tensor) -> Tensor:
        return _every(local)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        # Gloo has no reduce-scatter; what is summed is (C, D), small beside the towers' gradients.
        summed = gradient.contiguous()
        distributed.all_reduce(summed)
        return summed.chunk(ranks())[distributed.get_rank()]


class _PassOn(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, local: Tensor) -> Tensor:
        return _shifted(local, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _shifted(gradient, -1)
