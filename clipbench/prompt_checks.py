"""What can be wrong with templates and descriptions, wherever they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from clipbench.marked_yaml import KeyPath
from clipbench.tasks.prompt_choice import InlinePrompts
from clipbench.tasks.prompted import PLACEHOLDER
from clipbench.validation import Problem


def template_problem(template: str, place: KeyPath) -> Problem | None:
    """Return what is wrong with a template: no place for the class name, or braces that are none."""
    if not template.strip():
        return Problem(place, "the template is empty", "delete it, or write {} for the bare class name")
    stray = _stray_brace(template)
    if stray:
        return Problem(place, f"{stray!r} in {template!r} is no place for the class name", "write {} or {c}")
    if not PLACEHOLDER.search(template):
        return Problem(place, f"the template {template!r} has no place for the class name", "write {} where it belongs")
    return None


def prompts_problems(prompts: InlinePrompts, path: KeyPath = ()) -> Iterator[Problem]:
    """Yield what is wrong with a set's templates, families and descriptions; `path` is the set's own place."""
    yield from templates_problems(prompts.templates, (*path, "templates"))
    for name, templates in prompts.families.items():
        yield from _family_problems(templates, (*path, "families", name))
    for name, texts in prompts.descriptions.items():
        yield from _descriptions_problems(texts, (*path, "descriptions", name))


def templates_problems(templates: Sequence[str], path: KeyPath) -> Iterator[Problem]:
    """Yield what is wrong with a list of templates."""
    for index, template in enumerate(templates):
        problem = template_problem(template, (*path, index))
        if problem:
            yield problem
    yield from _repeated(templates, path)


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


def _descriptions_problems(texts: Sequence[str], path: KeyPath) -> Iterator[Problem]:
    if not texts:
        yield Problem(path, "there is no description", "give at least one, or delete the key")
    for index, text in enumerate(texts):
        stray = _stray_brace(text)
        if not text.strip():
            yield Problem((*path, index), "the description is empty", "delete it")
        elif stray:
            fix = "write {} or {c}, or leave the braces out"
            yield Problem((*path, index), f"{stray!r} in {text!r} is no place for the class name", fix)
    yield from _repeated(texts, path)


def _repeated(texts: Sequence[str], path: KeyPath) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, text in enumerate(texts):
        if first.setdefault(same_template(text), index) != index:
            yield Problem((*path, index), f"{text!r} is there twice", "delete one")


def _stray_brace(text: str) -> str:
    """Return what stands in braces without being a place for the class name; empty if there is none."""
    found = re.search(r"\{[^{}]*\}?|\}", PLACEHOLDER.sub("", text))
    return found.group() if found else ""
