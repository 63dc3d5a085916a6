"""Robustness to natural shifts: a reference set beside shifted sets of the same classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from clipbench.datasets.classes.matching import load_class_table
from clipbench.errors import UserError
from clipbench.tasks.base import SuiteEntry
from clipbench.tasks.classify.zero_shot import ZeroShotSettings
from clipbench.tasks.job import Job, Matching
from clipbench.tasks.probe.wise_ft import WiseFtSettings
from clipbench.tasks.prompts import Names, PromptChoices, listed_if

PUBLISHED = "published"
IMAGENET = "imagenet"
"""The reference beside which the CLIP paper's own pair is shown."""

OUT_OF_DISTRIBUTION = ("imagenet-o",)
"""Sets whose images are of none of the classes that they are labelled with."""

Classes = Annotated[tuple[str, ...], BeforeValidator(listed_if(str), json_schema_input_type=str | tuple[str, ...])]


class RobustnessSettings(SuiteEntry):
    """Settings of the study."""

    task: Literal["robustness"] = Field(
        description="Set accuracy on a reference set beside that on shifted sets of the same classes."
    )
    reference: str = Field(description="The data set that stands for the benchmark.")
    shifts: Names = Field(description="Data sets of the same classes from elsewhere.", min_length=1)
    split: str = Field(default="test", description="The split to evaluate, of the reference and of every shift.")
    shift_split: str = Field(default="", description="The split of every shift, where it is called otherwise.")
    prompts: PromptChoices = Field(
        default=(),
        description="Prompt sets by name, or templates with {} for the class name; each makes one comparison. Left "
        "out: what the reference declares, else its own templates. Both sides get the same.",
    )
    classes: Mapping[str, str | Mapping[str, Classes]] = Field(
        default={},
        description="Where class names differ: for a shift the name of a packaged table, or for each of its classes "
        "the reference's class (or classes). Classes that are not named match by name.",
    )
    baselines: Names = Field(
        default=(PUBLISHED,),
        description="Whose accuracies make the line of what is expected: published models, or the names of at least "
        "ten models of this run; an empty list for none.",
    )
    relative_to: str = Field(default="", description="A model of this run, against which relative robustness is given.")
    fitted_head: bool = Field(
        default=False,
        description="Also fit a linear head on the reference's train split, as WiSE-FT does, and set it beside the "
        "zero-shot classifier on the reference and under every shift.",
    )
    names: Literal["own", "shift"] = Field(
        default="own",
        description="Whose class names the reference gets where `classes` says that a shift calls the same classes "
        "otherwise: its own, as published figures have them, or the shift's on both sides.",
    )
    continuity: float | None = Field(
        default=None,
        gt=0,
        le=0.5,
        description="0.5 keeps baseline models at 0 or 100 % in the line, corrected by half an image. Left out: they "
        "are left out of it, as in the published protocol, and named.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.reference in self.shifts:
            raise ValueError(f"{self.reference!r} is both the reference and a shift")
        twice = sorted({name for name in self.shifts if self.shifts.count(name) > 1})
        if twice:
            raise ValueError(f"named twice: {', '.join(twice)}")
        for name in sorted({*OUT_OF_DISTRIBUTION} & {self.reference, *self.shifts}):
            raise ValueError(
                f"{name!r} shows none of the reference's classes: it is for telling unknown things from known ones "
                "(AUROC), and no accuracy gap can be made of it; take it out"
            )
        for name in self.classes:
            if name not in self.shifts:
                raise ValueError(f"`classes` names {name!r}, which is none of the shifts")
            self._table(name)
        return self

    def named(self) -> Sequence[tuple[tuple[str | int, ...], str]]:
        """Return each data set's name with the keys that lead to it."""
        return [(("reference",), self.reference), *((("shifts", at), name) for at, name in enumerate(self.shifts))]

    def only(self, wanted: Sequence[str]) -> Self | None:
        """Return the study with just these shifts, and its reference, which may also be wanted alone."""
        kept = tuple(name for name in self.shifts if name in wanted)
        if not kept and self.reference not in wanted:
            return None
        classes = {name: table for name, table in self.classes.items() if name in kept}
        return self.model_copy(update={"shifts": kept, "classes": classes})

    def jobs(self) -> Sequence[Job]:
        """Return zero-shot classification of the reference, and for each shift of both among their common classes."""
        choices: Sequence[PromptChoices] = [(choice,) for choice in self.prompts] or [()]
        return [job for prompts in choices for job in self._jobs(prompts)]

    def _jobs(self, prompts: PromptChoices) -> Iterator[Job]:
        splits = {self.reference: self.split, **dict.fromkeys(self.shifts, self.shift_split or self.split)}
        asked: dict[str, Any] = {"limit": self.limit, "prompts": prompts}
        zero_shot = {
            name: ZeroShotSettings(task="zero_shot", datasets=(name,), split=split, **asked)
            for name, split in splits.items()
        }
        yield Job(self.reference, zero_shot[self.reference])
        for shift in self.shifts:
            matching = Matching(self.reference, shift, self._table(shift), self.names)
            yield from (Job(name, zero_shot[name], matching=matching) for name in (self.reference, shift))
            if self.fitted_head:
                # A head has one list of class names, on whatever it is tested.
                shared = replace(matching, names="")
                both = [Job(name, zero_shot[name], matching=shared) for name in (self.reference, shift)]
                near, far = (
                    WiseFtSettings(task="wise_ft", datasets=(job.dataset,), split=splits[job.dataset], **asked)
                    for job in both
                )
                yield replace(both[0], settings=near)
                yield replace(both[1], settings=far, trained_on=self.reference, untouched=self.split)

    def _table(self, shift: str) -> Mapping[str, tuple[str, ...]]:
        table = self.classes.get(shift, {})
        if not isinstance(table, str):
            return table
        try:
            return load_class_table(table)
        except UserError as error:
            raise ValueError(f"{error.problem}; {error.fix}") from error

    def analyses(self) -> Sequence[Mapping[str, Any]]:
        """Return the settings of the analysis of gaps and effective robustness."""
        # What is left as it was when there was no such setting keeps the analyses made then.
        other = {"shift_split"} if self.shift_split else set()
        kept = {"reference", "shifts", "split", "baselines", "relative_to", "continuity", *other}
        kept |= {"names"} if self.names == "shift" else set()
        asked: list[Mapping[str, Any]] = [{"analysis": "robustness", **self.model_dump(mode="json", include=kept)}]
        if self.reference == IMAGENET:
            asked.append({"analysis": "published_pair"})
        if self.fitted_head:
            pair = self.model_dump(mode="json", include={"reference", "shifts", "split", *other})
            asked.append({"analysis": "robustness_pair", **pair})
        return asked


class Robustness:
    """What is lost from a benchmark to the same classes elsewhere (Radford et al. 2021, section 3.3)."""

    name: ClassVar[str] = "robustness"
    protocol: ClassVar[int] = 1
    Settings: ClassVar[type[RobustnessSettings]] = RobustnessSettings
