"""What tasks with a text classifier share: the choice of prompts, and that they fit the classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field

from clipbench.errors import UserError
from clipbench.tasks.base import DatasetFacts, TaskSettings
from clipbench.tasks.prompts import DISTINCT, PromptChoice, PromptChoices, PromptedClasses


class PromptSettings(TaskSettings):
    """Settings of a task that compares images with the prompts of classes."""

    prompts: Annotated[PromptChoices, DISTINCT] = Field(
        default=(),
        description="Prompt sets by name, or templates with {} for the class name; each makes one row of results. "
        "Left out: what the data set declares, else its own templates.",
    )

    def variants(self) -> Sequence[Self]:
        """Return one settings object for each prompt choice, or this one if none is named."""
        return tuple(self.model_copy(update={"prompts": (choice,)}) for choice in self.prompts) or (self,)

    def prompt_choices(self) -> Sequence[PromptChoice | None]:
        """Return the prompt choices; None, the data set's own, where none is named."""
        return self.prompts or (None,)


def class_prompts(prompts: PromptedClasses | None, dataset: DatasetFacts, task: str) -> PromptedClasses:
    """Return the prompts; a UserError where there are none, or where they are for other classes."""
    if prompts is None:
        raise UserError(f"{task} needs prompts", where=dataset.name, fix="name a prompt set or a template")
    if len(prompts.strings) != len(dataset.classes) or not all(prompts.strings):
        raise UserError(
            f"prompts {prompts.name!r} are for {len(prompts.strings)} classes, the data set has {len(dataset.classes)}",
            where=dataset.name,
            fix="every class needs at least one prompt",
        )
    return prompts


def distinct_strings(prompts: PromptedClasses) -> tuple[str, ...]:
    """Return every prompt once, in order."""
    return tuple(dict.fromkeys(string for per_class in prompts.strings for string in per_class))
