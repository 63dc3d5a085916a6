"""Choices of columns with their means and ranks: the field's usual lists, and all that was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from clipbench.arrays import IntArray
from clipbench.errors import UserError
from clipbench.reference.published import openclip_columns
from clipbench.reference.robustness import CATALOG_SHIFTS
from clipbench.report.averages import Average, Means, may_be_averaged, means, surely_lower
from clipbench.report.leaderboard import Column, Leaderboard
from clipbench.report.site.data import board
from clipbench.report.site.data.answers import Answers
from clipbench.stats.pairs import better_and_worse
from clipbench.stats.simultaneous import bonferroni

_CLIP = """food101 cifar10 cifar100 birdsnap sun397 cars aircraft voc2007 dtd pets caltech101 flowers mnist fer2013
    stl10 eurosat resisc45 gtsrb kitti-distance country211 pcam ucf101 kinetics700 clevr-count hateful-memes
    renderedsst2 imagenet"""
_VTAB_PLUS = """imagenet imagenet-v2 imagenet-r imagenet-sketch objectnet imagenet-a cifar10 cifar100 mnist flowers cars
    svhn fer2013 renderedsst2 pets caltech101 voc2007 sun397 aircraft country211 dtd gtsrb stl10 retinopathy eurosat
    resisc45 pcam clevr-count clevr-distance dsprites-orientation dsprites-position smallnorb-elevation
    smallnorb-azimuth dmlab kitti-distance"""

TASKS = ("zero_shot", "retrieval")
"""The lists are of models as they are, without anything fitted."""


@dataclass(frozen=True)
class Choice:
    """A list of data sets that the field reports together."""

    slug: str
    label: str
    datasets: tuple[str, ...]
    source: str


def choices() -> tuple[Choice, ...]:
    """Return the field's lists, by the catalog's names; what the catalog lacks is counted, and can be measured."""
    return (
        Choice("clip-paper", "CLIP paper", tuple(_CLIP.split()), "Radford et al. 2021, arXiv 2103.00020, table 11"),
        Choice("vtab-plus", "VTAB+", tuple(_VTAB_PLUS.split()), "Schuhmann et al. 2022, arXiv 2210.08402"),
        Choice("datacomp", "DataComp", tuple(openclip_columns()), "Gadre et al. 2023, arXiv 2304.14108"),
        Choice("natural-shifts", "natural shifts", CATALOG_SHIFTS, "Wortsman et al. 2022, arXiv 2109.01903"),
    )


def rankings(
    answers: Answers,
    leaderboard: Leaderboard,
    columns: Sequence[Column],
    places: Mapping[str, int],
    slugs: Sequence[str],
) -> tuple[board.Ranking, ...]:
    """Rank measured models by their means over columns, each measurement and regime apart.

    Args:
        answers: that the ranks rest on, where they are known.
        leaderboard: to which the columns belong.
        columns: of these the means are.
        places: of each model in the board.
        slugs: of the columns, in their order.
    """
    named = {column.name: slug for column, slug in zip(columns, slugs, strict=True)}
    groups = means(replace(leaderboard, columns=tuple(columns)))
    return tuple(_ranking(answers, group, columns, places, named) for group in groups if group.by_model)


def _ranking(
    answers: Answers, group: Means, columns: Sequence[Column], places: Mapping[str, int], named: Mapping[str, str]
) -> board.Ranking:
    about = group.measurement
    ranked = sorted((mean for mean in group.by_model.values() if mean.ranked), key=lambda mean: -mean.value)
    over = [
        column
        for column in columns
        if (column.measurement, column.regime) == (about, group.regime)
        and column.dataset in group.datasets
        and may_be_averaged(column)
    ]
    directions, by_images = _directions(answers, ranked, over)
    better, worse = better_and_worse(directions, len(ranked))
    return board.Ranking(
        task=about.task,
        label=", ".join(part for part in (about.label, about.prompts, *about.condition.words) if part),
        regime=group.regime,
        metric_label=next(iter(group.by_model.values())).metric,
        datasets=group.datasets,
        columns=tuple(named[column.name] for column in over),
        rows=tuple(
            board.Rank(places[mean.model], mean.value, mean.low, mean.high, 1 + up, len(ranked) - down, mean.at_chance)
            for mean, up, down in zip(ranked, better, worse, strict=True)
        ),
        apart=tuple(
            board.OtherMean(places[mean.model], mean.value, mean.low, mean.high, mean.datasets)
            for mean in group.by_model.values()
            if not mean.ranked
        ),
        paired=by_images if len(ranked) > 1 else None,
    )


def _directions(answers: Answers, ranked: Sequence[Average], columns: Sequence[Column]) -> tuple[IntArray, bool]:
    """Return of each pair whether the first mean is surely higher, 1, or lower, -1; and whether by the same images.

    Between two models at chance nothing is gained or lost. Without tables of answers the means' own intervals decide,
    at Bonferroni's critical value: wider than what the same images tell.
    """
    try:
        found, by_images = answers.directions([mean.model for mean in ranked], columns), True
    except UserError:
        found, by_images = _of_intervals(ranked), False
    return _above_chance(found, [mean.at_chance for mean in ranked]), by_images


def _above_chance(directions: IntArray, at_chance: Sequence[bool]) -> IntArray:
    """Return directions of pairs, none between two models at chance."""
    first, second = np.triu_indices(len(at_chance), 1)
    chance = np.array(at_chance, bool)
    return np.where(chance[first] & chance[second], 0, directions)


def _of_intervals(ranked: Sequence[Average]) -> IntArray:
    pairs = list(combinations(ranked, 2))
    critical = bonferroni(len(pairs)) if pairs else 0.0
    directions = [surely_lower(other, one, critical) - surely_lower(one, other, critical) for one, other in pairs]
    return np.array(directions, np.int64)


def column_ranks(answers: Answers, column: Column, places: Mapping[str, int]) -> tuple[board.ColumnRank, ...] | None:
    """Return the ranks that models may have in a column, by answers to the same images; None where these are not known.

    Args:
        answers: that the ranks rest on.
        column: in which a cell with a footnote is not compared.
        places: of each model in the board.
    """
    cells = {name: cell for name, cell in column.cells.items() if cell.footnote is None and cell.value is not None}
    if len(cells) < 2 or column.spec.higher_is_better is None:
        return None
    try:
        found = answers.directions([*cells], [column])
    except UserError:
        return None
    signed = found if column.spec.higher_is_better else -found
    better, worse = better_and_worse(_above_chance(signed, [cell.at_chance for cell in cells.values()]), len(cells))
    ranks = zip(cells, better, worse, strict=True)
    return tuple(board.ColumnRank(places[name], 1 + up, len(cells) - down) for name, up, down in ranks)


def preset(columns: Sequence[board.Column], found: Sequence[board.Ranking], **told: Any) -> board.Preset:
    """Return a choice of columns with its rankings, and in how many of them the first place is shared."""
    ties = [column.tied for column in columns if column.tied is not None]
    slugs = tuple(column.slug for column in columns)
    return board.Preset(columns=slugs, rankings=tuple(found), ties=sum(ties), compared=len(ties), **told)
