"""Lanes: what each step takes of each, that no example is left out or preferred, and where a training goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise

import pytest

from clipbench.datasets.adapters.digits import Digits
from clipbench.datasets.base import Example, NumberedSplit, Shard, Slice, Split
from clipbench.errors import UserError
from clipbench.training.data.lanes import LANE_WINDOW, WINDOW, Lane, lane_count, shares
from clipbench.training.data.sources import BLOCK, Block, Source


@dataclass
class Rows(NumberedSplit):
    """Numbers as examples; which were read is noted."""

    count: int = 0
    reads: list[int] = field(default_factory=list)

    def read(self, rows: range) -> Iterator[Example]:
        for row in rows:
            self.reads.append(row)
            yield Example(str(row), b"")


def source(split: Split) -> Source:
    return Source(Digits(), "train", split, (), 0)


def cut(sizes: Sequence[int], *, numbered: bool) -> list[Block]:
    """Blocks of these sizes: rows of one split, or shards that do not say how long they are."""
    split = Rows(sum(sizes))
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    rows = [range(start, start + size) for start, size in zip(starts, sizes, strict=True)]
    shards: list[Shard] = [
        Slice(split, part) if numbered else [Example(str(row), b"") for row in part] for part in rows
    ]
    return [Block(source(split), shard) for shard in shards]


def ids(blocks: Sequence[Block], lane: int, lanes: int, number: int, seen: int = 0, seed: int = 0) -> list[str]:
    stream = Lane(lane, lanes, blocks, seed).examples(seen)
    return [example.id for _, example in islice(stream, number)]


@pytest.mark.parametrize(
    ("batch", "blocks", "expected"),
    [(256, 78, 64), (8, 1, 1), (32_768, 40_000, 256), (12, 5, 4), (7, 100, 7), (300, 299, 150)],
)
def test_lanes_divide_the_batch_and_are_no_more_than_blocks(batch: int, blocks: int, expected: int) -> None:
    assert lane_count(batch, blocks) == expected


@pytest.mark.parametrize(
    ("part", "workers", "lane_share", "expected"),
    [
        (range(8), 2, 2, [range(4), range(4, 8)]),
        # Five lanes for two workers: none is read by both.
        (range(10), 2, 2, [range(4), range(4, 10)]),
        # One lane: both read it, and each keeps its half.
        (range(8, 16), 2, 16, [range(8, 12), range(12, 16)]),
        (range(2), 5, 1, [range(1), range(1, 2)]),
        (range(4), 0, 2, [range(4)]),
    ],
)
def test_workers_share_a_part_lane_by_lane(
    part: range, workers: int, lane_share: int, expected: Sequence[range]
) -> None:
    assert shares(part, workers, lane_share) == expected


@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize(
    ("blocks", "size", "lanes", "epochs"), [(6, 10, 3, 1), (5, 4, 2, 2), (1, 30, 1, 1), (9, 5, 4, 4)]
)
def test_of_equal_blocks_each_example_comes_once_an_epoch(
    numbered: bool, blocks: int, size: int, lanes: int, epochs: int
) -> None:
    made = cut([size] * blocks, numbered=numbered)
    each = blocks * size * epochs // lanes
    for before in (0, each, 2 * each):
        found = [one for lane in range(lanes) for one in ids(made, lane, lanes, each, seen=before)]
        assert Counter(found) == {str(row): epochs for row in range(blocks * size)}


def test_one_lane_passes_each_epoch_in_another_order_that_the_seed_decides() -> None:
    blocks = cut([7, 11, 3], numbered=True)
    first, second = (ids(blocks, 0, 1, 21, seen) for seen in (0, 21))
    assert sorted(first) == sorted(second) == sorted(map(str, range(21)))
    assert first != second
    assert first == ids(blocks, 0, 1, 21) != ids(blocks, 0, 1, 21, seed=1)
    # The window is larger than a block: blocks do not stay together.
    place = [next(number for number, end in enumerate((7, 18, 21)) if int(one) < end) for one in first]
    assert sum(a != b for a, b in pairwise(place)) > 5


def test_of_unequal_blocks_all_examples_come_equally_often_in_the_long_run() -> None:
    sizes, lanes, epochs = [10, 30, 22, 13, 28, 17, 25, 11, 24], 4, 60
    blocks = cut(sizes, numbered=True)
    found = Counter(one for lane in range(lanes) for one in ids(blocks, lane, lanes, sum(sizes) * epochs // lanes))
    # Lanes with blocks of their own would give from 60 * 180 / 4 / (30 + 28 + 25) to 60 * 180 / 4 / (10 + 11).
    assert min(found.values()) > 0.85 * epochs
    assert max(found.values()) < 1.15 * epochs


@pytest.mark.parametrize("numbered", [True, False])
def test_a_lane_goes_on_anywhere_as_if_it_had_not_been_left(numbered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipbench.training.data.lanes.LANE_WINDOW", 16)
    blocks = cut([40, 9, 0, 31, 25], numbered=numbered)
    for lane in range(2):
        whole = ids(blocks, lane, 2, 300)
        for seen in (1, 15, 16, 17, 40, 52, 53, 104, 105, 106, 211):
            assert ids(blocks, lane, 2, 60, seen) == whole[seen : seen + 60]


def test_rows_that_were_seen_are_not_read_again() -> None:
    split = Rows(100_000)
    blocks = source(split).blocks(4)
    stream = Lane(1, 4, blocks, 0).examples(5 * 25_000 + 20_000)
    next(stream)
    assert len(split.reads) <= LANE_WINDOW


@pytest.mark.parametrize(("rows", "lanes"), [(20_000, 64), (901, 2), (40, 8), (1_000_003, 256)])
def test_rows_are_cut_into_equal_blocks_of_all_of_them(rows: int, lanes: int) -> None:
    one = source(Rows(rows))
    cuts = [block.shard.rows for block in one.blocks(lanes) if isinstance(block.shard, Slice)]
    assert [row for part in cuts for row in (part.start, part.stop)][1:-1:2] == [part.start for part in cuts][1:]
    assert (cuts[0].start, cuts[-1].stop) == (0, rows)
    assert max(map(len, cuts)) - min(map(len, cuts)) <= 1
    if one.most_blocks() >= lanes:
        assert len(cuts) % lanes == 0
        assert BLOCK <= len(cuts[0]) < 2 * BLOCK


@pytest.mark.parametrize("seen", [0, 5])
def test_data_without_examples_are_told(seen: int) -> None:
    with pytest.raises(UserError, match="there is no example"):
        ids(cut([0, 0], numbered=False), 0, 2, 1, seen)


def test_lanes_hold_a_window_of_examples_whatever_the_size_of_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    alive = Alive(monkeypatch)
    lanes = [Lane(lane, 8, source(Rows(60_000)).blocks(8), 0).examples(0) for lane in range(8)]
    for _ in range(2_000):
        for lane in lanes:
            next(lane)
    assert alive.largest <= WINDOW + len(lanes)


class Alive:
    """Counts the examples that were made and not yet dropped."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.number = self.largest = 0
        made: Callable[..., None] = Example.__init__

        def counted(example: Example, *values: object, **named: object) -> None:
            made(example, *values, **named)
            self.number += 1
            self.largest = max(self.largest, self.number)

        def dropped(_: Example) -> None:
            self.number -= 1

        monkeypatch.setattr(Example, "__init__", counted)
        monkeypatch.setattr(Example, "__del__", dropped, raising=False)
