"""Where to compute, and in what precision."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast, get_args

from clipbench.errors import UserError
from clipbench.models.base import Precision

if TYPE_CHECKING:
    from torch import Tensor

Encoded = TypeVar("Encoded")
_CGROUP = Path("/sys/fs/cgroup/memory.max")
_OUT_OF_MEMORY = re.compile(r"out of memory|not enough memory|ALLOC_FAILED", re.IGNORECASE)


def resolve_device(choice: str) -> str:
    """Return a torch device for 'auto', 'cpu', 'cuda', 'cuda:1', 'mps'.

    Raises:
        UserError: there is no such device on this machine.
    """
    if choice == "cpu" or (choice == "auto" and _surely_cpu_only()):
        return "cpu"
    import torch

    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if choice == "auto":
        return next(device for device in ("cuda", "mps", "cpu") if available[device])
    kind = choice.partition(":")[0]
    if kind not in available:
        raise UserError(f"unknown device {choice!r}", where="--device", fix="one of: auto, cpu, cuda, cuda:N, mps")
    if not available[kind]:
        have = ", ".join(name for name, there in available.items() if there)
        raise UserError(f"torch finds no {kind} device here", where="--device", fix=f"it has: {have}")
    return choice


def _surely_cpu_only() -> bool:
    """Say whether no accelerator can be here, without the second and more that importing torch takes.

    On Linux torch reaches NVIDIA, WSL, Jetson and AMD devices through these nodes.
    """
    nodes = ("nvidiactl", "nvidia0", "dxg", "nvhost-ctrl", "nvmap", "kfd")
    return sys.platform == "linux" and not any(Path("/dev", node).exists() for node in nodes)


def resolve_precision(choice: str, device: str) -> Precision:
    """Return the precision to encode in; 'auto' is float16 on CUDA, where it is faster, else float32.

    Whatever the encoders use, embeddings are kept and compared in float32.

    Raises:
        UserError: unknown precision.
    """
    if choice == "auto":
        return "float16" if device.startswith("cuda") else "float32"
    if choice not in get_args(Precision):
        allowed = ", ".join(("auto", *get_args(Precision)))
        raise UserError(f"unknown precision {choice!r}", where="--precision", fix=f"one of: {allowed}")
    return cast("Precision", choice)


def forbid_tf32() -> None:
    """Make float32 mean float32 on CUDA too, where torch would compute convolutions in TensorFloat-32."""
    import torch

    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def encode_within_memory(encode: Callable[[Tensor], Encoded], inputs: Tensor, size: int) -> tuple[list[Encoded], int]:
    """Encode (B, ...) inputs in chunks of `size` rows, or of half as many for as long as memory does not hold them.

    Returns:
        What `encode` gave for each chunk, and the size that fitted, for the rest of the run.

    Raises:
        UserError: not even one row fits.
    """
    import torch

    while True:
        try:
            return [encode(chunk) for chunk in torch.split(inputs, size)], size
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if min(size, len(inputs)) == 1:
                fix = "choose a smaller model, another --device or a lower --precision"
                raise UserError("not even a batch of one fits in the device's memory", fix=fix) from error
        size = min(size, len(inputs)) // 2


def is_out_of_memory(error: Exception) -> bool:
    """Return whether torch, or Python, could not get the memory that it wanted."""
    # torch.OutOfMemoryError is raised for CUDA alone; what others raise has no class of its own.
    return isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(str(error)) is not None


def device_memory(device: str) -> int | None:
    """Return what is free of a GPU, else this machine's, or the container's share of it; None if it cannot be asked."""
    if device.startswith("cuda"):
        import torch

        # What torch holds without using it counts as taken there, but is there to be used.
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    limit = _CGROUP.read_text().strip() if _CGROUP.is_file() else "max"
    return min(total, int(limit)) if limit.isdecimal() else total


def default_workers(device: str) -> int:
    """Return how many processes decode images: on a CPU the encoder needs most of the cores itself.

    Processes that `torchrun` has started on this machine share its cores.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cores //= int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return cores // 4 if device == "cpu" else min(16, max(1, cores - 1))
