"""The JSON schema of suites, by which editors complete and check them."""

from __future__ import annotations

from typing import Any

from clipbench.datasets.catalog import adapter_names, argument_schema
from clipbench.studies.registry import entry_names, load_entry
from clipbench.suite.reader import SuiteKeys

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def suite_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a suite: a task by its `task`, a data set by its `adapter`.

    Raises:
        UserError: an installed package's task or adapter cannot be imported.
    """
    schema = SuiteKeys.model_json_schema()
    tasks = {name: _definition(load_entry(name).Settings.model_json_schema()) for name in entry_names()}
    adapters = {name: _definition(argument_schema(name)) for name in adapter_names()}
    schema["properties"]["tasks"]["items"] = _one_of("task", tasks)
    schema["properties"]["datasets"]["additionalProperties"] = _one_of("dataset", adapters)
    definitions: dict[str, Any] = {}
    for kind, entries in (("task", tasks), ("dataset", adapters)):
        for name, (entry, inner) in entries.items():
            definitions[f"{kind}-{name}"] = entry
            definitions.update(inner)
    return {"$schema": DIALECT, **schema, "title": "clipbench suite", "$defs": definitions}


def _one_of(kind: str, entries: dict[str, Any]) -> dict[str, Any]:
    return {"oneOf": [{"$ref": f"#/$defs/{kind}-{name}"} for name in entries]}


def _definition(schema: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a schema without the definitions it refers to, and those."""
    inner = schema.get("$defs", {})
    return {key: value for key, value in schema.items() if key != "$defs"}, inner
