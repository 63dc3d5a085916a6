"""Reading prompt sets, from files, from suites and from what a caller gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from pydantic import Field, PrivateAttr

from clipbench.datasets.classes.imagenet import TEMPLATE_LISTS, imagenet_class_names, templates_of
from clipbench.documents.marked_yaml import KeyPath, MarkedYaml, read_mapping, render
from clipbench.documents.packaged import prompt_files
from clipbench.documents.validation import Problem, check, refuse
from clipbench.errors import UserError, did_you_mean
from clipbench.prompts.checks import (
    ambiguous_synonyms,
    classes_named,
    described_names,
    prompts_problems,
    same_template,
    template_problem,
)
from clipbench.prompts.descriptions import read_descriptions
from clipbench.tasks.prompts import InlinePrompts, PromptChoice

OWN = "own"
"""The packaged prompt set that stands for the data set's own templates."""
_EXPECTED = "a prompt set is a mapping with name, source, and templates, templates_from, families or descriptions"
DATASET = "dataset"
"""What `templates_from` says where the data set has the templates."""
NAME_LISTS = ("torchvision:imagenet",)
"""Lists of other names, as a prompt set's `synonyms_from` gives them."""
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
        default="", description=f"Instead of templates: {', '.join(TEMPLATE_LISTS)}, or {DATASET} for its own."
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
    _document: MarkedYaml | None = PrivateAttr(default=None)
    _place: KeyPath = PrivateAttr(default=())

    def written_in(self, document: MarkedYaml, place: KeyPath = ()) -> PromptSet:
        """Return the set with the file it was read from, and its own place there, for messages."""
        prompts = self.model_copy()
        prompts._document, prompts._place = document, place
        return prompts

    def where(self, key: KeyPath, *, dataset: str) -> str:
        """Return the place of a key, for messages: its file and line where the set was read from a file.

        What is wrong with the set as a whole is wrong with its use on a data set, and has the two names.
        """
        if key and self._document is not None:
            return self._document.where((*self._place, *key))
        place = f"prompts {self.name!r} on {dataset}"
        return f"{place}: {render(key)}" if key else place

    def fits(self, classes: Sequence[str]) -> bool:
        """Say whether the set suits classes: made for them, or for photographs of anything.

        Wording families and translations suit none by themselves: they are there to be compared.
        """
        if self.templates_from == DATASET or self.families or self.translations:
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
    """Load a prompt set by name, or by path if it ends in .yaml or .yml; relative ones start from `base`.

    Raises:
        UserError: there is no such set, or its file is wrong; the message names the line.
    """
    if is_prompt_file(name_or_path):
        return _read((base or Path()) / name_or_path)
    files = prompt_files()
    if name_or_path not in files:
        raise UserError(f"unknown prompt set {name_or_path!r}", fix=_nearest(name_or_path))
    return _read_packaged(files[name_or_path])


def read_choice(
    choice: PromptChoice, base: Path, document: MarkedYaml, place: KeyPath
) -> tuple[PromptChoice, list[Problem]]:
    """Check a prompt choice at a place of a suite in the folder `base`; return it, and what is wrong with it.

    A file is read, and like an inline set becomes a `PromptSet`; names of packaged sets and templates stay as they are.
    """
    if isinstance(choice, InlinePrompts):
        problems = [*prompts_problems(choice, place), *_lacking(choice, place)]
        return (choice, problems) if problems else (prompt_set(choice).written_in(document, place), [])
    if _is_template(choice):
        problem = template_problem(choice, place)
        return choice, [problem] if problem else []
    if not is_prompt_file(choice):
        unknown = Problem(place, f"unknown prompt set {choice!r}", _nearest(choice))
        return choice, [] if choice in prompt_files() else [unknown]
    try:
        return load_prompt_set(choice, base), []
    except UserError as error:
        return choice, [Problem(place, f"{error.where}: {error.problem}", error.fix)]


def with_families(
    templates: Sequence[str], families: Mapping[str, Sequence[str]], controls: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the templates that count: those given, then those of the families that are not among them.

    Of the families named in `controls` only the first template, the plain one, counts. Templates that stand there
    twice already stay, since published figures may rest on them.
    """
    forms = set(map(same_template, templates))
    additions: dict[str, str] = {}
    for name, family in families.items():
        for template in family[:1] if name in controls else family:
            if same_template(template) not in forms:
                additions.setdefault(same_template(template), template)
    return (*templates, *additions.values())


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
    prompts = prompts.written_in(document)
    if prompts.templates_from == DATASET:
        return prompts
    templates = templates_of(prompts.templates_from) if prompts.templates_from else prompts.templates
    return prompts.model_copy(update={"templates": with_families(templates, prompts.families, prompts.controls)})


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
    keys = [key for key in type(prompts).model_fields if getattr(prompts, key)]
    templates = {"templates", "templates_from"}.intersection(keys)
    descriptions = {"descriptions", "descriptions_from"}.intersection(keys)
    additions = [key for key in ("synonyms", "synonyms_from", "translations") if key in keys]
    if not (templates or prompts.families or descriptions or additions):
        yield Problem(place, "the prompt set is empty", "give it templates or descriptions")
    for key in additions if not (templates or prompts.families) else ():
        yield Problem((*place, key), "there are no templates to stand beside", "give the set templates of its own")
    if prompts.families and not templates and set(prompts.controls) >= set(prompts.families):
        fix = "write those that count under templates"
        yield Problem((*place, "controls"), "every family is a control, and no template is left to average", fix)


def _contradictions(prompts: PromptSet) -> Iterator[Problem]:
    for key, names in (("templates_from", (DATASET, *TEMPLATE_LISTS)), ("synonyms_from", NAME_LISTS)):
        value = getattr(prompts, key)
        if value and value not in names:
            yield Problem((key,), f"unknown list of {key.removesuffix('_from')} {value!r}", did_you_mean(value, names))
    for key, replaced in _INSTEAD:
        if getattr(prompts, key) and getattr(prompts, replaced):
            yield Problem((key,), f"stands beside {replaced}", "keep one of the two")
    for place, name in classes_named(prompts) if prompts.classes else ():
        if name not in prompts.classes:
            fix = did_you_mean(name, prompts.classes)
            yield Problem(place, f"{name!r} is not among the set's classes", fix)
    for name, index in ambiguous_synonyms(prompts.synonyms, prompts.classes):
        problem = f"{prompts.synonyms[name][index]!r} is the name of another class"
        yield Problem(("synonyms", name, index), problem, "give one that means this class only")


def _is_template(choice: str) -> bool:
    return "{" in choice or "}" in choice


def _nearest(name: str) -> str:
    if " " in name:
        return "a template of your own has {} where the class name belongs"
    return did_you_mean(name, prompt_files())


def prompt_set(choice: PromptChoice) -> PromptSet:
    """Return a prompt choice as a set: loaded by name or path, or made of an inline template or set."""
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
