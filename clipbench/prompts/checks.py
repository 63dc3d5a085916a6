"""What can be wrong with the keys of a prompt set, wherever they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from unicodedata import category

from clipbench.documents.marked_yaml import KeyPath, half_character
from clipbench.documents.validation import Problem
from clipbench.errors import did_you_mean
from clipbench.tasks.prompts import PLACEHOLDER, InlinePrompts, Translation

LANGUAGE = "language"
"""The wording family that translations make."""


def template_problem(template: str, place: KeyPath) -> Problem | None:
    """Return what is wrong with a template: no place for the class name, or braces that are none."""
    if not template.strip():
        return Problem(place, "the template is empty", "delete it, or write {} for the bare class name")
    if half_character(template):  # typed in a terminal that is not UTF-8, or written by code
        return Problem(place, f"{template!r} holds bytes that are no text", "write it as UTF-8")
    if control := _control_character(template):
        return Problem(place, f"the template holds the control character {control}", "delete it")
    stray = _stray_brace(template)
    if stray:
        return Problem(place, f"{stray!r} in {template!r} is no place for the class name", "write {} or {c}")
    if not PLACEHOLDER.search(template):
        return Problem(place, f"the template {template!r} has no place for the class name", "write {} where it belongs")
    return None


def prompts_problems(prompts: InlinePrompts, path: KeyPath = ()) -> Iterator[Problem]:
    """Yield what is wrong with the keys of a set that also stand in suites; `path` is the set's own place."""
    yield from templates_problems(prompts.templates, (*path, "templates"))
    for name, templates in prompts.families.items():
        yield from _family_problems(templates, (*path, "families", name))
    yield from _controls_problems(prompts, (*path, "controls"))
    for name, texts in prompts.descriptions.items():
        yield from descriptions_problems(texts, (*path, "descriptions", name))
        yield from _repeated(texts, (*path, "descriptions", name))
    for name, synonyms in prompts.synonyms.items():
        yield from _synonyms_problems(name, synonyms, (*path, "synonyms", name))
    for language, translation in prompts.translations.items():
        yield from _translation_problems(translation, (*path, "translations", language))
    yield from _clashes(prompts, path)
    yield from described_names(prompts, path)


def described_names(prompts: InlinePrompts, path: KeyPath = ()) -> Iterator[Problem]:
    """Yield the classes that have both descriptions and names to fill into templates."""
    for name in prompts.synonyms:
        if name in prompts.descriptions:
            problem = f"{name!r} has descriptions, which stand instead of templates filled with names"
            yield Problem((*path, "synonyms", name), problem, "keep one of the two")


def templates_problems(templates: Sequence[str], path: KeyPath) -> Iterator[Problem]:
    """Yield what is wrong with a list of templates."""
    for index, template in enumerate(templates):
        problem = template_problem(template, (*path, index))
        if problem:
            yield problem
    yield from _repeated(templates, path)


def classes_named(prompts: InlinePrompts) -> Iterator[tuple[KeyPath, str]]:
    """Yield where a set says something of a single class, and of which."""
    yield from ((("descriptions", name), name) for name in prompts.descriptions)
    yield from ((("synonyms", name), name) for name in prompts.synonyms)
    for language, entry in prompts.translations.items():
        yield from ((("translations", language, "names", name), name) for name in entry.names)


