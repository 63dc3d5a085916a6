"""open_clip's published table, as a board shows it: marked as published, with its own means and ranks."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import count

from clipbench.datasets.catalog import catalog_definitions
from clipbench.models.catalog import model_names
from clipbench.reference.published import OpenClipModel, openclip_columns, openclip_models
from clipbench.reference.sources import Column as Source
from clipbench.reference.sources import rows, sources
from clipbench.report.site import PUBLISHED
from clipbench.report.site.data import board
from clipbench.report.site.data.measured import published_names
from clipbench.report.text.declared import label_of_task
from clipbench.stats.intervals import wilson

KEY, TESTBED = KEYS = PUBLISHED

_METRICS = {
    "top1": "top-1",
    "mean_per_class_recall": "mean per-class recall",
    "mean_recall_at_1": "mean R@1",
    "jaccard": "Jaccard index",
    "f1": "macro F1",
    "worst_group_top1": "top-1 of the worst group",
    "worst_group_top5": "top-5 of the worst group",
}
_RETRIEVAL = ("flickr30k", "coco", "winogavil")


def tables(keys: Collection[str]) -> tuple[board.PublishedTable, ...]:
    """Return where the figures of some tables come from."""
    known = ((key, sources()[key]) for key in KEYS if key in keys)
    return tuple(board.PublishedTable(key, of.title, of.url, of.licence, of.citation) for key, of in known)


def models(slugs: Mapping[str, str]) -> tuple[board.Model, ...]:
    """Return the table's models in its order, with their means over its sets and the ranks of these.

    Equal means share the better rank, as in the source. The same figures under several names are one model.
    """
    known, means = openclip_models(), {model.name: _mean(model) for model in openclip_models()}
    catalog = (model for model in model_names().values() if model.adapter == "open_clip")
    declared = {_weights(f"{model.architecture}/{model.tag}"): model.trained_on for model in catalog}
    listed = {names[0]: (row, names) for row in rows(KEY) if (names := published_names(row))}
    return tuple(
        board.Model(
            slug=slugs[model.name],
            name=model.name,
            origin="published",
            family=model.family,
            parameters=round(float(row["parameters_m"] or 0) * 1e6) or None,
            trained_on=next((declared[_weights(name)] for name in names if _weights(name) in declared), None),
            also=names[1:] or None,
            published=board.PublishedMean(
                value=means[model.name],
                rank=1 + sum(round(other - means[model.name], 9) > 0 for other in means.values()),
                sets=len(model.accuracies),
                table=KEY,
            ),
        )
        for model in known
        for row, names in (listed[model.name],)
    )


def _weights(name: str) -> str:
    """Return the name of a model's weights, which are the same with either activation."""
    return name.replace("-quickgelu/", "/")


def _mean(model: OpenClipModel) -> float:
    return math.fsum(model.accuracies.values()) / len(model.accuracies)


def with_published(
    columns: Sequence[board.Column], slugs: Mapping[str, str], first: int
) -> tuple[tuple[board.Column, ...], Mapping[str, str]]:
    """Return a board's columns with the table's figures; and data set -> slug of the column that has them.

    They stand in the measured column of the same images, task and metric where there is one, else in one of their own.

    Args:
        columns: measured.
        slugs: of columns that only the table has, by data set.
        first: place of the table's first model in the board.
    """
    joined = {column.slug: column for column in columns}
    place_of: dict[str, str] = {}
    for dataset, source in openclip_columns().items():
        column = _measured(dataset, source, columns) or _own(dataset, source, slugs[dataset])
        place_of[dataset] = column.slug
        joined[column.slug] = replace(column, cells=(*column.cells, *_cells(dataset, source, first)))
    return tuple(joined.values()), place_of


def task_of(dataset: str) -> str:
    """Return the task by which the table measured a data set."""
    return "retrieval" if dataset in _RETRIEVAL else "zero_shot"


def _measured(dataset: str, source: Source, columns: Sequence[board.Column]) -> board.Column | None:
    """Return the column of the same data set, task, metric and number of images, with the set's own prompts first."""
    about = (dataset, task_of(dataset), source.metric, source.images, None)
    alike = [
        column for column in columns if (column.dataset, column.task, column.metric, column.n, column.limit) == about
    ]
    own = [column for column in alike if column.setting in ("", "prompts own")]
    return next(iter(own or alike), None)


def _own(dataset: str, source: Source, slug: str) -> board.Column:
    known = catalog_definitions().get(dataset)
    return board.Column(
        slug=slug,
        label=dataset,
        dataset=dataset,
        split="test",
        task=task_of(dataset),
        task_label=label_of_task(task_of(dataset)),
        setting="",
        regime=known.info.regime if known else "",
        metric=source.metric,
        metric_label=_METRICS.get(source.metric, source.metric.replace("_", " ")),
        unit="fraction",
        cells=(),
        higher_is_better=True,
        n=source.images,
    )


def _cells(dataset: str, source: Source, first: int) -> tuple[board.Cell, ...]:
    """Return the figures, with Wilson's interval where they are shares of images that do not come in clusters."""
    known = catalog_definitions().get(dataset)
    counted = source.images if source.metric == "top1" and known and not known.info.cluster else None
    found = []
    for place, model in zip(count(first), openclip_models(), strict=False):
        value = model.accuracies.get(dataset)
        if value is not None:
            interval = wilson(round(value * counted), counted) if counted else None
            ends = (round(interval.low, 4), round(interval.high, 4)) if interval else (None, None)
            found.append(board.Cell(place, value, *ends))
    return tuple(found)


def means_over(columns: Sequence[str], place_of: Mapping[str, str], first: int) -> board.PublishedMeans | None:
    """Return the plain means of the published models that have all of some columns' figures; None where none has any.

    Args:
        columns: slugs of a choice of columns.
        place_of: data set -> slug of the column with its published figures.
        first: place of the table's first model in the board.
    """
    datasets = [dataset for dataset, slug in place_of.items() if slug in columns]
    if not datasets:
        return None
    means = tuple(
        (place, math.fsum(model.accuracies[name] for name in datasets) / len(datasets))
        for place, model in zip(count(first), openclip_models(), strict=False)
        if model.accuracies.keys() >= set(datasets)
    )
    return board.PublishedMeans(tuple(place_of[name] for name in datasets), means)
