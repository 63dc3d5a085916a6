"""The examples about which two models differ."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import pandas as pd

from clipbench.analyses.comparable import differing
from clipbench.analyses.rankings.compare import metric_of, nothing_to_compare
from clipbench.analyses.rankings.per_example import JobValues
from clipbench.analyses.rankings.sides import Pair, Sides
from clipbench.errors import UserError
from clipbench.results.folder import Results

_LABELS = ("label_name", "label_names", "caption", "label")
"""Columns of per-example tables that tell a reader what an example is; the first that there is."""


def disagreements(
    results: Results,
    first: Results | str | None = None,
    second: str | None = None,
    *,
    metric: str | None = None,
    datasets: Collection[str] = (),
) -> pd.DataFrame:
    """Return the examples that two models, or one model of two runs, differ on, the largest differences first.

    Columns: dataset, split, task, variant, view, id; label, what it is; first and second, what either takes it for,
    where that is stored; first_value and second_value, what it adds to the metric, e.g. whether it is right; thumbnail,
    the path of a small copy of the image, where the results have one. `attrs`: first and second, what is compared.

    Args and errors are those of `compare`. Jobs that cannot be compared are left out.
    """
    sides = Sides.of(results, first, second)
    shared = [pair for pair in sides.pairs if not datasets or pair[0].dataset in datasets]
    named = [(pair, name) for pair in shared if (name := metric_of(pair, metric)) and not differing(*pair)]
    if not named:
        raise nothing_to_compare(sides.where, [job for pair in sides.pairs for job in pair], metric, datasets)
    rows = [row for pair, name in named for row in _rows(pair, sides, name)]
    columns = ("dataset", "split", "task", "variant", "view", "id", "label", "first", "second")
    frame = pd.DataFrame(rows, columns=[*columns, "first_value", "second_value", "thumbnail"])
    frame.attrs.update(first=sides.names[0], second=sides.names[1])
    return frame


def _rows(pair: Pair, sides: Sides, metric: str) -> Iterator[dict[str, Any]]:
    try:
        tables = sides.tables(pair)
        one = JobValues.of(pair[0], tables[0], metric)
        other = JobValues.of(pair[1], tables[1], metric, one)
    except UserError:
        return
    values = np.stack([job.values.numbers[0].reshape(len(one.table), -1).mean(axis=1) for job in (one, other)])
    thumbnails = _thumbnails(pair, sides)
    about = {name: getattr(pair[0], name) for name in ("dataset", "split", "task", "variant", "view")}
    label = next((name for name in _LABELS if name in one.table), None)
    apart = values[0] - values[1]
    for place in np.lexsort((-apart, -np.abs(apart)))[: np.count_nonzero(apart)].tolist():
        example = one.table.index[place]
        yield about | {
            "id": example,
            "label": one.table[label].iloc[place] if label else None,
            "first": one.table["prediction_name"].iloc[place] if "prediction_name" in one.table else None,
            "second": other.table["prediction_name"].iloc[place] if "prediction_name" in other.table else None,
            "first_value": float(values[0, place]),
            "second_value": float(values[1, place]),
            "thumbnail": thumbnails.get(example),
        }


def _thumbnails(pair: Pair, sides: Sides) -> dict[str, str]:
    """Return the paths of stored thumbnails, by example."""
    return {
        picture["id"]: str(results.part_of(job.hash).folder / "thumbs" / picture["thumb"])
        for results, job in zip(sides.results, pair, strict=True)
        for picture in job.pictures
        if picture.get("thumb")
    }
