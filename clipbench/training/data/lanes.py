"""Lanes: streams of examples that are read apart from each other, and of which each step takes equally many.

So that many processes read data of any size, none all of it, and the order is still that of the seed alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count, islice, pairwise
from typing import Final

import numpy as np

from clipbench.arrays import IntArray
from clipbench.datasets.base import Example
from clipbench.errors import UserError
from clipbench.training.data.sources import Block

MOST_LANES: Final = 256
"""Each is a file that is open: of a process that reads all, fewer than systems allow."""
WINDOW: Final = 4096
"""Encoded examples that all lanes together hold to shuffle them: about 400 MB of large photographs."""
LANE_WINDOW: Final = 1024


def lane_count(batch: int, blocks: int) -> int:
    """Return the largest divisor of the batch that is at most the number of blocks and `MOST_LANES`."""
    return max(number for number in range(1, min(batch, blocks, MOST_LANES) + 1) if batch % number == 0)


def shares(part: range, workers: int, lane_share: int) -> Sequence[range]:
    """Cut a process's part of the batch into one for each worker, of whole lanes where there are enough of them.

    Args:
        part: places in the batch.
        workers: how many; fewer where there are not as many places.
        lane_share: places of each lane.
    """
    workers = max(1, min(workers, len(part)))
    unit = lane_share if len(part) >= workers * lane_share else 1
    units = len(part) // unit
    cuts = [*(part.start + unit * (worker * units // workers) for worker in range(workers)), part.stop]
    return [range(*places) for places in pairwise(cuts)]


@dataclass(frozen=True)
class Lane:
    """One of the streams.

    The blocks are permuted anew each epoch, and dealt to the lanes in turn, from one epoch on into the next. A lane
    shuffles its examples within windows that end where its epoch does. So each example comes once in each epoch, and
    where blocks are of equal size no lane is ever more than a block ahead of another. Where they are not, lanes drift
    apart, some into the next epoch before others; since blocks change lanes with each epoch, all examples are seen
    equally often in the long run. One lane alone has passed each epoch before it begins the next.
    """

    number: int
    lanes: int
    blocks: Sequence[Block]
    """Of all lanes."""
    seed: int

    def examples(self, seen: int) -> Iterator[tuple[Block, Example]]:
        """Yield its examples without end, but for the first `seen`: rows are not read for these, nor tars' images.

        Raises:
            UserError: there are none.
        """
        for epoch in count():
            blocks, some = self._dealt(epoch), False
            if seen and seen >= (size := sum(block.size for block in blocks)):
                seen, some = seen - size, size > 0
            else:
                for found in self._shuffled(epoch, blocks, seen):
                    some = True
                    yield found
                seen = 0
            if not some and not any(block.size for block in self.blocks):
                raise UserError("there is no example", where="data", fix="name other data sets or splits")

    def _dealt(self, epoch: int) -> Sequence[Block]:
        first = (self.number - epoch * len(self.blocks)) % self.lanes
        order = _block_order(self.seed, epoch, len(self.blocks))
        return [self.blocks[place] for place in order[first :: self.lanes].tolist()]

    def _shuffled(self, epoch: int, blocks: Sequence[Block], seen: int) -> Iterator[tuple[Block, Example]]:
        size = max(1, min(LANE_WINDOW, WINDOW // self.lanes))
        first, seen = divmod(seen, size)
        arriving = _arriving(blocks, first * size)
        for number in count(first):
            window = list(islice(arriving, size))
            if not window:
                return
            random = np.random.default_rng((self.seed, epoch, self.number, number))
            waiting = [window[place] for place in random.permutation(len(window))[seen:].tolist()]
            seen = 0
            # What was yielded is held no longer; neither is this window while the next one is read.
            window.clear()
            waiting.reverse()
            while waiting:
                yield waiting.pop()


def _arriving(blocks: Sequence[Block], seen: int) -> Iterator[tuple[Block, Example]]:
    for block in blocks:
        if seen and seen >= block.size:
            seen -= block.size
            continue
        for example in block.examples(seen):
            yield block, example
        seen = 0


@lru_cache(maxsize=4)
def _block_order(seed: int, epoch: int, blocks: int) -> IntArray:
    """Return a permutation; lanes of one process ask for the same one."""
    return np.random.default_rng((seed, epoch)).permutation(blocks)
