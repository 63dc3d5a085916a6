"""Prompt sets, and the strings they make of a data set's class names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from pydantic import Field

from clipbench.datasets.base import Dataset
from clipbench.errors import UserError, did_you_mean
from clipbench.imagenet import TEMPLATE_LISTS, templates_of
from clipbench.marked_yaml import KeyPath, read_mapping
from clipbench.packaged import prompt_files
from clipbench.prompt_checks import prompts_problems, template_problem
from clipbench.prompt_families import family_positions, with_families
from clipbench.tasks.prompt_choice import InlinePrompts, PromptChoice
from clipbench.tasks.prompted import PromptedClasses, fill
from clipbench.validation import Problem, check, refuse

OWN = "own"
"""The packaged prompt set that stands for the data set's own templates."""
_EXPECTED = "a prompt set is a mapping with name, source, and templates, templates_from, families or descriptions"
_DATASET = "dataset"
_INLINE = "written in the suite"


class PromptSet(InlinePrompts):
    """A prompt set as its file says it, with templates from open_clip filled in."""

    templates: tuple[str, ...] = Field(default=(), description="Templates; {} or {c} stands for the class name.")
    templates_from: str = Field(
        default="", description=f"Instead of templates: {', '.join(TEMPLATE_LISTS)}, or {_DATASET} for its own."
    )
    source: str = Field(description="Where the prompts were published.", min_length=1)
    description: str = Field(default="", description="What the set is good for.")
    made_for: str = Field(default="", description="What the images show, e.g. food; left out: anything.")
    classes: tuple[str, ...] = Field(default=(), description="The classes the set is made for; left out: any.")

    def fits(self, classes: Sequence[str]) -> bool:
        """Say whether the set suits classes: made for them, or for photographs of anything.

        Wording families suit none by themselves: some of their templates are there to be worse.
        """
        if self.templates_from == _DATASET or self.families:
            return False
        return set(classes) <= set(self.classes) if self.classes else not (self.made_for or self.descriptions)


def prompt_set_names() -> tuple[str, ...]:
    """Return the names of the packaged prompt sets."""
    return tuple(prompt_files())


def is_prompt_file(choice: str) -> bool:
    """Say whether a prompt choice is the path of a user's own prompt set."""
    return choice.endswith((".yaml", ".yml"))


def load_prompt_set(name_or_path: str, base: Path | None = None) -> PromptSet:
    """Load a prompt set by name, or by path if it ends in .yaml or .yml.

    Args:
        name_or_path: one of `prompt_set_names`, or a file.
        base: the folder that a relative path starts from; by default the working directory.

    Raises:
        UserError: there is no such set, or its file is wrong; the message names the line.
    """
    if is_prompt_file(name_or_path):
        return _read((base or Path()) / name_or_path)
    files = prompt_files()
    if name_or_path not in files:
        raise UserError(f"unknown prompt set {name_or_path!r}", fix=_nearest(name_or_path))
    return _read_packaged(files[name_or_path])


def read_choice(choice: PromptChoice, base: Path, place: KeyPath) -> tuple[PromptChoice, list[Problem]]:
    """Check a prompt choice of a suite; a file is read and becomes a `PromptSet`, the rest stays as it is.

    Args:
        choice: what the suite says.
        base: the suite's folder.
        place: where it says so.

    Returns:
        The choice, and what is wrong with it.
    """
    if isinstance(choice, InlinePrompts):
        return choice, [*prompts_problems(choice, place), *_lacking(choice, place)]
    if _is_template(choice):
        problem = template_problem(choice, place)
        return choice, [problem] if problem else []
    if not is_prompt_file(choice):
        known = choice in prompt_files()
        return choice, [] if known else [Problem(place, f"unknown prompt set {choice!r}", _nearest(choice))]
    try:
        return load_prompt_set(choice, base), []
    except UserError as error:
        return choice, [Problem(place, f"{error.where}: {error.problem}", error.fix)]


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
    given = _own_templates(dataset) if prompts.templates_from == _DATASET else prompts.templates
    templates = with_families(given, prompts.families)
    names = dataset.classes if classes is None else classes
    _check_described(prompts, dataset, names, templates)
    strings = tuple(
        tuple(fill(template, name) for template in prompts.descriptions.get(name, templates)) for name in names
    )
    filled = PromptedClasses(name=prompts.name, source=prompts.source, classes=names, strings=strings)
    if any(name in prompts.descriptions for name in names):
        return filled
    return replace(filled, templates=templates, families=family_positions(templates, prompts.families))


@cache
def _read_packaged(path: Path) -> PromptSet:
    return _read(path)


