"""What tasks require of data sets and models before anything is embedded, and of the metrics that they computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from clipbench.errors import UserError, splits_there_are
from clipbench.tasks.base import DatasetFacts, Metric

if TYPE_CHECKING:
    from clipbench.models.base import ModelInfo


def require_split(dataset: DatasetFacts, split: str) -> None:
    """Stop if a data set lacks a split.

    Raises:
        UserError: naming the splits that it has.
    """
    if split not in dataset.splits:
        raise UserError(f"there is no split {split!r}", where=dataset.name, fix=splits_there_are(dataset.splits))


def require_classes(dataset: DatasetFacts, task: str, fix: str) -> None:
    """Stop if a data set has fewer than two classes.

    Raises:
        UserError: with what to do instead.
    """
    if len(dataset.classes) < 2:
        raise UserError(
            f"{task} needs at least two classes, this has {len(dataset.classes)}", where=dataset.name, fix=fix
        )


def require_single_label(dataset: DatasetFacts, task: str, fix: str = "use linear_probe") -> None:
    """Stop if a data set is multi-label.

    Raises:
        UserError: with what to do instead.
    """
    if dataset.multilabel:
        raise UserError(f"{task} needs one class an image; this data set is multi-label", where=dataset.name, fix=fix)


def require_joint_space(model: ModelInfo, task: str) -> None:
    """Stop if a model cannot compare images with texts.

    Raises:
        UserError: it has no text tower or gives no projected features.
    """
    if not model.has_text or "projected" not in model.features:
        raise UserError(
            f"{task} needs a model that embeds images and texts in one space",
            where=model.name,
            fix="choose a CLIP-style model",
        )


def with_main(metrics: Sequence[Metric], dataset: DatasetFacts, default: str) -> tuple[Metric, ...]:
    """Mark the data set's declared main metric, or else the task's own.

    Raises:
        UserError: the declared one was not computed.
    """
    names = [metric.name for metric in metrics]
    chosen = dataset.main_metric or default
    if chosen not in names:
        raise UserError(
            f"main_metric: {chosen!r} is not computed here",
            where=dataset.name,
            fix=f"declare one of: {', '.join(names)}; or none",
        )
    return tuple(replace(metric, main=metric.name == chosen) for metric in metrics)
