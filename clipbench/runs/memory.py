"""Whether what a task holds at once fits into memory, said before anything is embedded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from clipbench.embed.device import device_memory
from clipbench.errors import UserError

if TYPE_CHECKING:
    from clipbench.embed.examples import DataIndex
    from clipbench.runs.jobs import PreparedJob
    from clipbench.tasks.base import Needs


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
    available = device_memory(device)
    if available is not None and needed > available:
        place = "free on the GPU are" if device.startswith("cuda") else "this machine has"
        raise UserError(
            f"{prepared.task.name} needs {needed / 1e9:,.1f} GB of memory, {place} {available / 1e9:,.1f} GB",
            where=prepared.job.dataset,
            fix="use fewer examples (--limit), or more memory",
        )
    return needed
