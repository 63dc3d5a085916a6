"""How often the intervals that clipbench prints hold the truth, and how often its statements are false.

    python benchmarks/coverage.py                  all of it, 2,000 made-up worlds each: minutes
    python benchmarks/coverage.py --only paired    the rows whose names hold a word
    python benchmarks/coverage.py --worlds 200     a quick look
    python benchmarks/coverage.py --markdown       as it stands in docs/statistics.md

A world has a known truth: accuracies, models, classes, clusters, draws. In each world the functions that make the
printed intervals and verdicts see a sample of it. Nothing is timed. Exits with 1 where an interval covers less than
its nominal rate minus 1.5 points, or a statement is false in more than 6 % of the worlds where nothing differs, by more
than two standard errors of so many worlds.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from rich.console import Console
from rich.table import Table
from worlds import accuracies, analyses, classes, tasks
from worlds.cases import IntervalCase, PowerCase, StatementCase

INTERVALS = [
    *accuracies.INTERVALS,
    *classes.INTERVALS,
    *tasks.INTERVALS,
    *analyses.INTERVALS,
]
STATEMENTS = [*accuracies.STATEMENTS, *analyses.STATEMENTS]
POWERS = accuracies.POWERS
WORLDS = 2000
RowT = TypeVar("RowT")
SLACK = 0.015
"""How far below its nominal rate an interval may cover."""
MOST_FALSE = 0.06
"""In how many of the worlds where nothing differs a statement may be made."""
POWER_SLACK = 0.05


@dataclass(frozen=True)
class Coverage:
    """What became of one interval in its worlds."""

    name: str
    world: str
    level: float
    printed: float
    """Share of worlds in which there was an interval."""
    covered: float
    """Of these; 1 where there were none."""
    below: float
    """Share whose upper end lies below the truth."""
    above: float
    width: float
    """Median, in the value's own unit."""
    worlds: int

    @property
    def holds(self) -> bool:
        """Whether it covers, as far as so many worlds can tell: two standard errors are allowed for."""
        error = 2 * math.sqrt(self.level * (1 - self.level) / max(1, round(self.printed * self.worlds)))
        return self.covered >= self.level - SLACK - error


@dataclass(frozen=True)
class Falsehood:
    """How often a kind of statement was made where it is false."""

    name: str
    world: str
    false: float
    worlds: int

    @property
    def holds(self) -> bool:
        """Whether it is false rarely enough, as far as so many worlds can tell."""
        error = 2 * math.sqrt(MOST_FALSE * (1 - MOST_FALSE) / self.worlds)
        return self.false <= MOST_FALSE + error


@dataclass(frozen=True)
class Power:
    """How often a difference was found that is said to be found in 80 % of samples."""

    name: str
    world: str
    said: float
    found: float
    worlds: int

    @property
    def holds(self) -> bool:
        """Whether it is as said, within five points."""
        return abs(self.found - self.said) <= POWER_SLACK + 2 * math.sqrt(0.16 / self.worlds)


def cover(place: int, worlds: int) -> Coverage:
    """Draw the worlds of one interval."""
    case = INTERVALS[place]
    found = []
    for world in range(worlds):
        interval, truth = case.draw(np.random.default_rng([world, _number(case.name + case.world)]))
        found.append(None if interval is None else (interval.low, interval.high, interval.level, truth))
    printed = np.array([row for row in found if row is not None]).reshape(-1, 4)
    if not len(printed):
        return Coverage(case.name, case.world, 0.95, 0.0, 1.0, 0.0, 0.0, math.nan, worlds)
    low, high, level, truth = printed.T
    # An end is often a count divided by n, so the truth may lie on it exactly: rounding must not decide.
    below, above = high < truth - 1e-9, low > truth + 1e-9
    return Coverage(
        case.name,
        case.world,
        float(level[0]),
        len(printed) / worlds,
        1 - float(np.mean(below | above)),
        float(below.mean()),
        float(above.mean()),
        float(np.median(high - low)),
        worlds,
    )


def falsify(place: int, worlds: int) -> Falsehood:
    """Draw the worlds of one kind of statement."""
    case = STATEMENTS[place]
    return Falsehood(case.name, case.world, _share(case, worlds), worlds)


def find(place: int, worlds: int) -> Power:
    """Draw the worlds of one difference."""
    case = POWERS[place]
    return Power(case.name, case.world, case.power, _share(case, worlds), worlds)


def _share(case: StatementCase | PowerCase, worlds: int) -> float:
    key = _number(case.name + case.world)
    return float(np.mean([case.draw(np.random.default_rng([world, key])) for world in range(worlds)]))


def _number(text: str) -> int:
    return int.from_bytes(text.encode()) % (1 << 63)


def chosen(cases: Sequence[IntervalCase | StatementCase | PowerCase], only: Sequence[str]) -> list[int]:
    """Return the places of the cases whose names hold any of the words; of all where there are none."""
    told = [f"{case.name} {case.world}" for case in cases]
    return [place for place, words in enumerate(told) if not only or any(word in words for word in only)]


def tables(
    found: Sequence[Coverage], said: Sequence[Falsehood], powers: Sequence[Power]
) -> Iterator[list[tuple[str, ...]]]:
    """Yield each table, its heads first."""
    yield [("interval", "world", "printed", "covers", "below", "above", "width", ""), *map(_coverage_row, found)]
    yield [
        ("statement", "world where it is false", "made", ""),
        *((line.name, line.world, _percent(line.false), "" if line.holds else "too often") for line in said),
    ]
    yield [
        ("power", "world", "said", "found", ""),
        *(
            (line.name, line.world, _percent(line.said), _percent(line.found), "" if line.holds else "not as said")
            for line in powers
        ),
    ]


def _coverage_row(row: Coverage) -> tuple[str, ...]:
    if not row.printed:
        return (row.name, row.world, "never", *5 * ("",))
    shares = map(_percent, (row.printed, row.covered, row.below, row.above))
    remark = "covers too little" if not row.holds else "more than nominal" if row.covered > row.level + 0.02 else ""
    return (row.name, row.world, *shares, f"{row.width:.3g}", remark)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--worlds", type=int, default=WORLDS)
    parser.add_argument("--only", nargs="*", default=[], help="words that the name or the world of a row holds")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.processes) as pool:
        # By place, since a world does not go from one process to another.
        parts = [
            [pool.submit(draw, place, arguments.worlds) for place in chosen(cases, arguments.only)]
            for draw, cases in ((cover, INTERVALS), (falsify, STATEMENTS), (find, POWERS))
        ]
        found, said, powers = ([_told(one.result()) for one in part] for part in parts)
    for head, *lines in tables(found, said, powers):
        _print(head, lines, markdown=arguments.markdown)
    every = (*found, *said, *powers)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in every], indent=1))
    return 0 if all(row.holds for row in every) else 1


def _told(row: RowT) -> RowT:
    print(row, file=sys.stderr, flush=True)
    return row


def _print(head: tuple[str, ...], lines: Sequence[tuple[str, ...]], *, markdown: bool) -> None:
    if not lines:
        return
    if markdown:
        for line in (head, ("---",) * len(head), *lines):
            print(f"| {' | '.join(line)} |")
        print()
        return
    table = Table(*head, box=None, pad_edge=False)
    for line in lines:
        table.add_row(*line)
    Console(width=160).print(table)


if __name__ == "__main__":
    sys.exit(main())
