"""Reading prompt sets, and the strings they make of a data set's class names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from pydantic import Field

from clipbench.datasets.base import Dataset
from clipbench.errors import UserError, did_you_mean, quoted
from clipbench.imagenet import TEMPLATE_LISTS, imagenet_class_names, templates_of
from clipbench.marked_yaml import KeyPath, read_mapping
from clipbench.packaged import prompt_files
from clipbench.prompts.checks import classes_named, described_names, prompts_problems, template_problem
from clipbench.prompts.descriptions import read_descriptions
from clipbench.prompts.families import with_families
from clipbench.prompts.filling import check_named, fill_classes
from clipbench.prompts.names import NAME_LISTS, Names, names_from, names_with
from clipbench.tasks.prompt_choice import InlinePrompts, PromptChoice
from clipbench.tasks.prompted import PromptedClasses
from clipbench.validation import Problem, check, refuse

OWN = "own"
"""The packaged prompt set that stands for the data set's own templates."""
_EXPECTED = "a prompt set is a mapping with name, source, and templates, templates_from, families or descriptions"
_DATASET = "dataset"
_INLINE = "written in the suite"
_FROM_WHERE = "a path in a suite starts from the suite's folder, elsewhere from the working directory"
_INSTEAD = (
    ("templates_from", "templates"),
    ("synonyms_from", "synonyms"),
    ("synonyms_from", "translations"),
    ("synonyms_from", "descriptions"),
    ("synonyms_from", "descriptions_from"),
    ("descriptions_from", "descriptions"),
)
"""Keys that take the place of others."""


class PromptSet(InlinePrompts):
    """A prompt set as its file says it, with templates from open_clip filled in."""

    templates: tuple[str, ...] = Field(default=(), description="Templates; {} or {c} stands for the class name.")
    templates_from: str = Field(
        default="", description=f"Instead of templates: {', '.join(TEMPLATE_LISTS)}, or {_DATASET} for its own."
    )
    synonyms_from: str = Field(
        default="", description=f"Instead of synonyms: {', '.join(NAME_LISTS)}, the names that its weights ship."
    )
    descriptions_from: str = Field(
        default="", description="Instead of descriptions: a JSON file {class: [sentence, ...]} beside this one."
    )
    source: str = Field(description="Where the prompts were published.", min_length=1)
    description: str = Field(default="", description="What the set is good for.")
    made_for: str = Field(default="", description="What the images show, e.g. food; left out: anything.")
    classes: tuple[str, ...] = Field(default=(), description="The classes the set is made for; left out: any.")

    def fits(self, classes: Sequence[str]) -> bool:
        """Say whether the set suits classes: made for them, or for photographs of anything.

        Wording families and translations suit none by themselves: they are there to be compared.
        """
        if self.templates_from == _DATASET or self.families or self.translations:
            return False
        if self.classes or self.synonyms_from:
            return set(classes) <= set(self.classes or imagenet_class_names())
        return not (self.made_for or self.descriptions or self.synonyms)


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
    templates = with_families(given, prompts.families, prompts.controls)
    filled = dataset.classes if classes is None else classes
    where = f"prompts {prompts.name!r} on {dataset.info.name}"
    _check_classes(prompts, dataset, filled, where)
    names = _names(prompts, filled, where)
    return fill_classes(prompts, templates, names, source=prompts.source, where=where)


def _check_classes(prompts: PromptSet, dataset: Dataset, filled: tuple[str, ...], where: str) -> None:
    if any(classes_named(prompts)) and prompts.classes and set(filled).isdisjoint(prompts.classes):
        problem = "says something of single classes, and of none that the data set has"
        raise UserError(problem, where=where, fix=f"the set is made for {quoted(prompts.classes)}")
    known = {*dataset.classes, *filled, *prompts.classes}
    if prompts.descriptions_from:
        missing = [name for name in filled if name not in prompts.descriptions]
        others = [name for name in prompts.descriptions if name not in known]
        if missing and others:
            problem = f"{prompts.descriptions_from} does not describe {quoted(missing)}, but {quoted(others)}"
            raise UserError(problem, where=where, fix="describe all classes; others may then stand there too")
        known |= set(others)
    check_named(prompts, filled, known, where=where)


