"""Robustness to corruptions: the same images under noise, blur, weather and digital artefacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator

from clipbench.datasets.corruptions.constants import EXTRA, KINDS, SEVERITIES, STANDARD
from clipbench.datasets.corruptions.corruption import Corruption, available
from clipbench.errors import did_you_mean
from clipbench.tasks.base import DatasetsEntry
from clipbench.tasks.classify.zero_shot import ZeroShotSettings
from clipbench.tasks.job import Job
from clipbench.tasks.prompts import Names, PromptChoices, listed_if

GROUPS = {"standard": STANDARD, "extra": EXTRA, "all": (*STANDARD, *EXTRA)}

Severity = Annotated[int, Field(ge=1, le=5)]
Severities = Annotated[
    tuple[Severity, ...], BeforeValidator(listed_if(int), json_schema_input_type=Severity | tuple[Severity, ...])
]


class CorruptionsSettings(DatasetsEntry):
    """Settings of the study."""

    task: Literal["corruptions"] = Field(description="Classify the same images clean and under corruptions.")
    split: str = Field(default="test", description="The split to evaluate.")
    prompts: PromptChoices = Field(
        default=(),
        description="Prompt sets by name, or templates with {} for the class name. Left out: what the data set "
        "declares, else its own templates.",
    )
    corruptions: Names = Field(
        default=("standard",),
        description="standard (the 15 of ImageNet-C), extra (4 more), all, or single ones by name.",
        min_length=1,
    )
    severities: Severities = Field(default=SEVERITIES, description="Of 1 to 5; all five by default.", min_length=1)
    protocol: Literal["imagenet-c", "cifar-c", "adapted"] = Field(
        default="imagenet-c",
        description="imagenet-c: on the 224 pixel centre crop; cifar-c: on images of 32 x 32 pixels, with severities "
        "of their own; adapted: ImageNet-C's on images of any size, comparable with nothing published.",
    )
    jpeg: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None,
        description="Save corrupted images as JPEG of this quality; the released ImageNet-C has 85.",
    )
    relative_to: str = Field(
        default="",
        description="The model whose errors divide the others' (mCE): one of this run, or alexnet for the published "
        "errors of AlexNet on ImageNet-C. Left out: alexnet on ImageNet, else none.",
    )

    @field_validator("corruptions")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in KINDS and name not in GROUPS:
                raise ValueError(f"unknown corruption {name!r}; {did_you_mean(name, (*GROUPS, *KINDS))}")
        return names

    @property
    def chosen(self) -> tuple[str, ...]:
        """The corruptions, groups spelt out; a group leaves out what cannot be made here, a single name does not."""
        here = set(available())
        names = [
            member
            for name in self.corruptions
            for member in GROUPS.get(name, (name,))
            if name not in GROUPS or member in here
        ]
        return tuple(dict.fromkeys(names))

    def jobs(self) -> Sequence[Job]:
        """Return zero-shot classification of the clean images, then of each corruption at each severity."""
        views = [
            Corruption(name, severity, protocol=self.protocol, jpeg=self.jpeg)
            for name in self.chosen
            for severity in self.severities
        ]
        choices: Sequence[PromptChoices] = [(choice,) for choice in self.prompts] or [()]
        asked: dict[str, Any] = {"task": "zero_shot", "split": self.split, "limit": self.limit}
        return [
            Job(name, ZeroShotSettings(**asked, datasets=(name,), prompts=prompts), view=view, study=self.task)
            for name in self.datasets
            for prompts in choices
            for view in (None, *views)
        ]

    def analyses(self) -> Sequence[Mapping[str, Any]]:
        """Return the settings of the analysis of corruption errors, one for each data set."""
        kept = {"split", "severities", "protocol", "jpeg", "relative_to"}
        settings = self.model_dump(mode="json", include=kept)
        wanted = [member for name in self.corruptions for member in GROUPS.get(name, ())]
        asked = {
            "corruptions": list(self.chosen),
            "standard": [name for name in self.chosen if name in STANDARD],
            "absent": [name for name in dict.fromkeys(wanted) if name not in self.chosen],
        }
        return [{"analysis": "corruption_error", "dataset": name, **settings, **asked} for name in self.datasets]


class Corruptions:
    """Accuracy under the corruptions of ImageNet-C (Hendrycks & Dietterich 2019, https://arxiv.org/abs/1903.12261)."""

    name: ClassVar[str] = "corruptions"
    protocol: ClassVar[int] = 1
    Settings: ClassVar[type[CorruptionsSettings]] = CorruptionsSettings
