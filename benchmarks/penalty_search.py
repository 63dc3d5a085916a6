"""How near the search for a head's penalty comes to the best of all 97 values, on resplits of CIFAR-10.

    python benchmarks/penalty_search.py                     60 resplits: minutes on one core
    python benchmarks/penalty_search.py --resplits 5        a quick look
    python benchmarks/penalty_search.py --intercept         the probe's head instead of WiSE-FT's
    python benchmarks/penalty_search.py --tolerance 1e-3    looser fits in the search

Of 3,000 training images (projected features of length 1) a fifth is held out, as a suite without a validation split
does it, with another seed for each resplit. What a rule chooses is judged on the curve of all 97 values: of rough fits
first, those whose score may be the best again to the search's tolerance, and those within half a point exactly. Beside
today's rule stand halving alone and the earlier rule, which ended after two coarse values below the best.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mirror import development_data
from probe_data import arrays, cifar10
from rich.console import Console
from rich.table import Table

from clipbench.arrays import Float32Array, IntArray
from clipbench.datasets.subset import balanced_ids
from clipbench.embed.housekeeping import default_cache
from clipbench.heads import logistic
from clipbench.heads.problem import Head, Problem
from clipbench.heads.search import GRID, SCOUT_ERROR, nearest, search, search_path
from clipbench.metrics.vectors import unit_rows
from clipbench.tasks.holdout import stratified

FITTED_ANEW = ((SCOUT_ERROR, {}), (0.005, {"final": True}))
"""How near to the best a score is whose head is fitted again, and how."""
COARSE = 16


@dataclass(frozen=True)
class Choice:
    """What a rule chose on one resplit."""

    place: int
    loss: float
    """Validation score of the best of all values minus that of the chosen one, in points."""
    fits: int
    iterations: int
    seconds: float


@dataclass(frozen=True)
class Resplit:
    """A part that heads are fitted on and one that they are scored on."""

    problem: Problem
    features: Float32Array
    labels: IntArray

    def score(self, head: Head) -> float:
        """Return the share of the held-out images that a head is right about."""
        return float((head.class_scores(self.features).argmax(axis=1) == self.labels).mean())

    def curve(self, chosen: Sequence[int]) -> list[float]:
        """Return the scores at all values of C, exact at those chosen and wherever the best may be."""
        head, heads = None, []
        for C in GRID:  # noqa: N806 - scikit-learn's name
            head = logistic.fit(self.problem, C, head, rough=True).head
            heads.append(head)
        scores = [self.score(head) for head in heads]
        for margin, how in FITTED_ANEW:
            near = [place for place, score in enumerate(scores) if score >= max(scores) - margin]
            for place in {*near, *chosen}:
                heads[place] = logistic.fit(self.problem, GRID[place], heads[place], **how).head
                scores[place] = self.score(heads[place])
        return scores


@contextmanager
def tolerance(value: float) -> Iterator[None]:
    """Let the fits of a search end at another gradient."""
    before = logistic.SEARCH_TOLERANCE
    logistic.SEARCH_TOLERANCE = value
    yield
    logistic.SEARCH_TOLERANCE = before


def today(split: Resplit) -> tuple[int, int, int]:
    """Return place, fits and iterations of the search as it is."""
    tally = _Tally(split)
    path = search_path(split.problem, tally.fit, split.score)
    return GRID.index(path.best.C), *tally.totals


def halving(split: Resplit) -> tuple[int, int, int]:
    """Return those of all seven coarse values and the halving steps alone."""
    tally = _Tally(split)
    return search(tally.score).best, *tally.totals


def earlier(split: Resplit) -> tuple[int, int, int]:
    """Return those of the rule that ended its coarse steps after two values below the best."""
    tally, scores, worse = _Tally(split), {}, 0

    def best() -> int:
        return max(scores, key=lambda place: (scores[place], -place))

    for place in range(0, len(GRID), COARSE):
        scores[place] = tally.score(place)
        worse = worse + 1 if scores[place] < scores[best()] else 0
        if worse == 2:
            break
    step = COARSE // 2
    while step:
        for place in (best() - step, best() + step):
            if 0 <= place < len(GRID) and place not in scores:
                scores[place] = tally.score(place)
        step //= 2
    return best(), *tally.totals


class _Tally:
    """Counts fits and their iterations."""

    def __init__(self, split: Resplit) -> None:
        self.split, self.totals = split, (0, 0)
        self.fits: dict[int, logistic.Fit] = {}

    def fit(self, *arguments: Any, **keys: Any) -> logistic.Fit:
        found = logistic.fit(*arguments, **keys)
        self.totals = self.totals[0] + 1, self.totals[1] + found.iterations
        return found

    def score(self, place: int) -> float:
        neighbour = nearest(place, self.fits)
        self.fits[place] = self.fit(self.split.problem, GRID[place], neighbour and neighbour.head)
        return self.split.score(self.fits[place].head)


RULES: dict[str, Callable[[Resplit], tuple[int, int, int]]] = {"today": today, "halving": halving, "earlier": earlier}


def measure(split: Resplit, looseness: float) -> dict[str, Choice]:
    """Let every rule choose, and judge the choices."""
    chosen, seconds = {}, {}
    for name, rule in RULES.items():
        started = time.process_time()
        with tolerance(looseness):
            chosen[name] = rule(split)
        seconds[name] = time.process_time() - started
    curve = split.curve([place for place, *_ in chosen.values()])
    return {
        name: Choice(place, 100 * (max(curve) - curve[place]), *totals, seconds[name])
        for name, (place, *totals) in chosen.items()
    }


def resplits(arguments: argparse.Namespace) -> Iterator[Resplit]:
    """Iterate over the resplits."""
    data = cifar10(development_data(), arguments.cache or default_cache(), "projected").train
    features, labels = arrays(data)
    chosen = balanced_ids(zip(data.ids, labels.tolist(), strict=True), arguments.limit)
    rows = np.flatnonzero([example in chosen for example in data.ids])
    features, labels, ids = unit_rows(features[rows])[0], labels[rows], [data.ids[row] for row in rows]
    for seed in range(arguments.resplits):
        held = stratified(ids, labels, 0.2, seed)
        kept = np.setdiff1d(np.arange(len(ids)), held)
        problem = Problem.of(features[kept], labels[kept], 10, intercept=arguments.intercept)
        yield Resplit(problem, features[held], labels[held])


def table(found: list[dict[str, Choice]]) -> Table:
    """Return what the rules came to, a row each."""
    headings = ("within 0.2 points", "worst loss, points", "median C", "lowest and highest C", "fits", "steps", "s")
    shown = Table("rule", *headings, title=f"{len(found)} resplits")
    for name in RULES:
        choices = [choice[name] for choice in found]
        losses, places = [choice.loss for choice in choices], [choice.place for choice in choices]
        mean = {key: np.mean([getattr(choice, key) for choice in choices]) for key in ("fits", "iterations", "seconds")}
        shown.add_row(
            name,
            f"{sum(loss <= 0.2 + 1e-9 for loss in losses)}",
            f"{max(losses):.2f}",
            f"{GRID[int(np.median(places))]:.3g}",
            f"{GRID[min(places)]:.3g}, {GRID[max(places)]:.3g}",
            f"{mean['fits']:.1f}",
            f"{mean['iterations']:.0f}",
            f"{mean['seconds']:.2f}",
        )
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description="Judge the search for C by the whole grid.")
    parser.add_argument("--resplits", type=int, default=60, help="[%(default)s]")
    parser.add_argument("--limit", type=int, default=3000, help="training images, as a suite's limit [%(default)s]")
    parser.add_argument("--intercept", action="store_true", help="fit one, as the probe does")
    parser.add_argument("--tolerance", type=float, default=logistic.SEARCH_TOLERANCE, help="of fits [%(default)s]")
    parser.add_argument("--cache", type=Path, help="clipbench's store [its default]")
    parser.add_argument("--json", type=Path, help="write every choice to this file too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = []
    for number, split in enumerate(resplits(arguments), 1):
        found.append(measure(split, arguments.tolerance))
        lost = ", ".join(f"{name} {choice.loss:.2f} at {GRID[choice.place]:.3g}" for name, choice in found[-1].items())
        print(f"resplit {number}: points lost: {lost}", flush=True)
    Console(width=140).print(table(found))
    if arguments.json:
        rows = [{name: vars(choice) for name, choice in choices.items()} for choices in found]
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
