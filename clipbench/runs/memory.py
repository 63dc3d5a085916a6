"""Whether what a task holds at once fits into memory, said before anything is embedded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from clipbench.errors import UserError
from clipbench.runs.jobs import PreparedJob

_CGROUP = Path("/sys/fs/cgroup/memory.max")


def memory_needed(prepared: PreparedJob, counts: Mapping[str, int | None], widths: Mapping[str, int]) -> int | None:
    """Return the bytes that a job's evaluation holds at once; None if it does not grow or cannot be told yet.

    Args:
        prepared: the job.
        counts: images of each split that it needs, None where that is not known.
        widths: of each feature.
    """
    needs = prepared.needs
    known = {split: count for split, count in counts.items() if count is not None}
    if needs.memory is None or len(known) < len(counts) or not needs.features or needs.features[0] not in widths:
        return None
    return needs.memory(known, widths[needs.features[0]])


def require_memory(prepared: PreparedJob, needed: int | None, device: str) -> None:
    """Stop if a job cannot fit.

    Raises:
        UserError: it needs more than the device, or this machine, has.
    """
    available = _device_memory(device)
    if needed is None or available is None or needed <= available:
        return
    has = "the GPU" if device.startswith("cuda") else "this machine"
    raise UserError(
        f"{prepared.task.name} needs {gigabytes(needed)} of memory, {has} has {gigabytes(available)}",
        where=prepared.job.definition.name,
        fix="use fewer examples (--limit), or more memory",
    )


def gigabytes(count: int) -> str:
    """Return bytes as e.g. '3.9 GB'."""
    return f"{count / 1e9:,.1f} GB"


def _device_memory(device: str) -> int | None:
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_properties(device).total_memory
    return _machine_memory()


def _machine_memory() -> int | None:
    """Return what this machine has, or the container's share of it; None where it cannot be asked."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    limit = _CGROUP.read_text().strip() if _CGROUP.is_file() else "max"
    return min(total, int(limit)) if limit.isdecimal() else total
