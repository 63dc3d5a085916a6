"""The strings that stand for classes, and how a class name comes into a template."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

PLACEHOLDER = re.compile(r"\{c?\}")
"""`{}` or `{c}`: the place of the class name."""


@dataclass(frozen=True)
class PromptedClasses:
    """The strings that stand for each class: the outcome of filling a prompt set with class names."""

    name: str
    """Of the prompt set; for inline prompts the template itself."""
    source: str
    classes: tuple[str, ...]
    strings: tuple[tuple[str, ...], ...]
    """For each class its prompts, at least one; all are averaged. Where there are templates: of each of its names, in
    the order of `names`, every template filled in."""
    templates: tuple[str, ...] = ()
    """T, with {} or {c} for the class name, in order; () where some class has descriptions instead."""
    families: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Wording family -> positions of its templates in (*templates, *controls), the plain one first."""
    controls: tuple[str, ...] = ()
    """Templates that are there to be worse: measured beside the others, never averaged with them."""
    names: tuple[tuple[str, ...], ...] = ()
    """For each class its names, that of `classes` first; () where no class has a second one."""

    @property
    def structure(self) -> tuple[Hashable, ...]:
        """What the strings are made of: which belong to one template or name, what is compared, and labels."""
        return self.templates, tuple(sorted(self.families.items())), self.controls, self.names


def fill(template: str, class_name: str) -> str:
    """Put a class name in the place of `{}` or `{c}`; the name itself is never read as a template."""
    return class_name.join(PLACEHOLDER.split(template))
