"""Timing runs against each other, and showing what came out."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from clipbench.runs.environment import describe_machine, versions

Run = Callable[[int], Any]
"""Is called with the number of the round, 0 for the first; what it returns is kept."""


@dataclass(frozen=True)
class Timing:
    """One kind of run, timed once a round."""

    seconds: tuple[float, ...]
    last: Any
    """What the run of the last round returned."""

    @property
    def median(self) -> float:
        """Seconds of the median round."""
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Timed:
    """What a run returns that timed itself, so that the start of its own process, say, does not count."""

    seconds: float
    value: Any


@dataclass(frozen=True)
class Ratio:
    """How many times faster one run is than another, and what is hoped for."""

    label: str
    fast: str
    slow: str
    aim: float | None = None


def alternate(runs: Mapping[str, Run], rounds: int) -> dict[str, Timing]:
    """Time all runs in turn, round by round (A B C A B C ...), so that a disturbance hits all of them alike."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    last: dict[str, Any] = {}
    for number in range(rounds):
        for name, run in runs.items():
            last.pop(name, None)
            started = time.perf_counter()
            last[name] = run(number)
            elapsed = time.perf_counter() - started
            if isinstance(last[name], Timed):
                elapsed, last[name] = last[name].seconds, last[name].value
            seconds[name].append(elapsed)
            print(f"round {number + 1} of {rounds}: {name}: {seconds[name][-1]:.2f} s", flush=True)
    return {name: Timing(tuple(seconds[name]), last[name]) for name in runs}


def speedups(timings: Mapping[str, Timing], ratio: Ratio) -> tuple[float, float, float]:
    """Return the median, lowest and highest of the rounds' ratios: each compares runs that stood side by side."""
    pairs = zip(timings[ratio.slow].seconds, timings[ratio.fast].seconds, strict=True)
    by_round = [slow / fast for slow, fast in pairs]
    return statistics.median(by_round), min(by_round), max(by_round)


def show(
    title: str,
    timings: Mapping[str, Timing],
    ratios: list[Ratio],
    *,
    items: int,
    unit: str,
    facts: Mapping[str, Any],
    json_file: Path | None,
) -> None:
    """Print the timings, the ratios and further facts; write them as JSON too if a file is named.

    Args:
        title: what was measured.
        timings: by `alternate`.
        ratios: between runs named as in `timings`.
        items: how many images or texts each run goes through.
        unit: 'images' or 'texts'.
        facts: settings and checks, as they shall be read.
        json_file: where the JSON goes.
    """
    table = Table("run", "median s", "lowest", "highest", f"{unit}/s", title=title)
    for name, timing in timings.items():
        numbers = (timing.median, min(timing.seconds), max(timing.seconds))
        table.add_row(name, *(f"{number:.2f}" for number in numbers), f"{items / timing.median:,.1f}")
    Console().print(table)
    compared: dict[str, dict[str, float | None]] = {}
    for ratio in ratios:
        median, lowest, highest = speedups(timings, ratio)
        compared[ratio.label] = {"median": median, "lowest": lowest, "highest": highest, "aim": ratio.aim}
        aim = "" if ratio.aim is None else f"; aim: at least {ratio.aim:g}"
        print(f"{ratio.label}: {median:.2f} ({lowest:.2f} to {highest:.2f}{aim})")
    machine = describe_machine()
    print(*(f"{key}: {value}" for key, value in {**facts, **machine}.items()), sep="\n")
    if json_file is not None:
        document = {
            "benchmark": title,
            "seconds": {name: timing.seconds for name, timing in timings.items()},
            "ratios": compared,
            unit: items,
            "facts": dict(facts),
            "machine": machine,
            "versions": versions(),
        }
        json_file.write_text(json.dumps(document, indent=1))
