"""How a suite says which prompts a task uses, and lists that may be written as a single value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag


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
