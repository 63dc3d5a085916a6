"""The JSON schema by which editors complete suites."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from clipbench.datasets.catalog import adapter_names
from clipbench.documents.packaged import find_suite, suite_names
from clipbench.studies.registry import entry_names
from clipbench.suite.schema import suite_schema

BROKEN = Path(__file__).parent / "suites_broken"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return suite_schema()


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_schema_is_json_of_a_stated_dialect(schema: dict[str, Any]) -> None:
    assert json.loads(json.dumps(schema, allow_nan=False)) == schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["required"] == ["tasks"]
    assert schema["additionalProperties"] is False


def test_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    found = set(references(schema))
    assert found
    assert {name.removeprefix("#/$defs/") for name in found} <= set(schema["$defs"])


def test_tasks_are_told_apart_by_task_and_data_sets_by_adapter(schema: dict[str, Any]) -> None:
    for name in entry_names():
        assert schema["$defs"][f"task-{name}"]["properties"]["task"]["const"] == name
    for name in adapter_names():
        assert schema["$defs"][f"dataset-{name}"]["properties"]["adapter"]["const"] == name
    assert len(schema["properties"]["tasks"]["items"]["oneOf"]) == len(entry_names())


def test_keys_are_explained(schema: dict[str, Any]) -> None:
    assert all(value.get("description") for value in schema["properties"].values())
    zero_shot = schema["$defs"]["task-zero_shot"]["properties"]
    assert all(zero_shot[key]["description"] for key in ("task", "datasets", "prompts"))


@pytest.mark.parametrize("name", suite_names())
def test_packaged_suite_is_valid(name: str, schema: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(yaml.safe_load(find_suite(name).read_text(encoding="utf-8")), schema)


@pytest.mark.parametrize("name", ["unknown_key", "unknown_task", "wrong_type", "unknown_argument", "no_tasks"])
def test_broken_suite_is_invalid(name: str, schema: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    suite = yaml.safe_load((BROKEN / f"{name}.yaml").read_text(encoding="utf-8"))
    assert not jsonschema.Draft202012Validator(schema).is_valid(suite)