def _read(path: Path) -> PromptSet:
    if not path.is_file():
        raise UserError("there is no such prompt file", where=str(path), fix="paths start from the suite's folder")
    document = read_mapping(path, _EXPECTED)
    prompts, problems = check(PromptSet, document)
    if prompts is not None:
        problems += [*prompts_problems(prompts), *_lacking(prompts), *_contradictions(prompts)]
    refuse(document, problems)
    assert prompts is not None  # without problems there is a set
    if prompts.templates_from == _DATASET:
        return prompts
    given = templates_of(prompts.templates_from) if prompts.templates_from else prompts.templates
    return prompts.model_copy(update={"templates": with_families(given, prompts.families)})


def _lacking(prompts: InlinePrompts, place: KeyPath = ()) -> Iterator[Problem]:
    taken = isinstance(prompts, PromptSet) and prompts.templates_from
    if not (prompts.templates or prompts.families or prompts.descriptions or taken):
        yield Problem(place, "the prompt set is empty", "give it templates or descriptions")


def _contradictions(prompts: PromptSet) -> Iterator[Problem]:
    place: KeyPath = ("templates_from",)
    allowed = (_DATASET, *TEMPLATE_LISTS)
    if prompts.templates_from and prompts.templates_from not in allowed:
        fix = did_you_mean(prompts.templates_from, allowed)
        yield Problem(place, f"unknown list of templates {prompts.templates_from!r}", fix)
    if prompts.templates_from and prompts.templates:
        yield Problem(place, "stands beside templates", "keep one of the two")
    for name in prompts.descriptions if prompts.classes else ():
        if name not in prompts.classes:
            fix = did_you_mean(name, prompts.classes)
            yield Problem(("descriptions", name), f"{name!r} is not among the set's classes", fix)


def _is_template(choice: str) -> bool:
    return "{" in choice or "}" in choice


def _nearest(name: str) -> str:
    if " " in name:
        return "a template of your own has {} where the class name belongs"
    return did_you_mean(name, prompt_files())


def prompt_set(choice: PromptChoice) -> PromptSet:
    """Return a prompt choice as a set: loaded by name or path, or made of an inline template or set.

    Raises:
        UserError: there is no such set, or something is wrong with it.
    """
    if isinstance(choice, PromptSet):
        return choice
    if isinstance(choice, InlinePrompts):
        _refuse([*prompts_problems(choice), *_lacking(choice)], f"prompts {choice.name!r}")
        return PromptSet.model_validate({**dict(choice), "source": _INLINE})
    if _is_template(choice):
        problem = template_problem(choice, ())
        _refuse([problem] if problem else [], "prompts")
        return PromptSet(name=choice, templates=(choice,), source=_INLINE)
    return load_prompt_set(choice)


def _refuse(problems: Sequence[Problem], where: str) -> None:
    """Raise the first problem of prompts that stand in no YAML file."""
    for problem in problems:
        raise UserError(problem.problem, where=where, fix=problem.fix)


def _own_templates(dataset: Dataset) -> tuple[str, ...]:
    """Return the data set's own templates; repeated ones stay, since published figures rest on them."""
    if not dataset.templates:
        raise _no_prompts(dataset)
    problems = [template_problem(template, ()) for template in dataset.templates]
    _refuse([problem for problem in problems if problem], f"{dataset.info.name}, its own templates")
    return dataset.templates


def _check_described(prompts: PromptSet, dataset: Dataset, names: Sequence[str], templates: Sequence[str]) -> None:
    where = f"prompts {prompts.name!r} on {dataset.info.name}"
    for name in prompts.descriptions:
        if name not in {*dataset.classes, *names, *prompts.classes}:
            fix = did_you_mean(name, names)
            raise UserError(f"describes {name!r}, which is no class of the data set", where=where, fix=fix)
    missing = [name for name in names if name not in prompts.descriptions]
    if missing and not templates:
        shown = ", ".join(map(repr, missing[:8])) + (", ..." if len(missing) > 8 else "")
        fix = "describe them, or give templates for the classes without a description"
        raise UserError(f"has neither a description of {shown} nor templates", where=where, fix=fix)


def _no_prompts(dataset: Dataset) -> UserError:
    fitting = [name for name in prompt_set_names() if load_prompt_set(name).fits(dataset.classes)]
    problem = "has no prompt templates of its own, and no prompt set is named for it"
    fix = f"give the task prompts: {', '.join(fitting)}, or a template of your own such as 'a photo of a {{}}.'"
    return UserError(problem, where=dataset.info.name, fix=fix)
