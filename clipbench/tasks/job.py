"""Jobs as they are asked for: what one entry of a suite wants of each model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from clipbench.fingerprint import digest

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
    names: Literal["", "own", "shift"] = ""
    """Whose class names the reference's prompts are filled with: its own or the shift's; '' for the shift's, where
    nothing else is measured."""


@dataclass(frozen=True)
class Job:
    """One model, one data set, one task setting: what is asked, by name, before anything is opened."""

    dataset: str
    settings: TaskSettings
    view: View | None = None
    """A change that the images are seen through."""
    matching: Matching | None = None
    """Which other set's classes it is cut down to; None: it has all its classes."""
    trained_on: str = ""
    """The data set that splits beside the evaluated one are taken from; '' for the evaluated set itself."""
    untouched: str = ""
    """A split of that data set which nothing is learnt from: what this job is compared with is tested on it."""
    study: str = ""
    """The study that it is a part of and was asked for alone; '' for a job that also stands by itself."""
    model: str = ""
    """'' in what a suite's entry asks of every model."""

    @property
    def label(self) -> str:
        """For people: 'clip-tiny · digits · zero_shot · photo'."""
        return " · ".join(part for part in (self.measured, self.view_name) if part)

    @property
    def measured(self) -> str:
        """The label without the view."""
        beside = f"{self.dataset} beside {self.other}" if self.other else self.dataset
        parts = (self.model, beside, self.settings.task, self.settings.variant)
        return " · ".join(part for part in parts if part)

    @property
    def other(self) -> str:
        """The data set on the other side of the matching; '' where there is none."""
        if self.matching is None:
            return ""
        return self.matching.shift if self.dataset == self.matching.reference else self.matching.reference

    @property
    def view_name(self) -> str:
        """The view's name; '' for none."""
        return self.view.name if self.view else ""

    @property
    def view_fingerprint(self) -> str:
        """Digest of all that the view changes; '' for none."""
        return self.view.fingerprint() if self.view else ""

    @property
    def failure_hash(self) -> str:
        """The name of its file if it fails: what it rests on may not be known then, what is asked always is."""
        asked = [self.model, self.dataset, self.settings.model_dump(mode="json"), self.settings.limit]
        return digest(["failed", *asked, self.view_fingerprint, self.other or self.trained_on])[:32]
