"""Whether what a task holds at once fits into memory, said before anything is embedded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from clipbench.errors import UserError

if TYPE_CHECKING:
    from clipbench.embed.examples import DataIndex
    from clipbench.runs.jobs import PreparedJob
    from clipbench.tasks.base import Needs

_CGROUP = Path("/sys/fs/cgroup/memory.max")


def check_memory(prepared: PreparedJob, needs: Needs, indices: Mapping[str, DataIndex | None]) -> int | None:
    """Return the bytes that a job's evaluation holds at once; None if that does not grow or cannot be told yet.

    `indices` are those of the splits that were read; some layouts only say how many images they have once they are.

    Raises:
        UserError: it needs more than the device, or this machine, has.
    """
    if needs.memory is None or not needs.features:
        return None
    counts = {split: prepared.count(split, indices.get(split)) for split in needs.splits}
    known = {split: count for split, count in counts.items() if count is not None}
    width = prepared.model.widths.get(needs.features[0]) if len(known) == len(counts) else None
    if width is None:
        return None
    needed, device = needs.memory(known, width), prepared.model.settings.device
    available = _device_memory(device)
    if available is not None and needed > available:
        place = "free on the GPU are" if device.startswith("cuda") else "this machine has"
        raise UserError(
            f"{prepared.task.name} needs {needed / 1e9:,.1f} GB of memory, {place} {available / 1e9:,.1f} GB",
            where=prepared.job.dataset,
            fix="use fewer examples (--limit), or more memory",
        )
    return needed


def _device_memory(device: str) -> int | None:
    """Return what is free of a GPU, else this machine's, or the container's share of it; None if it cannot be asked."""
    if device.startswith("cuda"):
        import torch

        # What torch holds without using it counts as taken there, but is there for the task.
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    limit = _CGROUP.read_text().strip() if _CGROUP.is_file() else "max"
    return min(total, int(limit)) if limit.isdecimal() else total
