"""Filling a prompt set with classes: its templates with their names, or their descriptions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from clipbench.errors import UserError, did_you_mean, quoted
from clipbench.marked_yaml import render
from clipbench.prompts.checks import LANGUAGE, classes_named
from clipbench.prompts.families import control_templates, family_positions
from clipbench.prompts.names import Names
from clipbench.prompts.translations import check_translated, labels_of, strings_of
from clipbench.tasks.prompt_choice import InlinePrompts
from clipbench.tasks.prompted import PromptedClasses, fill


def fill_classes(
    prompts: InlinePrompts, templates: Sequence[str], names: Names, *, source: str, where: str
) -> PromptedClasses:
    """Fill a prompt set with classes: those it describes with their descriptions, the others with the templates.

    Args:
        prompts: the set; its families' templates are among `templates` or are controls.
        templates: in the set's own language, controls left out.
        names: for each class its names, its own first.
        source: where the set comes from.
        where: for messages.

    Raises:
        UserError: there are no templates for a class that is not described, or no name for it in a language.
    """
    classes = tuple(own for own, *_ in names)
    plain = [name for name in classes if name not in prompts.descriptions]
    if plain and not templates:
        fix = "describe them, or give templates for the classes without a description"
        raise UserError(f"has neither a description of {quoted(plain)} nor templates", where=where, fix=fix)
    check_translated(prompts.translations, plain, where=where)
    strings = tuple(_strings(prompts, templates, of_class) for of_class in names)
    filled = PromptedClasses(name=prompts.name, source=source, classes=classes, strings=strings)
    return filled if len(plain) < len(classes) else _with_structure(filled, prompts, templates, names)


def check_named(prompts: InlinePrompts, classes: Sequence[str], known: Collection[str], *, where: str) -> None:
    """Check that what a set says of single classes is said of classes that there are.

    Args:
        prompts: the set.
        classes: those that are filled in, of which the nearest is proposed.
        known: these, and those that may be left out.
        where: for messages.

    Raises:
        UserError: it names another one.
    """
    for place, name in classes_named(prompts):
        if name not in known:
            problem = f"{name!r} under {render(place[:-1])} is no class of the data set"
            raise UserError(problem, where=where, fix=did_you_mean(name, classes))


def _strings(prompts: InlinePrompts, templates: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    own = names[0]
    if own in prompts.descriptions:
        return tuple(fill(text, own) for text in prompts.descriptions[own])
    filled = [fill(template, name) for name in names for template in templates]
    return (*filled, *strings_of(prompts.translations, own))


def _with_structure(
    filled: PromptedClasses, prompts: InlinePrompts, templates: Sequence[str], names: Names
) -> PromptedClasses:
    """Add which template and name each string is made of, as every class has the same templates."""
    counted = (*templates, *labels_of(prompts.translations))
    controls = control_templates(counted, prompts.families)
    families = family_positions((*counted, *controls), prompts.families)
    if prompts.translations:
        families[LANGUAGE] = (0, *range(len(templates), len(counted)))
    several = any(len(of_class) > 1 for of_class in names)
    return replace(filled, templates=counted, controls=controls, families=families, names=names if several else ())
