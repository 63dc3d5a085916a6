"""What one entry of a suite asks of each model: a task on a data set, as it is or changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipbench.datasets.base import View
    from clipbench.tasks.base import TaskSettings


@dataclass(frozen=True)
class Matching:
    """That a set is cut down to the classes which another set has too, for a comparison of the two."""

    reference: str
    """The data set on one side: it may have more classes."""
    shift: str
    """The data set on the other side, which names the classes."""
    table: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """A class of the shift -> the classes of the reference that it stands for; classes not in it match by name."""


@dataclass(frozen=True)
class Work:
    """What one job of each model does: a task on a data set, as it is, through a view, or on some of its classes."""

    dataset: str
    settings: TaskSettings
    view: View | None = None
    matching: Matching | None = None
    trained_on: str = ""
    """The data set that splits beside the evaluated one are taken from; '' for the evaluated set itself."""
