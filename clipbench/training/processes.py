"""The processes that train together, as `torchrun` starts them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Processes:
    """This process among all."""

    rank: int = 0
    count: int = 1
    device: str = "cpu"

    @property
    def first(self) -> bool:
        """Whether it is the one that writes."""
        return self.rank == 0

    def together(self, towers: nn.Module, apart: list[nn.Parameter]) -> nn.Module:
        """Return towers whose gradients are averaged over all processes, but for weights that the loss alone uses."""
        if self.count == 1:
            return towers
        ids = {id(weight) for weight in apart}
        names = [name for name, weight in towers.named_parameters() if id(weight) in ids]
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(towers, names)  # type: ignore[no-untyped-call]
        devices = [torch.device(self.device)] if self.device.startswith("cuda") else None
        return DistributedDataParallel(towers, device_ids=devices)

    def average(self, values: Tensor) -> Tensor:
        """Return the mean of a tensor over all processes."""
        if self.count > 1:
            distributed.all_reduce(values)
            values /= self.count
        return values


@contextmanager
def processes(device: str) -> Iterator[Processes]:
    """Join the processes that `torchrun` has started; alone where it has not. They part at the end, however it ends.

    Args:
        device: of this process: 'cpu', or 'cuda', of which each process of a machine takes its own.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Processes(device=device)
        return
    if device.startswith("cuda"):
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield Processes(distributed.get_rank(), count, device)
    finally:
        distributed.destroy_process_group()