def _names(prompts: PromptSet, classes: tuple[str, ...], where: str) -> Names:
    if prompts.synonyms_from:
        return names_from(prompts.synonyms_from, classes, where=where)
    return names_with(prompts.synonyms, classes, where=where)


@cache
def _read_packaged(path: Path) -> PromptSet:
    return _read(path)


def _read(path: Path) -> PromptSet:
    if not path.is_file():
        raise UserError("there is no such prompt file", where=str(path), fix=_FROM_WHERE)
    document = read_mapping(path, _EXPECTED)
    prompts, problems = check(PromptSet, document)
    if prompts is not None:
        problems += [*prompts_problems(prompts), *_lacking(prompts), *_contradictions(prompts)]
        prompts = _with_descriptions(prompts, path.parent, problems)
    refuse(document, problems)
    assert prompts is not None  # without problems there is a set
    if prompts.templates_from == _DATASET:
        return prompts
    given = templates_of(prompts.templates_from) if prompts.templates_from else prompts.templates
    return prompts.model_copy(update={"templates": with_families(given, prompts.families, prompts.controls)})


def _with_descriptions(prompts: PromptSet, folder: Path, problems: list[Problem]) -> PromptSet:
    """Read the set's file of descriptions, if it has one; what is wrong with it is added to the problems."""
    if not prompts.descriptions_from:
        return prompts
    try:
        described = read_descriptions(folder / prompts.descriptions_from)
    except UserError as error:
        problems.append(Problem(("descriptions_from",), f"{error.where}: {error.problem}", error.fix))
        return prompts
    prompts = prompts.model_copy(update={"descriptions": described})
    problems += described_names(prompts)
    return prompts


def _lacking(prompts: InlinePrompts, place: KeyPath = ()) -> Iterator[Problem]:
    from_list = isinstance(prompts, PromptSet) and prompts.templates_from
    own = prompts.templates or from_list
    described = prompts.descriptions or (isinstance(prompts, PromptSet) and prompts.descriptions_from)
    beside = [key for key in ("synonyms", "synonyms_from", "translations") if getattr(prompts, key, None)]
    if not (own or prompts.families or described or beside):
        yield Problem(place, "the prompt set is empty", "give it templates or descriptions")
    for key in beside if not (own or prompts.families) else ():
        yield Problem((*place, key), "there are no templates to stand beside", "give the set templates of its own")
    if prompts.families and not own and set(prompts.controls) >= set(prompts.families):
        fix = "write those that count under templates"
        yield Problem((*place, "controls"), "every family is a control, and no template is left to average", fix)


def _contradictions(prompts: PromptSet) -> Iterator[Problem]:
    for key, names in (("templates_from", (_DATASET, *TEMPLATE_LISTS)), ("synonyms_from", NAME_LISTS)):
        value = getattr(prompts, key)
        if value and value not in names:
            yield Problem((key,), f"unknown list of {key.removesuffix('_from')} {value!r}", did_you_mean(value, names))
    for key, other in _INSTEAD:
        if getattr(prompts, key) and getattr(prompts, other):
            yield Problem((key,), f"stands beside {other}", "keep one of the two")
    for place, name in classes_named(prompts) if prompts.classes else ():
        if name not in prompts.classes:
            fix = did_you_mean(name, prompts.classes)
            yield Problem(place, f"{name!r} is not among the set's classes", fix)
    for name, others in prompts.synonyms.items() if prompts.classes else ():
        for index, other in enumerate(others):
            if other in prompts.classes and other != name:
                fix = "give one that means this class only"
                yield Problem(("synonyms", name, index), f"{other!r} is the name of another class", fix)


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


def _no_prompts(dataset: Dataset) -> UserError:
    fitting = [name for name in prompt_set_names() if load_prompt_set(name).fits(dataset.classes)]
    problem = "has no prompt templates of its own, and no prompt set is named for it"
    fix = f"give the task prompts: {', '.join(fitting)}, or a template of your own such as 'a photo of a {{}}.'"
    return UserError(problem, where=dataset.info.name, fix=fix)
