"""What tasks require of data sets and models before anything is embedded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipbench.errors import UserError
from clipbench.tasks.base import DatasetFacts

if TYPE_CHECKING:
    from clipbench.models.base import ModelInfo


def require_split(dataset: DatasetFacts, split: str) -> None:
    """Stop if a data set lacks a split.

    Raises:
        UserError: naming the splits that it has.
    """
    if split not in dataset.splits:
        have = ", ".join(sorted(dataset.splits)) or "none"
        raise UserError(f"there is no split {split!r}", where=dataset.name, fix=f"it has: {have}")


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
