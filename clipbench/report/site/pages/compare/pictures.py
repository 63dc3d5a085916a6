"""Images with a thumbnail about which models disagree: what `data/pictures.js` holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clipbench.analyses.comparable import read_correct
from clipbench.arrays import BoolArray, IntArray
from clipbench.errors import UserError
from clipbench.report.site.data.pairs import Comparison
from clipbench.report.site.pages.base import SiteData

if TYPE_CHECKING:
    import pandas as pd

MOST = 200
"""Images of a data set: those on which models disagree most evenly."""

_COLUMNS = ("id", "label", "labels", "label_name", "prediction_name", "correct")


def disagreements(data: SiteData, found: Sequence[Comparison]) -> list[Mapping[str, Any]]:
    """Return for each data set that has thumbnails what models made of these images.

    By its first measurement that tells, zero-shot before others. A data set whose tables cannot be read, or on which
    all models agree, is left out.
    """
    thumbnails, made = _thumbnails(data), {}
    for comparison in sorted(found, key=lambda each: each.column.task != "zero_shot"):
        place = (comparison.column.dataset, comparison.column.split)
        if len(comparison.datasets) == 1 and place in thumbnails and place not in made:
            try:
                made[place] = _of_dataset(data, comparison, thumbnails[place])
            except UserError:
                continue
    return [known for known in made.values() if known["images"]]


def _thumbnails(data: SiteData) -> Mapping[tuple[str, str], Mapping[str, str]]:
    """Return of each data set and split the images' thumbnails, by id; changed images have none."""
    known: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for job in data.here.jobs:
        if not job.view:
            for picture in data.written.pictures.get(job.hash, ()):
                known[job.dataset, job.split][picture["id"]] = picture["image"]
    return known


def _of_dataset(data: SiteData, comparison: Comparison, images: Mapping[str, str]) -> Mapping[str, Any]:
    tables = {job.hash: data.results.examples(job.hash, _COLUMNS) for job in comparison.jobs}
    correct = read_correct(comparison.jobs, lambda job: tables[job])[:, :, 0]
    shown = [table.set_index("id") for table in tables.values()]
    chosen = _most_disputed(correct, shown[0].index.isin(list(images)))
    ids = shown[0].index[chosen]
    answers = [table.loc[ids] for table in shown]
    names = sorted({name for table in answers for name in _texts(table)})
    number = {name: place for place, name in enumerate(names)}
    labels = _column(answers[0], "label_name")
    right = correct.astype(np.float32)
    first, second = np.triu_indices(len(right), 1)
    return {
        "measurement": comparison.slug,
        "dataset": comparison.column.dataset,
        "setting": comparison.column.setting,
        "n": correct.shape[1],
        "models": comparison.models,
        "right": correct.sum(axis=1).tolist(),
        "both": (right @ right.T)[first, second].astype(int).tolist(),
        "names": names,
        "images": [[images[name], number.get(label, -1)] for name, label in zip(ids, labels, strict=True)],
        "answers": [[number.get(name, -1) for name in _column(table, "prediction_name")] for table in answers],
        "correct": ["".join(map(str, row)) for row in correct[:, chosen].astype(int).tolist()],
    }


def _most_disputed(correct: BoolArray, pictured: BoolArray) -> IntArray:
    """Return the places of images with a thumbnail on which some models are right and others not, the evenest first."""
    share = correct.mean(axis=0)
    disputed = np.flatnonzero(pictured & (share > 0) & (share < 1))
    return disputed[np.argsort(np.abs(share[disputed] - 0.5), kind="stable")][:MOST]


def _column(table: pd.DataFrame, name: str) -> Sequence[str]:
    return [str(value) for value in table[name]] if name in table else [""] * len(table)


def _texts(table: pd.DataFrame) -> Iterable[str]:
    return (text for name in ("label_name", "prediction_name") if name in table for text in _column(table, name))
