"""What further names of the classes are worth, in numbers and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from clipbench.stats.bootstrap import RESAMPLES, SEED
from clipbench.stats.comparison import compare_pair
from clipbench.stats.paired import paired_difference
from clipbench.stats.significance import holm
from clipbench.tasks.base import IntArray, Metric
from clipbench.tasks.name_lists import NameAnswers, Renamed
from clipbench.tasks.wording import listed, points, signed
from clipbench.tasks.wording_layout import Layout

if TYPE_CHECKING:
    import pandas as pd


_SHOWN = 6
"""Names of a list that stand in the table."""


def names_metrics(answers: NameAnswers, layout: Layout) -> Iterator[Metric]:
    """Yield how far lists of names move top-1, and what two ways of using all names gain over the canonical ones.

    All templates are averaged throughout. The range is that of the best list on these images minus the worst.
    """
    top1 = answers.lists.mean(axis=0)
    best, worst = int(top1.argmax()), int(top1.argmin())
    drawn = {"lists": layout.lists, "names": sum(map(len, layout.given.names)), "seed": SEED, "resamples": RESAMPLES}
    moved, between = paired_difference(answers.lists[:, best], answers.lists[:, worst])
    interval = replace(between, low=max(0.0, between.low))
    ends = {"best": _list_name(best), "worst": _list_name(worst), "lowest": float(top1[worst])}
    yield Metric("names_range", moved, len(answers.averaged), interval, params=ends | drawn)
    for name, right in (("averaged_names_gain", answers.averaged), ("best_name_gain", answers.best)):
        gain, interval = paired_difference(right, answers.lists[:, 0])
        yield Metric(name, gain, len(right), interval, params=drawn)


def names_table(answers: NameAnswers, layout: Layout) -> pd.DataFrame:
    """Return how, top1, difference, low, high, p, p_holm, names: lists of names and ways to use them.

    All templates are averaged. The difference is from the canonical names on the same images, with its interval,
    McNemar's exact p value, and that after Holm's correction for all rows. names has the first of a list's names that
    are not the classes' own.
    """
    import pandas as pd

    canonical, *others = answers.lists.T
    ways = {_list_name(place): right for place, right in enumerate(others, start=1)}
    ways |= {"all names averaged": answers.averaged, "the best name counts": answers.best}
    rows: list[tuple[str | float | None, ...]] = [(_list_name(0), float(canonical.mean()), *[None] * 4)]
    rows += [(how, float(right.mean()), *compare_pair(right, canonical).numbers) for how, right in ways.items()]
    frame = pd.DataFrame(rows, columns=["how", "top1", "difference", "low", "high", "p"])
    frame["p_holm"] = holm([None, *frame["p"].tolist()[1:]])
    frame["names"] = ["", *(_members(layout, place) for place in range(1, len(rows)))]
    return frame


def _members(layout: Layout, place: int) -> str:
    """Return the names of a list that are not the classes' own; '' of what is no list."""
    if place >= layout.lists:
        return ""
    return listed([names[place] for names in layout.given.names if place < len(names)], _SHOWN)


def _list_name(place: int) -> str:
    return f"names {place}" if place else "canonical names"


def synonyms_table(answers: NameAnswers, labels: IntArray, classes: Sequence[str]) -> pd.DataFrame:
    """Return class, name, n, class_top1_before, class_top1, difference, low, high: one class renamed, all others not.

    n images are of the class; the difference is that of the top-1 of all images, with its paired interval.
    """
    import pandas as pd

    counts = np.bincount(labels, minlength=len(classes)).tolist()
    rows: list[tuple[str | int | float | None, ...]] = []
    for one in answers.renamed:
        n = counts[one.label]
        of_class = (one.before / n, one.after / n) if n else (None, None)
        rows.append((classes[one.label], one.name, n, *of_class, *_difference(one, len(labels))))
    columns = ["class", "name", "n", "class_top1_before", "class_top1", "difference", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _difference(one: Renamed, images: int) -> tuple[float, float, float]:
    # The interval depends on nothing but the two counts.
    place = np.arange(images)
    difference, interval = paired_difference(
        place < one.gained, (place >= one.gained) & (place < one.gained + one.lost)
    )
    return difference, interval.low, interval.high


def names_move(metrics: Mapping[str, Metric]) -> str:
    """Return the sentence of how far lists of names move top-1."""
    moved = metrics["names_range"]
    value, lowest = moved.value or 0.0, moved.params["lowest"]
    if not value:
        return f"With every list of names it is {points(lowest)} %, all templates averaged."
    return (
        f"With the list of names it moves by {points(value)} points: from {points(lowest)} % ({moved.params['worst']}) "
        f"to {points(lowest + value)} % ({moved.params['best']}), all templates averaged."
    )


def names_gain(metrics: Mapping[str, Metric], layout: Layout) -> str:
    """Return the sentences of what several names of a class gain."""
    averaged, best = (metrics[name].value or 0.0 for name in ("averaged_names_gain", "best_name_gain"))
    further = sum(len(names) - 1 for names in layout.given.names)
    noun = "name" if further == 1 else "names"
    return (
        f"Classes have {further:,} further {noun}. Against the canonical names alone, top-1 changes by "
        f"{signed(averaged)} points if all names of a class are averaged, by {signed(best)} if its best name counts "
        "(all templates averaged). A better name in the table of synonyms was found on the images that it is reported "
        "on."
    )
