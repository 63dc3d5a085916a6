"""All pairs of measured models on each column of a board, and in their means: what `data/pairs.js` holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from clipbench.report.leaderboard import Column
from clipbench.report.site.data import board
from clipbench.report.site.data.assemble import Measurements
from clipbench.report.site.data.names import slugs
from clipbench.results.records import JobResult, Verdict

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
"""Raised when a page that reads the former format would be wrong."""

_DIGITS = 5

Outcome: TypeAlias = Verdict | Literal["chance"]
"""What the interval of a difference says; `chance` where neither value is above chance."""

_LETTERS: Mapping[str, Outcome] = {
    "h": "higher",
    "l": "lower",
    "n": "not_distinguishable",
    "c": "chance",
    "u": "undefined",
}


@dataclass(frozen=True)
class Difference:
    """Of two models on one measurement, the first minus the second; ends are at 95 %, see `Comparison`."""

    first: float
    second: float
    value: float
    low: float | None
    high: float | None
    outcome: Outcome


@dataclass(frozen=True)
class Comparison:
    """Models on the same examples of one column, or in their means over several; all its intervals hold together."""

    slug: str
    """That of the column, or one of its own."""
    column: board.Column
    """Of a mean the first that it is over."""
    datasets: tuple[str, ...]
    """Several of a mean."""
    metric_label: str
    n: int
    subset: str
    models: tuple[int, ...]
    """(M,) places in the board, the largest value first."""
    jobs: tuple[JobResult, ...]
    """(M,) by which the models were compared; none of a mean."""
    values: tuple[float, ...]
    """(M,)"""
    at_chance: tuple[int, ...]
    """Places of the models that are not above chance."""
    ends: tuple[tuple[float, float] | None, ...]
    """(M (M - 1) / 2,) of the differences, in the order of `numpy.triu_indices(M, 1)`; None: no interval."""
    letters: str
    """(M (M - 1) / 2,) outcomes: h higher, l lower, n not distinguishable, c neither above chance, u undefined."""

    @property
    def better(self) -> int:
        """1 where the larger value is better, -1 where the smaller one is, 0 where neither."""
        known = self.column.higher_is_better
        return 0 if known is None else 1 if known else -1

    @property
    def merit(self) -> tuple[int, ...]:
        """The models, the best first."""
        return self.models[::-1] if self.better < 0 else self.models

    @property
    def family(self) -> int:
        """How many intervals hold together."""
        return len(self.letters)

    def between(self, first: int, second: int) -> Difference | None:
        """Return the difference of two models by their places in the board; None where one of them is not there."""
        if first == second or not {first, second} <= set(self.models):
            return None
        one, other = self.models.index(first), self.models.index(second)
        if one > other:
            found = self.between(second, first)
            assert found is not None
            low, high = (None, None) if found.low is None or found.high is None else (-found.high, -found.low)
            turned: Mapping[Outcome, Outcome] = {"higher": "lower", "lower": "higher"}
            outcome = turned.get(found.outcome, found.outcome)
            return Difference(found.second, found.first, -found.value, low, high, outcome)
        place = one * len(self.models) - one * (one + 1) // 2 + other - one - 1
        low, high = self.ends[place] or (None, None)
        difference = self.values[one] - self.values[other]
        return Difference(self.values[one], self.values[other], difference, low, high, _LETTERS[self.letters[place]])


def comparisons(here: Measurements) -> tuple[Comparison, ...]:
    """Compare all pairs on each column, in the board's order, then in their means; nothing without two models."""
    if here.pairs is None:
        return ()
    columns = {
        (column.dataset, column.split, column.task, column.variant): (place, column, made)
        for place, (column, made) in enumerate(zip(here.leaderboard.columns, here.columns, strict=True))
    }
    places = {model: place for place, model in enumerate(here.leaderboard.models)}
    found: list[tuple[tuple[bool, int], Comparison]] = []
    for rows in _boards(here.pairs):
        about = rows.iloc[0]
        known = columns.get((about["datasets"][0], about["split"], about["task"], about["variant"]))
        # On changed images, matched classes, or with a head of another data set there is no column.
        if known is None or about["view"] or about["matched"] or about["trained_on"]:
            continue
        place, column, made = known
        mean = len(about["datasets"]) > 1
        if mean or _is_of(rows, column):
            found.append(((mean, place), _comparison(rows, column, made, places)))
    ordered = [comparison for _, comparison in sorted(found, key=lambda pair: pair[0])]
    return tuple(_told_apart(ordered))