def ambiguous_synonyms(synonyms: Mapping[str, Sequence[str]], classes: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield the synonyms, by class and index, that but for case and spaces are the name of another class."""
    forms = {_plain_name(name): name for name in classes}
    for name in classes:
        for index, synonym in enumerate(synonyms.get(name, ())):
            if forms.get(_plain_name(synonym), name) != name:
                yield name, index


def _plain_name(name: str) -> str:
    return " ".join(name.split()).casefold()


def same_template(template: str) -> str:
    """Return the one form of templates that differ in nothing but `{}` or `{c}`."""
    return PLACEHOLDER.sub("{}", template)


def _family_problems(templates: Sequence[str], path: KeyPath) -> Iterator[Problem]:
    if not templates:
        yield Problem(path, "the family is empty", "give its plain template, then the other wordings")
    elif len(templates) == 1:
        problem = f"the family has one template, {templates[0]!r}, and nothing to compare with it"
        yield Problem(path, problem, "add another wording, or write it under templates")
    yield from templates_problems(templates, path)


def descriptions_problems(texts: Sequence[str], path: KeyPath) -> Iterator[Problem]:
    """Yield what is wrong with the descriptions of a class; published ones may stand there twice."""
    if not texts:
        yield Problem(path, "there is no description", "give at least one, or delete the key")
    for index, text in enumerate(texts):
        stray = _stray_brace(text)
        if not text.strip():
            yield Problem((*path, index), "the description is empty", "delete it")
        elif stray:
            fix = "write {} or {c}, or leave the braces out"
            yield Problem((*path, index), f"{stray!r} in {text!r} is no place for the class name", fix)


def _controls_problems(prompts: InlinePrompts, path: KeyPath) -> Iterator[Problem]:
    for index, name in enumerate(prompts.controls):
        if name not in prompts.families:
            yield Problem((*path, index), f"unknown family {name!r}", did_you_mean(name, prompts.families))
        elif name in prompts.controls[:index]:
            yield Problem((*path, index), f"{name!r} is there twice", "delete one")


def _synonyms_problems(name: str, synonyms: Sequence[str], path: KeyPath) -> Iterator[Problem]:
    if not synonyms:
        yield Problem(path, "there is no other name", "give at least one, or delete the key")
    for index, synonym in enumerate(synonyms):
        if problem := _name_problem(synonym, (*path, index), "delete it"):
            yield problem
        elif synonym == name:
            fix = "delete it: the class's own name comes first by itself"
            yield Problem((*path, index), f"{synonym!r} is the class's own name", fix)
        elif synonym in synonyms[:index]:
            yield Problem((*path, index), f"{synonym!r} is there twice", "delete one")


def _name_problem(name: str, place: KeyPath, instead: str) -> Problem | None:
    """Return what is wrong with a name by itself; `instead` says what to do about an empty one."""
    if not name.strip():
        return Problem(place, "the name is empty", instead)
    if control := _control_character(name):
        return Problem(place, f"the name holds the control character {control}", "delete it")
    return None


def _translation_problems(translation: Translation, path: KeyPath) -> Iterator[Problem]:
    yield from templates_problems(translation.templates, (*path, "templates"))
    for name, translated in translation.names.items():
        if problem := _name_problem(translated, (*path, "names", name), "write the class's name in this language"):
            yield problem


def _clashes(prompts: InlinePrompts, path: KeyPath) -> Iterator[Problem]:
    if prompts.translations and prompts.synonyms:
        problem = "stands beside synonyms, and a class has one name in each language"
        yield Problem((*path, "translations"), problem, "make two sets of it")
    if prompts.translations and LANGUAGE in prompts.families:
        problem = f"the translations make a family {LANGUAGE!r} themselves"
        yield Problem((*path, "families", LANGUAGE), problem, "call this one something else")


def _repeated(texts: Sequence[str], path: KeyPath) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, text in enumerate(texts):
        if first.setdefault(same_template(text), index) != index:
            yield Problem((*path, index), f"{text!r} is there twice", "delete one")


def _control_character(text: str) -> str:
    """Return the first control character of a text as 'U+0007'; empty if there is none."""
    return next((f"U+{ord(character):04X}" for character in text if category(character) == "Cc"), "")


def _stray_brace(text: str) -> str:
    """Return what stands in braces without being a place for the class name; empty if there is none."""
    stray = re.search(r"\{[^{}]*\}?|\}", PLACEHOLDER.sub("\0", text))
    return stray.group().replace("\0", "{}") if stray else ""
