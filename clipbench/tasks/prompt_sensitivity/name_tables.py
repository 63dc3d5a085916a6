"""What further names of the classes are worth, in numbers and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from clipbench.arrays import IntArray
from clipbench.stats.bootstrap import RESAMPLES, SEED
from clipbench.stats.comparison import span
from clipbench.stats.paired import paired_difference
from clipbench.stats.significance import ALPHA, holm
from clipbench.tasks.base import Metric
from clipbench.tasks.prompt_sensitivity.name_lists import AVERAGED, BEST, NameAnswers, Renamed, list_name
from clipbench.tasks.prompt_sensitivity.prompt_grid import Layout
from clipbench.tasks.wording import listed, points, signed

if TYPE_CHECKING:
    import pandas as pd


_SHOWN = 6
"""Names of a list that stand in the table."""


def names_metrics(answers: NameAnswers, layout: Layout) -> Iterator[Metric]:
    """Yield how far lists of names move top-1, and what two ways of using all names gain over the canonical ones.

    The two ways are compared with each other too.

    All templates are averaged throughout. The range is that of the best list on these images minus the worst.
    """
    n, apart = len(answers.averaged), span(answers.lists)
    drawn = {"lists": layout.lists, "names": sum(map(len, layout.given.names)), "seed": SEED, "resamples": RESAMPLES}
    lowest = float(answers.lists[:, apart.worst].mean())
    ends = {"best": list_name(apart.best), "worst": list_name(apart.worst), "lowest": lowest}
    yield Metric("names_range", apart.difference, n, apart.interval, params=ends | drawn)
    for name, how in (("averaged_names_gain", AVERAGED), ("best_name_gain", BEST)):
        gain = answers.ways[how]
        yield Metric(name, gain.difference, n, gain.interval, params=drawn)
    between = answers.best_over_averaged
    yield Metric("best_name_over_averaged", between.difference, n, between.interval, params=drawn | {"p": between.p})


def names_table(answers: NameAnswers, layout: Layout) -> pd.DataFrame:
    """Return how, top1, difference, low, high, p, p_holm, names: lists of names and ways to use them.

    All templates are averaged. The difference is from the canonical names on the same images, with its interval,
    McNemar's exact p value, and that after Holm's correction for all rows. names has the first of a list's names that
    are not the classes' own.
    """
    import pandas as pd

    canonical = float(answers.lists[:, 0].mean())
    right = [*answers.lists.T[1:], answers.averaged, answers.best]
    rows: list[tuple[str | float | None, ...]] = [(list_name(0), canonical, *[None] * 4)]
    for of, (how, found) in zip(right, answers.ways.items(), strict=True):
        rows.append((how, float(of.mean()), *found.numbers))
    frame = pd.DataFrame(rows, columns=["how", "top1", "difference", "low", "high", "p"])
    frame["p_holm"] = holm([None, *frame["p"].tolist()[1:]])
    frame["names"] = ["", *(_members(layout, place) for place in range(1, len(rows)))]
    return frame


def _members(layout: Layout, place: int) -> str:
    """Return the names of a list that are not the classes' own; '' of what is no list."""
    if place >= layout.lists:
        return ""
    return listed([names[place] for names in layout.given.names if place < len(names)], _SHOWN)


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
    noun, between = "name" if further == 1 else "names", _better_way(metrics["best_name_over_averaged"])
    return (
        f"Classes have {further:,} further {noun}. Against the canonical names alone, top-1 changes by "
        f"{signed(averaged)} points if all names of a class are averaged, by {signed(best)} if its best name counts "
        f"(all templates averaged); {between}. A better name in the table of synonyms was found on the images that it "
        "is reported on."
    )


def _better_way(between: Metric) -> str:
    value, p = between.value or 0.0, between.params["p"]
    if not value:
        return "the two are equally often right"
    better, worse = ("the best name", "averaging") if value > 0 else ("averaging", "the best name")
    certain = "" if p < ALPHA else ", which may be chance"
    return f"{better} is {points(abs(value))} points better than {worse}{certain} (McNemar's exact test, p = {p:.2g})"
