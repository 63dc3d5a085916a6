"""Which prompts a task uses: how a suite says so, and the strings that stand for classes."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

PLACEHOLDER = re.compile(r"\{c?\}")
"""`{}` or `{c}`: the place of the class name."""


class Translation(BaseModel):
    """Templates in one language, and the classes' names in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    templates: tuple[str, ...] = Field(
        description="Templates in this language; {} stands for the class's name in it.", min_length=1
    )
    names: Mapping[str, str] = Field(
        description="The name of every class as the templates need it, with its article and case.", min_length=1
    )


class InlinePrompts(BaseModel):
    """A prompt set written out in a suite instead of in a file of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="What the prompt set is called in the results.", min_length=1)
    templates: tuple[str, ...] = Field(default=(), description="Templates; {} stands for the class name.")
    descriptions: Mapping[str, tuple[str, ...]] = Field(
        default={}, description="Whole prompts for single classes, by class name, used instead of the templates."
    )
    families: Mapping[str, tuple[str, ...]] = Field(
        default={}, description="Wording families: templates that differ in one respect, by name, the plain one first."
    )
    controls: tuple[str, ...] = Field(
        default=(), description="Families that are there to be worse: measured, never averaged with the others."
    )
    synonyms: Mapping[str, tuple[str, ...]] = Field(
        default={}, description="Further names of single classes, by class name; every template is filled with each."
    )
    translations: Mapping[str, Translation] = Field(
        default={}, description="Templates and class names in other languages, by language."
    )


PromptChoice = str | InlinePrompts
"""The name of a prompt set, an inline template that contains `{}`, or a whole inline set."""


def name_of(choice: PromptChoice) -> str:
    """Return what a prompt choice is called in the results; for an inline template the template itself."""
    return choice if isinstance(choice, str) else choice.name


def listed_if(*kinds: type) -> Callable[[Any], Any]:
    """Return a validator that makes a list of one of a value of these kinds, and leaves others to be judged."""
    return lambda value: (value,) if isinstance(value, kinds) else value


def _refuse_repeats(values: tuple[Any, ...]) -> tuple[Any, ...]:
    names = [str(getattr(value, "name", value)) for value in values]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"named twice: {', '.join(twice)}")
    return values


DISTINCT = AfterValidator(_refuse_repeats)
"""Of a list: none of it, and no prompt set of a name, stands in it twice."""

_listed = listed_if(str, Mapping, InlinePrompts)


def _kind(value: Any) -> str:
    return "InlinePrompts" if isinstance(value, Mapping | InlinePrompts) else "str"


# One member of the union is tried, so that an error is about what the user meant.
_Choice = Annotated[
    Annotated[str, Tag("str")] | Annotated[InlinePrompts, Tag("InlinePrompts")],
    Discriminator(_kind),
]

Names = Annotated[tuple[str, ...], BeforeValidator(_listed, json_schema_input_type=str | tuple[str, ...])]
"""A list of names, or one name alone."""

PromptChoices = Annotated[
    tuple[_Choice, ...],
    BeforeValidator(_listed, json_schema_input_type=_Choice | tuple[_Choice, ...]),
]
"""A list of prompt choices, or one alone."""


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

    def listing(self) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        """Return columns and rows that say every string, as short as possible, for a reader of the results.

        Where all strings are templates filled with a class's one name: each template, and its first prompt. Else each
        class with each of its prompts.
        """
        # A translated template is called by its language, which is no part of its string.
        if not self.names and self.strings[0] == tuple(fill(text, self.classes[0]) for text in self.templates):
            return ("template", "first_prompt"), tuple(zip(self.templates, self.strings[0], strict=True))
        classes = zip(self.classes, self.strings, strict=True)
        return ("class", "prompt"), tuple((name, text) for name, strings in classes for text in strings)


def fill(template: str, class_name: str) -> str:
    """Put a class name in the place of `{}` or `{c}`; the name itself is never read as a template."""
    return class_name.join(PLACEHOLDER.split(template))
