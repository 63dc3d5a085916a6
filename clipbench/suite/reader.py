"""Reading a suite's document: its keys, its own data sets, and the problems in all of it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from clipbench.datasets.base import DatasetDefinition
from clipbench.datasets.catalog import argument_schema, catalog_definitions, define
from clipbench.documents.marked_yaml import KeyPath, MarkedYaml
from clipbench.documents.validation import Problem, check, refuse, unquoted_fix
from clipbench.errors import UserError, did_you_mean
from clipbench.prompts.sets import is_prompt_file, read_choice
from clipbench.suite.tasks import TaskReader
from clipbench.tasks.base import SuiteEntry

EXPECTED = "a suite is a mapping of the keys name, description, datasets, tasks and max_broken; tasks is required"


class SuiteKeys(BaseModel):
    """The keys of a suite; the entries of `datasets` and `tasks` are checked by their adapter and task."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="", description="What the results folder is called; left out: the file's name.")
    description: str = Field(default="", description="What the suite is for, in a sentence.")
    datasets: dict[str, dict[str, Any]] = Field(
        default={}, description="Data sets that the catalog lacks: for each name an adapter and its arguments."
    )
    tasks: tuple[dict[str, Any], ...] = Field(
        description="A list of tasks and studies, each with its data sets.", min_length=1
    )
    max_broken: float = Field(
        default=0.01,
        description="Share of images that may be unreadable before a job fails.",
        ge=0,
        le=1,
        allow_inf_nan=False,
    )


@dataclasses.dataclass(frozen=True)
class SuiteContent:
    """What a suite's document says."""

    keys: SuiteKeys
    datasets: Mapping[str, DatasetDefinition]
    """Those that its tasks name."""
    tasks: tuple[SuiteEntry, ...]


def read_suite(document: MarkedYaml, base: Path) -> SuiteContent:
    """Check a suite's document.

    Args:
        document: the file.
        base: the folder that relative paths start from.

    Raises:
        UserError: the first problem in the file's order, with the lines of the others.
    """
    keys, problems = check(SuiteKeys, document)
    problems += _name_problems(document.value.get("name"))
    own = _read_datasets(document, base, problems)
    known = {**catalog_definitions(), **{name: found for name, found in own.items() if found}}
    reader = TaskReader(document, base, known, broken={name for name, found in own.items() if not found})
    tasks = reader.read()
    refuse(document, [*problems, *reader.problems])
    assert keys is not None  # without problems there are keys
    used = dict.fromkeys(name for entry in tasks for _, name in entry.named())
    return SuiteContent(keys, {name: reader.known[name] for name in used}, tuple(tasks))


def _name_problems(name: Any) -> Iterator[Problem]:
    if isinstance(name, str) and not re.fullmatch(r"[^\s./\\][^/\\\n]*", name):
        problem = f"{name!r} cannot be the name of a results folder"
        yield Problem(("name",), problem, "begin with a letter or digit and leave out / and \\")


def _read_datasets(document: MarkedYaml, base: Path, problems: list[Problem]) -> dict[str, DatasetDefinition | None]:
    """Return the suite's own data sets; None for one that is wrong, after noting why."""
    entries = document.value.get("datasets")
    if not isinstance(entries, dict):
        return {}
    catalog = catalog_definitions()
    own: dict[str, DatasetDefinition | None] = {}
    for name, entry in entries.items():
        path: KeyPath = ("datasets", name)
        if name in catalog:
            fix = "choose another name, or delete this entry to use the catalog's"
            problems.append(Problem(path, f"the catalog has a data set {name!r} already", fix))
        elif isinstance(entry, dict):
            own[name] = _define(document, base, path, problems)
        else:
            own[name] = None
    return own


def _define(document: MarkedYaml, base: Path, path: KeyPath, problems: list[Problem]) -> DatasetDefinition | None:
    where = document.where(path)
    try:
        definition = define(str(path[-1]), document.at(path), base=base, where=where)
    except UserError as error:
        problems += _translated(error, where, document, path)
        return None
    info = definition.info
    if info.prompts:
        problems += read_choice(info.prompts, base, document, (*path, "prompts"))[1]
    if is_prompt_file(info.prompts):
        info = dataclasses.replace(info, prompts=str(base.resolve() / info.prompts))
    return dataclasses.replace(definition, info=info)


def _translated(error: UserError, where: str, document: MarkedYaml, path: KeyPath) -> list[Problem]:
    """Return an adapter's error, which says `where.key`, with the line of that key; unknown keys come first."""
    key = (error.where or "").removeprefix(where).lstrip(".")
    place = (*path, key) if key and " " not in key else path
    entry = document.at(path)
    allowed = argument_schema(entry["adapter"])["properties"] if key not in ("", "adapter") else entry
    unknown = [name for name in entry if name not in allowed]
    if unknown:
        return [Problem((*path, name), "unknown key", did_you_mean(name, allowed)) for name in unknown]
    fix = error.fix or (unquoted_fix(document, place) if place in document.marks else None)
    return [Problem(place, error.problem, fix)]
