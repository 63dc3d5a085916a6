"""The section 'Wording': how far each model's accuracy depends on how the classes are put into words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from clipbench.report.sections.base import PageData
from clipbench.report.text import labels
from clipbench.report.text.claims import Claim, at_chance, rests_on
from clipbench.results.records import JobResult, Record
from clipbench.tasks.prompt_sensitivity.prompt_sensitivity import PromptSensitivity


@dataclass(frozen=True)
class Wording:
    """One model's job of prompt sensitivity."""

    job: JobResult
    records: Mapping[str, Record]
    """Those with a value, by metric."""

    @cached_property
    def claim(self) -> Claim:
        """That accuracy depends on the wording: the spread over templates, freed of the noise of the images."""
        chance = at_chance(self.records["mean"]) and at_chance(self.records["best"])
        return Claim(self.records["template_spread"], chance)

    @property
    def basis(self) -> str:
        """What it rests on."""
        return rests_on(self.records["mean"], self.job.pedigree.subset)

    @property
    def templates(self) -> str:
        """E.g. '25 templates'."""
        return labels.counted(int(self.records["mean"].params["templates"]), "template")


@dataclass(frozen=True)
class WordingGroup:
    """The models on one data set, worded alike."""

    dataset: str
    condition: str
    """Prompts, split and subset."""
    wordings: tuple[Wording, ...]


class WordingSection:
    """Each model's range over templates; the tables of all templates are in the jobs' details."""

    name: ClassVar[str] = "wording"
    title: ClassVar[str] = "Wording"
    order: ClassVar[int] = 25
    analyses: ClassVar[tuple[str, ...]] = ()
    template: ClassVar[str] = "prompts.html.j2"

    def show(self, data: PageData, figures: int) -> tuple[WordingGroup, ...] | None:
        """Set out the jobs by data set and prompts."""
        found: dict[tuple[str, str], list[Wording]] = {}
        for wording in find_wordings(data):
            job = wording.job
            parts = (job.prompts, job.split, *job.condition.words, job.pedigree.subset)
            found.setdefault((job.dataset, ", ".join(filter(None, parts))), []).append(wording)
        ordered = sorted(found.items(), key=lambda item: (labels.natural(item[0][0]), item[0][1]))
        return tuple(WordingGroup(*key, tuple(members)) for key, members in ordered) or None


def find_wordings(data: PageData) -> list[Wording]:
    """Return the jobs of prompt sensitivity that say how far accuracy spreads, models in the leaderboard's order."""
    found = []
    for job in data.jobs:
        known = {record.metric: record for record in job.records if record.value is not None}
        if (
            job.task == PromptSensitivity.name
            and job.plain
            and {"mean", "best", "worst", "template_spread"} <= known.keys()
        ):
            found.append(Wording(job, known))
    return sorted(found, key=lambda wording: data.rank.get(wording.job.model, len(data.rank)))
