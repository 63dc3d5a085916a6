"""A head of every model beside a head of one of them, set by set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from clipbench.tasks.base import DatasetsEntry
from clipbench.tasks.job import Job
from clipbench.tasks.prompts import PromptChoices
from clipbench.tasks.registry import Head, load_task

PROMPTED = ("zero_shot", "wise_ft")


class HeadsSettings(DatasetsEntry):
    """Settings of the study."""

    task: Literal["heads"] = Field(description="Set a head of every model beside a head of one model, set by set.")
    against: str = Field(description="The model of this run with which every model is compared, by its name.")
    head: Head = Field(default="zero_shot", description="The head of every model.")
    against_head: Head = Field(default="linear_probe", description="The head of the model in `against`.")
    prompts: PromptChoices = Field(
        default=(),
        description="Prompt sets by name, or templates with {} for the class name; each makes one comparison. Left "
        "out: what the data set declares, else its own templates.",
    )

    def jobs(self) -> Sequence[Job]:
        """Return both heads' jobs on each data set."""
        asked: dict[str, Any] = {"split": self.split, "limit": self.limit}
        found: list[Job] = []
        for task in dict.fromkeys((self.head, self.against_head)):
            prompts = {"prompts": self.prompts} if task in PROMPTED else {}
            found += load_task(task).Settings(task=task, datasets=self.datasets, **asked, **prompts).jobs()
        return sorted(found, key=lambda job: self.datasets.index(job.dataset))

    def analyses(self) -> Sequence[Mapping[str, Any]]:
        """Return the settings of the comparison."""
        kept = {"against", "head", "against_head", "datasets", "split"}
        return [{"analysis": "probe_vs_zero_shot", **self.model_dump(mode="json", include=kept)}]


class Heads:
    """On how many data sets does one head win? (Radford et al. 2021, figure 5: 16 of 27 for zero-shot CLIP)."""

    name: ClassVar[str] = "heads"
    protocol: ClassVar[int] = 1
    Settings: ClassVar[type[HeadsSettings]] = HeadsSettings
