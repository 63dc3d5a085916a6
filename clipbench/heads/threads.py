"""How many threads fit a head."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

SMALL = 1 << 24
"""Multiplications a step up to which one thread is as fast as several."""


@contextmanager
def threads_for(examples: int, width: int, outputs: int) -> Iterator[None]:
    """Let torch compute with one thread while a small head is fitted.

    Steps of a millisecond are not worth a second thread; and where another process holds its core, threads that
    wait for each other in every step make a fit many times slower.

    Args:
        examples: n.
        width: D of the features; a fit on fewer examples than that works in their span.
        outputs: K.
    """
    import torch

    before = torch.get_num_threads()
    try:
        if examples * min(examples, width) * outputs <= SMALL:
            torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(before)
