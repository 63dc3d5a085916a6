"""A loss over more similarities than fit into memory, some rows at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from clipbench.training.objectives.pairs import Pairs

SIMILARITIES: Final = 2**26
"""So many are in memory at once, 0.25 GB for each of the half a dozen arrays of them."""


def mean_by_rows(loss: Callable[[Pairs, Pairs], Tensor], local: Pairs, others: Pairs) -> Tensor:
    """Return a loss that is a mean over the B pairs of `local`, each compared with the C of `others`.

    Where (B, C) similarities are too many, they are made for some of the B at a time, and once more for the gradients:
    that costs a third pass over the features, little beside the towers.
    """
    batch = len(local.image)
    rows = max(1, SIMILARITIES // len(others.image))
    if batch <= rows:
        return loss(local, others)
    blocks = [local.rows(start, start + rows) for start in range(0, batch, rows)]
    parts = [
        checkpoint(loss, block, others, use_reentrant=False, preserve_rng_state=False) * (len(block.image) / batch)
        for block in blocks
    ]
    return torch.stack(parts).sum()
