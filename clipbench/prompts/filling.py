"""Filling prompts with the classes of a data set: templates with their names, or their descriptions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from clipbench.datasets.base import Dataset
from clipbench.documents.marked_yaml import KeyPath
from clipbench.errors import UserError, did_you_mean, quoted
from clipbench.prompts.checks import LANGUAGE, classes_named, template_problem
from clipbench.prompts.families import control_templates, family_positions, with_families
from clipbench.prompts.names import Names, names_from, names_with
from clipbench.prompts.sets import DATASET, OWN, PromptSet, load_prompt_set, prompt_set, prompt_set_names
from clipbench.prompts.translations import check_translated, labels_of, strings_of
from clipbench.tasks.prompt_choice import InlinePrompts, PromptChoice
from clipbench.tasks.prompted import PromptedClasses, fill


def prompts_for(
    choice: PromptChoice | None, *, dataset: Dataset, classes: tuple[str, ...] | None = None
) -> PromptedClasses:
    """Fill a prompt choice with a data set's class names, or with others.

    A class that the set describes gets its descriptions, every other class the templates.

    Args:
        choice: a prompt set's name or file, an inline template or set; None: what the data set declares, or
            else its own templates. Nothing else is ever filled in silently.
        dataset: an open data set, whose own or declared prompts are used where none are chosen.
        classes: the names to fill in; by default the data set's.

    Raises:
        UserError: the data set has no classes, no prompts are declared, or the prompts do not fit the classes.
    """
    if not dataset.classes:
        raise UserError("has no classes to name in prompts", where=dataset.info.name, fix="is it a set of captions?")
    chosen = choice if choice is not None else dataset.info.prompts or (OWN if dataset.templates else None)
    if chosen is None:
        raise _no_prompts(dataset)
    prompts = prompt_set(chosen)
    given = _own_templates(dataset) if prompts.templates_from == DATASET else prompts.templates
    templates = with_families(given, prompts.families, prompts.controls)
    filled = dataset.classes if classes is None else classes
    where = partial(prompts.where, dataset=dataset.info.name)
    _check_classes(prompts, dataset, filled, where)
    return _fill_classes(prompts, templates, _names(prompts, filled, where), where)


def _own_templates(dataset: Dataset) -> tuple[str, ...]:
    """Return the data set's own templates; repeated ones stay, since published figures rest on them."""
    if not dataset.templates:
        raise _no_prompts(dataset)
    for template in dataset.templates:
        if problem := template_problem(template, ()):
            raise UserError(problem.problem, where=f"{dataset.info.name}, its own templates", fix=problem.fix)
    return dataset.templates


def _no_prompts(dataset: Dataset) -> UserError:
    fitting = [name for name in prompt_set_names() if load_prompt_set(name).fits(dataset.classes)]
    problem = "has no prompt templates of its own, and no prompt set is named for it"
    fix = f"give the task prompts: {', '.join(fitting)}, or a template of your own such as 'a photo of a {{}}.'"
    return UserError(problem, where=dataset.info.name, fix=fix)


def _check_classes(
    prompts: PromptSet, dataset: Dataset, filled: tuple[str, ...], where: Callable[[KeyPath], str]
) -> None:
    """Check that what a set says of single classes is said of classes that there are."""
    if any(classes_named(prompts)) and prompts.classes and set(filled).isdisjoint(prompts.classes):
        problem = "says something of single classes, and of none that the data set has"
        raise UserError(problem, where=where(()), fix=f"the set is made for {quoted(prompts.classes)}")
    known = {*dataset.classes, *filled, *prompts.classes}
    if prompts.descriptions_from:
        missing = [name for name in filled if name not in prompts.descriptions]
        others = [name for name in prompts.descriptions if name not in known]
        if missing and others:
            problem = f"{prompts.descriptions_from} does not describe {quoted(missing)}, but {quoted(others)}"
            fix = "describe all classes; others may then stand there too"
            raise UserError(problem, where=where(()), fix=fix)
        known |= set(others)
    for place, name in classes_named(prompts):
        if name not in known:
            problem = f"{name!r} is no class of {dataset.info.name}"
            raise UserError(problem, where=where(place), fix=did_you_mean(name, filled))


def _names(prompts: PromptSet, classes: tuple[str, ...], where: Callable[[KeyPath], str]) -> Names:
    if prompts.synonyms_from:
        return names_from(prompts.synonyms_from, classes, where=where(()))
    return names_with(prompts.synonyms, classes, where=where)


def _fill_classes(
    prompts: PromptSet, templates: Sequence[str], names: Names, where: Callable[[KeyPath], str]
) -> PromptedClasses:
    classes = tuple(own for own, *_ in names)
    plain = [name for name in classes if name not in prompts.descriptions]
    if plain and not templates:
        fix = "describe them, or give templates for the classes without a description"
        raise UserError(f"has neither a description of {quoted(plain)} nor templates", where=where(()), fix=fix)
    check_translated(prompts.translations, plain, where=where)
    strings = tuple(_strings(prompts, templates, of_class) for of_class in names)
    filled = PromptedClasses(name=prompts.name, source=prompts.source, classes=classes, strings=strings)
    return filled if len(plain) < len(classes) else _with_structure(filled, prompts, templates, names)


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
