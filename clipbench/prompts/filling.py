"""Filling prompts with the classes of a data set: templates with their names, or their descriptions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from clipbench.datasets.base import Dataset
from clipbench.datasets.classes.imagenet import imagenet_class_names, imagenet_synset_names
from clipbench.documents.marked_yaml import KeyPath
from clipbench.errors import UserError, did_you_mean, nearest, quoted
from clipbench.prompts.checks import LANGUAGE, ambiguous_synonyms, classes_named, same_template, template_problem
from clipbench.prompts.sets import DATASET, OWN, PromptSet, load_prompt_set, prompt_set, prompt_set_names, with_families
from clipbench.tasks.prompts import InlinePrompts, PromptChoice, PromptedClasses, Translation, fill

Names = tuple[tuple[str, ...], ...]
"""For each class its names, its own first."""


def prompts_for(
    choice: PromptChoice | None, *, dataset: Dataset, classes: tuple[str, ...] | None = None
) -> PromptedClasses:
    """Fill a prompt choice with a data set's class names, or with others.

    A class that the set describes gets its descriptions, every other class the templates.

    Args:
        choice: a prompt set's name or file, an inline template or set; None: what the data set declares, or
            else its own templates. Nothing else is ever filled in silently.
        classes: the names to fill in; by default the data set's.

    Raises:
        UserError: the data set has no classes, no prompts are declared, or the prompts do not fit the classes.
    """
    if not dataset.classes:
        raise UserError("has no classes to name in prompts", where=dataset.info.name, fix="is it a set of captions?")
    if choice is None:
        choice = dataset.info.prompts or (OWN if dataset.templates else None)
    if choice is None:
        raise _no_prompts(dataset)
    prompts = prompt_set(choice)
    templates = _own_templates(dataset) if prompts.templates_from == DATASET else prompts.templates
    templates = with_families(templates, prompts.families, prompts.controls)
    classes = dataset.classes if classes is None else classes
    where = partial(prompts.where, dataset=dataset.info.name)
    _check_classes(prompts, dataset, classes, where)
    return _fill_classes(prompts, templates, _names(prompts, classes, where), where)


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
    prompts: PromptSet, dataset: Dataset, classes: tuple[str, ...], where: Callable[[KeyPath], str]
) -> None:
    """Check that what a set says of single classes is said of classes that there are."""
    if any(classes_named(prompts)) and prompts.classes and set(classes).isdisjoint(prompts.classes):
        problem = "says something of single classes, and of none that the data set has"
        raise UserError(problem, where=where(()), fix=f"the set is made for {quoted(prompts.classes)}")
    allowed = {*dataset.classes, *classes, *prompts.classes}
    if prompts.descriptions_from:
        missing = [name for name in classes if name not in prompts.descriptions]
        strangers = [name for name in prompts.descriptions if name not in allowed]
        if missing and strangers:
            problem = f"{prompts.descriptions_from} does not describe {quoted(missing)}, but {quoted(strangers)}"
            fix = "describe all classes; others may then stand there too"
            raise UserError(problem, where=where(()), fix=fix)
        allowed |= set(strangers)
    for place, name in classes_named(prompts):
        if name not in allowed:
            problem = f"{name!r} is no class of {dataset.info.name}"
            raise UserError(problem, where=where(place), fix=did_you_mean(name, classes))


def _names(prompts: PromptSet, classes: tuple[str, ...], where: Callable[[KeyPath], str]) -> Names:
    if prompts.synonyms_from:
        return _names_of_imagenet(prompts.synonyms_from, classes, where(()))
    for name, index in ambiguous_synonyms(prompts.synonyms, classes):
        problem = f"the synonym {prompts.synonyms[name][index]!r} of {name!r} is the name of another class"
        raise UserError(problem, where=where(("synonyms", name, index)), fix="give one that means this class only")
    return tuple((name, *prompts.synonyms.get(name, ())) for name in classes)


def _names_of_imagenet(source: str, classes: tuple[str, ...], where: str) -> Names:
    """Return the names of each class: of OpenAI's curated names and WordNet's its own and the other one.

    All classes of ImageNet in its order are named by position, a part of them by name. Names that a list has twice say
    not which of two classes is meant, so that in a part they get no second name.
    """
    curated, synsets = imagenet_class_names(), imagenet_synset_names()
    for names, synonyms in ((curated, synsets), (synsets, curated)):
        if tuple(classes) == names:
            return tuple(map(_distinct, names, synonyms))
    known = {*curated, *synsets}
    if unknown := [name for name in classes if name not in known]:
        problem = f"synonyms_from: {source} names the classes of ImageNet, and {unknown[0]!r} is none of them"
        # Where most are, one is misspelt.
        near = nearest(unknown[0], curated) if 2 * len(unknown) < len(classes) else None
        fix = f"did you mean {near!r}?" if near else "give the set synonyms instead"
        raise UserError(problem, where=where, fix=fix)
    synonym = _synonyms(synsets, curated) | _synonyms(curated, synsets)
    return tuple(_distinct(name, synonym.get(name, name)) for name in classes)


def _synonyms(names: Sequence[str], synonyms: Sequence[str]) -> dict[str, str]:
    """Return for each name that a list has once the one that another list has in its place."""
    count = Counter(names)
    return {name: synonym for name, synonym in zip(names, synonyms, strict=True) if count[name] == 1}


def _distinct(name: str, synonym: str) -> tuple[str, ...]:
    return (name,) if name == synonym else (name, synonym)


def _fill_classes(
    prompts: PromptSet, templates: Sequence[str], names: Names, where: Callable[[KeyPath], str]
) -> PromptedClasses:
    classes = tuple(name for name, *_ in names)
    plain = [name for name in classes if name not in prompts.descriptions]
    if plain and not templates:
        fix = "describe them, or give templates for the classes without a description"
        raise UserError(f"has neither a description of {quoted(plain)} nor templates", where=where(()), fix=fix)
    _check_translations(prompts.translations, plain, where)
    strings = tuple(_strings(prompts, templates, class_names) for class_names in names)
    filled = PromptedClasses(name=prompts.name, source=prompts.source, classes=classes, strings=strings)
    return filled if len(plain) < len(classes) else _with_structure(filled, prompts, templates, names)


def _check_translations(
    translations: Mapping[str, Translation], classes: Sequence[str], where: Callable[[KeyPath], str]
) -> None:
    """Check that every language has a name for every class."""
    for language, translation in translations.items():
        missing = [name for name in classes if name not in translation.names]
        if missing:
            problem = f"the {language} translation has no name for {quoted(missing)}"
            raise UserError(problem, where=where(("translations", language, "names")), fix="add it")


def _strings(prompts: InlinePrompts, templates: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Return a class's strings: its descriptions, or the templates with its names, then the translated ones."""
    class_name = names[0]
    if class_name in prompts.descriptions:
        return tuple(fill(text, class_name) for text in prompts.descriptions[class_name])
    strings = [fill(template, name) for name in names for template in templates]
    for translation in prompts.translations.values():
        strings += (fill(template, translation.names[class_name]) for template in translation.templates)
    return tuple(strings)


def _with_structure(
    filled: PromptedClasses, prompts: InlinePrompts, templates: Sequence[str], names: Names
) -> PromptedClasses:
    """Add which template and name each string is made of, as every class has the same templates.

    A translated template is called by its language too: 'German: ein Foto von {}.'.
    """
    translated = (f"{name}: {text}" for name, entry in prompts.translations.items() for text in entry.templates)
    counted = (*templates, *translated)
    everything = with_families(counted, prompts.families)
    forms = list(map(same_template, everything))
    families = {
        name: tuple(forms.index(same_template(template)) for template in family)
        for name, family in prompts.families.items()
    }
    if prompts.translations:
        families[LANGUAGE] = (0, *range(len(templates), len(counted)))
    if all(len(class_names) == 1 for class_names in names):
        names = ()
    return replace(filled, templates=counted, controls=everything[len(counted) :], families=families, names=names)