def _boards(pairs: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the rows of each measurement: as many as its family, one after the other."""
    start = 0
    while start < len(pairs):
        end = start + int(pairs["family"].iloc[start])
        yield pairs.iloc[start:end]
        start = end


def _is_of(rows: pd.DataFrame, column: Column) -> bool:
    """Return whether rows are about the jobs of a column: of its metric, on as many examples."""
    about = rows.iloc[0]
    cells = [column.cells.get(str(model)) for model in {*rows["first"], *rows["second"]}]
    return about["metric"] == column.spec.name and all(
        cell is not None and cell.job.pedigree.subset == about["subset"] for cell in cells
    )


def _comparison(rows: pd.DataFrame, column: Column, made: board.Column, places: Mapping[str, int]) -> Comparison:
    about = rows.iloc[0]
    values = dict(zip(rows["first"], rows["first_value"], strict=True))
    values |= dict(zip(rows["second"], rows["second_value"], strict=True))
    mean = len(about["datasets"]) > 1
    known = zip(rows["low"], rows["high"], rows["interval"], strict=True)
    verdicts = zip(rows["verdict"], rows["at_chance"], strict=True)
    of_task = (about["task"], about["split"], about["variant"], about["regime"])
    return Comparison(
        slug=next(iter(slugs([" ".join(("mean", *of_task))]).values())) if mean else made.slug,
        column=made,
        datasets=tuple(about["datasets"]),
        metric_label=made.metric_label if about["metric"] == made.metric else "main metric",
        n=int(about["n"]),
        subset=str(about["subset"]) if not mean else "",
        models=tuple(places[model] for model in values),
        jobs=() if mean else tuple(column.cells[model].job for model in values),
        values=tuple(round(float(value), _DIGITS) for value in values.values()),
        at_chance=() if mean else tuple(places[model] for model in values if column.cells[model].at_chance),
        ends=tuple((round(low, _DIGITS), round(high, _DIGITS)) if kind else None for low, high, kind in known),
        letters="".join(_letter(verdict, nothing) for verdict, nothing in verdicts),
    )


def _letter(verdict: str, at_chance: bool) -> str:
    letter = {"higher": "h", "lower": "l", "not_distinguishable": "n"}.get(verdict, "u")
    return "c" if at_chance and letter == "n" else letter


def _told_apart(found: Sequence[Comparison]) -> Iterator[Comparison]:
    """Give those that share a column, since their models saw other examples, an address each."""
    taken: set[str] = set()
    for comparison in found:
        number, slug = 2, comparison.slug
        while slug in taken:
            slug, number = f"{comparison.slug}-{number}", number + 1
        taken.add(slug)
        yield replace(comparison, slug=slug)


def document(here: Measurements, found: Sequence[Comparison]) -> Mapping[str, Any]:
    """Return what `data/pairs.js` holds of what was measured and compared."""
    models = [{"slug": model.slug, "name": model.name} for model in here.models]
    return {"format": FORMAT, "models": models, "measurements": [_plain(each) for each in found]}


def _plain(found: Comparison) -> Mapping[str, Any]:
    column = found.column
    evidence = {cell.model: cell.job for cell in column.cells}
    return {
        "slug": found.slug,
        "datasets": found.datasets,
        "task": column.task,
        "setting": column.setting,
        "metric": found.metric_label,
        "unit": column.unit,
        "better": found.better,
        "n": found.n,
        "models": found.models,
        "values": found.values,
        "chance": found.at_chance,
        "jobs": [evidence[place] for place in found.models] if found.jobs else [],
        "low": [ends and ends[0] for ends in found.ends],
        "high": [ends and ends[1] for ends in found.ends],
        "outcomes": found.letters,
    }
