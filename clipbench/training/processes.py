"""The processes that train together, as `torchrun` starts them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NoReturn

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.distributed import Store  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from clipbench.errors import UserError

TIMEOUT: Final = timedelta(minutes=30)
"""How long a process waits for the others; what the first one does alone has to be done within it."""
_FIRST_WORD: Final = 3.0
"""Seconds for which the other processes leave it to the first one, which sees the checkpoints, to tell of an error."""
_GRACE: Final = 10.0
"""Seconds in which the process that tells of an error has told it."""


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

    def of_first(self, state: Any) -> Any:
        """Return what the first process has, in all: a checkpoint, wherever the others would look for it.

        Args:
            state: tensors and plain values in dicts, lists and tuples; looked at in the first process alone.
        """
        if self.count == 1:
            return state
        outline = [_mapped(state, lambda tensor: tensor.to("meta")) if self.first else None]
        distributed.broadcast_object_list(outline)

        def sent(tensor: Tensor) -> Tensor:
            # One at a time, so that a device has room for it beside the model.
            here = torch.empty(tensor.shape, dtype=tensor.dtype, device=self.device)
            if self.first:
                here.copy_(tensor)
            distributed.broadcast(here, 0)
            return here.cpu()

        return _mapped(state if self.first else outline[0], sent)

    def seed_step(self, seed: int, step: int) -> None:
        """Give this process its own random numbers of a step: what drops out is drawn anew, and again after a crash."""
        drawn = np.random.SeedSequence((seed, step, self.rank)).generate_state(1, np.uint64)
        torch.manual_seed(int(drawn[0]))


@contextmanager
def processes(device: str) -> Iterator[Processes]:
    """Join the processes that `torchrun` has started; alone where it has not.

    Where one of them fails, it alone tells of it; the others end without a word, with exit code 1. Who has joined
    already, further out, gets what he has.

    Args:
        device: of this process: 'cpu', or 'cuda', of which each process of a machine takes its own.

    Raises:
        UserError: there are fewer devices than processes, or another process is gone.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Processes(device=device)
        return
    if distributed.is_initialized():
        yield Processes(distributed.get_rank(), count, _own(device))
        return
    store, rank = _met()
    try:
        device = _own(device)
        backend = "nccl" if device.startswith("cuda") else "gloo"
        distributed.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=TIMEOUT)
        yield Processes(rank, count, device)
    except Exception as error:  # noqa: BLE001 - whatever it is, one process tells of it
        # The group stays: were it left now, the others would tell of that before this process can say why.
        _tell_alone(error, store, rank)
    distributed.destroy_process_group()


def _met() -> tuple[Store, int]:
    """Return what `torchrun` lets processes share, and this one's rank."""
    try:
        store, rank, _ = next(rendezvous("env://", timeout=TIMEOUT))
    except ValueError as error:
        fix = "start with torchrun, or unset WORLD_SIZE to train with one process"
        raise UserError(f"there are no processes to join ({error})", where="WORLD_SIZE", fix=fix) from error
    return store, rank


def _own(device: str) -> str:
    """Return the device of this process among those of its machine."""
    if not device.startswith("cuda"):
        return device
    place, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if place >= there:
        fix = f"torch finds {there} here: torchrun --nproc-per-node {there}"
        raise UserError(f"process {place} of this machine has no card of its own", where="--device", fix=fix)
    torch.cuda.set_device(place)
    return f"cuda:{place}"


def _tell_alone(error: Exception, store: Store, rank: int) -> NoReturn:
    """Raise the error in the process that is first to have one; end the others."""
    if rank:
        time.sleep(_FIRST_WORD)
    silent = False
    with suppress(RuntimeError):  # The machine that held the store may be gone.
        silent = store.add("clipbench/failed", 1) > 1
    if silent:
        # When one process ends torchrun ends the others, the one that is telling of it among them.
        time.sleep(_GRACE)
        raise SystemExit(1)
    if isinstance(error, distributed.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error)):
        fix = "look at what is told of it (memory?); --resume auto goes on from the last checkpoint"
        raise UserError("another process of this training has ended, or cannot be reached", fix=fix) from error
    raise error


def _mapped(state: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """Return nested dicts, lists and tuples with another tensor in the place of each."""
    if isinstance(state, Tensor):
        return function(state)
    if isinstance(state, Mapping):
        return {key: _mapped(value, function) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(_mapped(value, function) for value in state)
    return state
