"""What tasks require of data sets and models before anything is embedded, and of the metrics that they computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from clipbench.errors import UserError, splits_there_are
from clipbench.tasks.base import DatasetFacts, Metric

if TYPE_CHECKING:
    from clipbench.models.base import ModelInfo


def require_split(dataset: DatasetFacts, split: str) -> None:
    """Raise a UserError that names the splits that a data set has, if it lacks one."""
    if split not in dataset.splits:
        raise UserError(f"there is no split {split!r}", where=dataset.name, fix=splits_there_are(dataset.splits))


VALIDATION_NAMES = ("val", "validation", "valid", "dev")
"""What a validation split is called, where the settings do not say."""


def validation_split(named: str | None, dataset: DatasetFacts, taken: Mapping[str, str], chosen: str) -> str | None:
    """Return the split that something is chosen on: the one that is named, or else one that is called so, if any.

    A UserError where it does not exist, or is taken; `taken` says what for, e.g. {"test": "tested on"}.
    """
    if named is None:
        return next((name for name in VALIDATION_NAMES if name in dataset.splits and name not in taken), None)
    require_split(dataset, named)
    if named in taken:
        problem = f"val_split: {chosen} would be chosen on the split that is {taken[named]}, {named!r}"
        raise UserError(problem, where=dataset.name, fix="name another, or leave val_split out")
    return named


def require_classes(dataset: DatasetFacts, task: str, fix: str) -> None:
    """Raise a UserError with what to do instead, if a data set has fewer than two classes."""
    if len(dataset.classes) < 2:
        problem = f"{task} needs at least two classes, this has {len(dataset.classes)}"
        raise UserError(problem, where=dataset.name, fix=fix)


def require_single_label(dataset: DatasetFacts, task: str, fix: str = "use linear_probe") -> None:
    """Raise a UserError with what to do instead, if a data set is multi-label."""
    if dataset.multilabel:
        raise UserError(f"{task} needs one class an image; this data set is multi-label", where=dataset.name, fix=fix)


def require_joint_space(model: ModelInfo, task: str) -> None:
    """Raise a UserError if a model cannot compare images with texts."""
    if not model.has_text or "projected" not in model.features:
        problem = f"{task} needs a model that embeds images and texts in one space"
        raise UserError(problem, where=model.name, fix="choose a CLIP-style model")


def with_main(metrics: Sequence[Metric], dataset: DatasetFacts, default: str) -> tuple[Metric, ...]:
    """Mark the data set's declared main metric, or else the task's own; a UserError where it was not computed."""
    names = [metric.name for metric in metrics]
    chosen = dataset.main_metric or default
    if chosen not in names:
        fix = f"declare one of: {', '.join(names)}; or none"
        raise UserError(f"main_metric: {chosen!r} is not computed here", where=dataset.name, fix=fix)
    return tuple(replace(metric, main=metric.name == chosen) for metric in metrics)
