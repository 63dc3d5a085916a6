"""How often the intervals that clipbench prints hold the truth, and how often its statements are false.

    python benchmarks/coverage.py                  all of it, 2,000 made-up worlds each: minutes
    python benchmarks/coverage.py --only paired    the rows whose names hold a word
    python benchmarks/coverage.py --worlds 200     a quick look
    python benchmarks/coverage.py --markdown       as it stands in docs/statistics.md

A world has a known truth: accuracies, models, classes, clusters, draws. In each world the functions that make the
printed intervals and verdicts see a sample of it. Nothing is timed. Exits with 1 where an interval covers less than
its nominal rate minus 1.5 points, or a statement is false in more than 6 % of the worlds where nothing differs.
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

import coverage_analyses
import coverage_classes
import coverage_tasks
import coverage_worlds
import numpy as np
from coverage_worlds import IntervalCase, StatementCase
from rich.console import Console
from rich.table import Table

INTERVALS = [
    *coverage_worlds.INTERVALS,
    *coverage_classes.INTERVALS,
    *coverage_tasks.INTERVALS,
    *coverage_analyses.INTERVALS,
]
STATEMENTS = [*coverage_worlds.STATEMENTS, *coverage_analyses.STATEMENTS]
WORLDS = 2000
SLACK = 0.015
"""How far below its nominal rate an interval may cover."""
MOST_FALSE = 0.06
"""In how many of the worlds where nothing differs a statement may be made."""


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
        return self.covered >= self.level - SLACK - (error if self.worlds < WORLDS else 0)


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
        return self.false <= MOST_FALSE + (error if self.worlds < WORLDS else 0)


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
    key = _number(case.name + case.world)
    said = [case.draw(np.random.default_rng([world, key])) for world in range(worlds)]
    return Falsehood(case.name, case.world, float(np.mean(said)), worlds)


def _number(text: str) -> int:
    return int.from_bytes(text.encode()) % (1 << 63)


def chosen(cases: Sequence[IntervalCase] | Sequence[StatementCase], only: Sequence[str]) -> list[int]:
    """Return the places of the cases whose names hold any of the words; of all where there are none."""
    told = [f"{case.name} {case.world}" for case in cases]
    return [place for place, words in enumerate(told) if not only or any(word in words for word in only)]


def rows(found: Sequence[Coverage], said: Sequence[Falsehood]) -> Iterator[tuple[str, ...]]:
    """Yield the lines of both tables, each after its heads."""
    yield ("interval", "world", "printed", "covers", "below", "above", "width", "")
    for row in found:
        shares = (f"{100 * share:.1f} %" for share in (row.printed, row.covered, row.below, row.above))
        remark = "covers too little" if not row.holds else "more than nominal" if row.covered > row.level + 0.02 else ""
        yield (row.name, row.world, *shares, f"{row.width:.3g}", remark)
    yield ("statement", "world where it is false", "made", "", "", "", "", "")
    for line in said:
        yield (line.name, line.world, f"{100 * line.false:.1f} %", *4 * ("",), "" if line.holds else "too often")


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
        of_intervals = [pool.submit(cover, place, arguments.worlds) for place in chosen(INTERVALS, arguments.only)]
        of_statements = [pool.submit(falsify, place, arguments.worlds) for place in chosen(STATEMENTS, arguments.only)]
        found, said = [one.result() for one in of_intervals], [one.result() for one in of_statements]
    lines = list(rows(found, said))
    if arguments.markdown:
        for line in lines:
            print(f"| {' | '.join(line)} |")
            if line[0] in ("interval", "statement"):
                print("|---" * len(line) + "|")
    else:
        table = Table(*lines[0], box=None, pad_edge=False)
        for line in lines[1:]:
            table.add_row(*line)
        Console(width=160).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in (*found, *said)], indent=1))
    return 0 if all(row.holds for row in (*found, *said)) else 1


if __name__ == "__main__":
    sys.exit(main())
