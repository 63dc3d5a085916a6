"""A suite's document: its keys, its own data sets, the problems in all of it, and the schema for editors."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from clipbench.datasets.base import DatasetDefinition
from clipbench.datasets.catalog import adapter_names, argument_schema, catalog_definitions, read_definition
from clipbench.documents.marked_yaml import KeyPath, MarkedYaml
from clipbench.documents.validation import Problem
from clipbench.plugins import is_dotted_path
from clipbench.prompts.sets import is_prompt_file, read_choice
from clipbench.studies.registry import entry_names, load_entry

_Schemas = Mapping[str, tuple[dict[str, Any], dict[str, Any]]]
"""By name a schema without its definitions, and those."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"
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

    @field_validator("name")
    @classmethod
    def _check_folder_name(cls, name: str) -> str:
        if not re.fullmatch(r"[^\s./\\][^/\\\n]*", name):
            fix = "begin with a letter or digit and leave out / and \\"
            raise ValueError(f"{name!r} cannot be the name of a results folder; {fix}")
        return name


def read_datasets(
    document: MarkedYaml, base: Path, problems: list[Problem], *, code: bool = True
) -> dict[str, DatasetDefinition | None]:
    """Return the suite's own data sets; None for one that is wrong, after noting why, or a class that stays unread."""
    entries = document.value.get("datasets")
    definitions: dict[str, DatasetDefinition | None] = {}
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        if name in catalog_definitions():
            fix = "choose another name, or delete this entry to use the catalog's"
            problems.append(Problem(("datasets", name), f"the catalog has a data set {name!r} already", fix))
        else:
            readable = isinstance(entry, dict) and (code or not is_dotted_path(str(entry.get("adapter"))))
            definitions[name] = _read_dataset(document, base, name, problems) if readable else None
    return definitions


def _read_dataset(document: MarkedYaml, base: Path, name: str, problems: list[Problem]) -> DatasetDefinition | None:
    path: KeyPath = ("datasets", name)
    definition, mistakes = read_definition(name, document, path, base=base)
    problems += mistakes
    if definition is None or not definition.info.prompts:
        return definition
    prompts = definition.info.prompts
    problems += read_choice(prompts, base, document, (*path, "prompts"))[1]
    if not is_prompt_file(prompts):
        return definition
    info = dataclasses.replace(definition.info, prompts=str(base.resolve() / prompts))
    return dataclasses.replace(definition, info=info)


def suite_schema() -> dict[str, Any]:
    """Return the JSON schema by which editors complete suites: a task by its `task`, a data set by its `adapter`.

    Raises:
        UserError: an installed package's task or adapter cannot be imported.
    """
    schema = SuiteKeys.model_json_schema()
    tasks = {name: _definition(load_entry(name).Settings.model_json_schema()) for name in entry_names()}
    schema["properties"]["tasks"]["items"], definitions = _one_of("task", tasks)
    schema["properties"]["datasets"]["additionalProperties"], adapters = dataset_schema()
    return {"$schema": DIALECT, **schema, "title": "clipbench suite", "$defs": {**definitions, **adapters}}


def dataset_schema() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the JSON schema of a data set's mapping, and the definitions that it refers to; errors as above."""
    return _one_of("dataset", {name: _definition(argument_schema(name)) for name in adapter_names()})


def _one_of(kind: str, entries: _Schemas) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a schema that is one of several, and the definitions of these."""
    definitions: dict[str, Any] = {}
    for name, (entry, inner) in entries.items():
        definitions |= {f"{kind}-{name}": entry, **inner}
    return {"oneOf": [{"$ref": f"#/$defs/{kind}-{name}"} for name in entries]}, definitions


def _definition(schema: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a schema without the definitions it refers to, and those."""
    inner = schema.get("$defs", {})
    return {key: value for key, value in schema.items() if key != "$defs"}, inner
