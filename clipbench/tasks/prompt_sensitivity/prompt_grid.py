"""Which prompts are compared: templates that are averaged, extra ones beside them, and lists of names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from clipbench.errors import UserError
from clipbench.tasks.prompts import PLACEHOLDER, PromptedClasses, fill

BARE = "{}"
PHOTO = "a photo of a {}."
"""The paper's two single prompts."""

MOST_LISTS = 16
"""Lists of names that are compared; names beyond have a part where all names of a class do."""


@dataclass(frozen=True)
class ExtraTemplate:
    """A template that is measured beside the others and has no part in what is said of them all."""

    template: str
    role: str
    """'control': there to be worse; 'baseline': one of the paper's single prompts, which the set lacks."""
    prompts: PromptedClasses
    """One string a class."""


@dataclass(frozen=True)
class PromptGrid:
    """C classes, T templates that are averaged, extra ones beside them, and W lists of names."""

    given: PromptedClasses
    """The set as it is: a class's strings are of all its names."""

    @classmethod
    def of(cls, prompts: PromptedClasses, where: str) -> PromptGrid:
        """Return the grid; a UserError unless there are several prompts, equally many for each class and name."""
        grid = cls(prompts)
        counts = [len(strings) for strings in grid.prompts.strings]
        fewest, most = min(counts), max(counts)
        if fewest != most:
            raise UserError(
                f"prompts {prompts.name!r} have {fewest} for {prompts.classes[counts.index(fewest)]!r} and {most} "
                f"for {prompts.classes[counts.index(most)]!r}: prompt_sensitivity compares template by template",
                where=where,
                fix="describe every class equally often, use prompts with templates and no descriptions, or zero_shot",
            )
        if most < 2:
            raise UserError(
                f"prompts {prompts.name!r} have one template: prompt_sensitivity compares several",
                where=where,
                fix="name a set of several, e.g. wording or imagenet-80, or write one: "
                "{name: mine, templates: [..., ...]}",
            )
        return grid

    @cached_property
    def prompts(self) -> PromptedClasses:
        """The T prompts of each class under its own name."""
        return self.named(0)

    @cached_property
    def templates(self) -> tuple[str, ...]:
        """(T,) the templates, or the first class's prompts where classes have prompts of their own."""
        return self.given.templates or self.given.strings[0]

    @cached_property
    def extra(self) -> tuple[ExtraTemplate, ...]:
        """The controls, then the baselines that are not among all these templates."""
        known = {PLACEHOLDER.sub("{}", template) for template in (*self.given.templates, *self.given.controls)}
        roles = [(template, "control") for template in self.given.controls]
        roles += [(template, "baseline") for template in (BARE, PHOTO) if template not in known]
        return tuple(ExtraTemplate(template, role, self._filled(template)) for template, role in roles)

    def _filled(self, template: str) -> PromptedClasses:
        return replace(self.given, strings=tuple((fill(template, name),) for name in self.given.classes))

    @cached_property
    def every(self) -> tuple[str, ...]:
        """All templates by position: those that are averaged, the controls, the baselines."""
        return (*self.templates, *(extra.template for extra in self.extra))

    def position(self, template: str) -> int:
        """Return where one of the paper's single prompts stands among all templates."""
        return [PLACEHOLDER.sub("{}", known) for known in self.every].index(template)

    @property
    def most_names(self) -> int:
        """How many names the class has that has the most."""
        return max(map(len, self.given.names), default=1)

    @property
    def lists(self) -> int:
        """W: the canonical names, and as many more as a class has further names, up to a limit; 1 where none has."""
        return min(self.most_names, MOST_LISTS)

    def named(self, place: int) -> PromptedClasses:
        """Return the T prompts of each class under one list of names.

        List 0 is the canonical one. List k has each class's k-th further name, and the canonical one of classes
        that have fewer.
        """
        if not self.given.names:
            return self.given
        size = len(self.given.templates)
        starts = (size * (place if place < len(names) else 0) for names in self.given.names)
        pairs = zip(self.given.strings, starts, strict=True)
        return replace(self.given, strings=tuple(strings[start : start + size] for strings, start in pairs))

    def strings_by_name(self) -> Iterator[tuple[str, ...]]:
        """Yield the T prompts of every name, class by class; of nothing where no class has a second name."""
        size = len(self.given.templates)
        for names, strings in zip(self.given.names, self.given.strings, strict=False):
            yield from (strings[size * place : size * (place + 1)] for place in range(len(names)))

    def strings(self) -> Iterator[str]:
        """Yield every prompt; some more than once."""
        for prompts in (self.given, *(extra.prompts for extra in self.extra)):
            for strings in prompts.strings:
                yield from strings
