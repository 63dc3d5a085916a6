"""Suites: what a user writes becomes frozen settings; the packaged ones; the schema by which editors complete them."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from clipbench.datasets.catalog import adapter_names
from clipbench.documents.packaged import find_suite, packaged_files
from clipbench.prompts.sets import PromptSet
from clipbench.studies.registry import entry_names
from clipbench.suite.loading import Suite, load_suite
from clipbench.suite.reader import suite_schema

from ..conftest import printed_by, user_error
from .test_broken_suites import BROKEN, EXACT

DIGITS = "tasks:\n  - {task: zero_shot, datasets: digits}\n"
LEAVES = "datasets:\n  leaves: {{adapter: folder, {}}}\ntasks:\n  - {{task: zero_shot, datasets: leaves}}\n"
WORDING = "name: wording\nsource: ours\ntemplates: ['the {}.']\n"


def load(folder: Path, text: str) -> Suite:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return load_suite(path)


def names_of(entry: Any) -> list[str]:
    return [name for _, name in entry.named()]


def sets_of(suite: Suite, *tasks: str) -> list[set[str]]:
    return [{name for entry in suite.tasks if entry.task == task for name in names_of(entry)} for task in tasks]


# Packaged suites.


@pytest.mark.parametrize("name", packaged_files("suites"))
def test_packaged_suite_loads_by_its_name_and_what_is_learnt_has_its_control_beside_it(name: str) -> None:
    suite = load_suite(name)
    assert (suite.name, bool(suite.description)) == (name, True)
    assert set(suite.datasets) == {dataset for entry in suite.tasks for dataset in names_of(entry)}
    zero_shot, probe, few_shot = sets_of(suite, "zero_shot", "linear_probe", "few_shot")
    assert bool(probe) == (name in {"few_shot", "linear_probe", "quickstart"})
    assert bool(few_shot) == (name in {"few_shot", "quickstart"})
    assert few_shot <= probe <= zero_shot


def test_quickstart_shows_the_tasks_on_trained_and_unseen_pictures() -> None:
    suite = load_suite("quickstart")
    tasks = [settings.task for settings in suite.tasks]
    assert tasks == ["zero_shot", "robustness", "prompt_sensitivity", "retrieval", "linear_probe", "few_shot"]
    assert {"digits", "scenes-shape", "scenes-sketch", "scenes-captions"} <= set(suite.datasets)
    assert {definition.adapter for definition in suite.datasets.values()} == {"digits", "scenes"}


def test_the_linear_probe_suite_holds_those_of_the_papers_27_sets_that_have_a_train_split() -> None:
    suite = load_suite("linear_probe")
    zero_shot, probe = sets_of(suite, "zero_shot", "linear_probe")
    assert zero_shot == probe
    assert len(probe) == 27 - len({"birdsnap", "ucf101", "kinetics700", "hateful memes", "sun397"})
    assert {entry.info.regime for entry in suite.datasets.values()} == {"benchmark"}
    # What takes longest stands last.
    assert [settings.datasets for settings in suite.tasks][-2:] == [("imagenet",)] * 2


# What is written.


def test_suite_is_read_as_written(tmp_path: Path) -> None:
    text = """
name: leaves
description: Which model should sort our leaf photographs?
max_broken: 0
datasets:
  leaves: {adapter: folder, path: data/leaves/studio, regime: field}
tasks:
  - task: zero_shot
    datasets: [leaves, digits]
    prompts: [photo, imagenet-80, "a pressed leaf of {}."]
    limit: 100
  - task: retrieval
    datasets: scenes-captions
"""
    suite = load(tmp_path, text)
    assert (suite.name, suite.max_broken, suite.text) == ("leaves", 0.0, text)
    assert suite.description == "Which model should sort our leaf photographs?"
    zero_shot, retrieval = suite.tasks
    assert [variant.variant for variant in zero_shot.variants()] == ["photo", "imagenet-80", "a pressed leaf of {}."]
    assert (zero_shot.limit, retrieval.datasets) == (100, ("scenes-captions",))
    assert list(suite.datasets) == ["leaves", "digits", "scenes-captions"]


def test_suite_and_settings_have_defaults_and_are_frozen(tmp_path: Path) -> None:
    suite = load(tmp_path, DIGITS)
    assert (suite.name, suite.description, suite.max_broken) == ("mine", "", 0.01)
    assert [settings.limit for settings in suite.tasks] == [None]
    with pytest.raises(dataclasses.FrozenInstanceError):
        suite.name = "other"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        suite.tasks[0].limit = 3


def test_anchors_and_merges_save_writing(tmp_path: Path) -> None:
    text = """
tasks:
  - &small {task: zero_shot, datasets: &sets [digits, scenes-shape], limit: 50}
  - {<<: *small, limit: 100}
  - {task: zero_shot, datasets: *sets}
"""
    suite = load(tmp_path, text)
    assert [settings.limit for settings in suite.tasks] == [50, 100, None]
    assert {settings.datasets for settings in suite.tasks} == {("digits", "scenes-shape")}


def test_paths_start_from_the_suites_folder_and_no_data_set_is_opened(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "mine.yaml").write_text(WORDING)
    suite = load(tmp_path, LEAVES.format("path: no/such/folder, regime: field, prompts: prompts/mine.yaml"))
    definition = suite.datasets["leaves"]
    assert definition.arguments["path"] == tmp_path / "no/such/folder"
    assert (definition.info.regime, definition.info.prompts) == ("field", str(tmp_path / "prompts/mine.yaml"))
    assert definition.where == f"{suite.path}:2: datasets.leaves"
    suite = load(tmp_path, DIGITS.replace("digits", "digits, prompts: [photo, ./prompts/mine.yaml]"))
    _, mine = suite.tasks[0].variants()
    (choice,) = mine.prompt_choices()
    assert isinstance(choice, PromptSet)
    assert (mine.variant, choice.templates, choice.source) == ("wording", ("the {}.",), "ours")


CODE = """
from clipbench.extend import IndexedDataset

class Leaves(IndexedDataset):
    classes = ("oak", "ash")

    def __init__(self, *, year: int = 2025) -> None:
        self.year = year

    def __len__(self): ...

    def __getitem__(self, index): ...
"""


def test_data_set_of_ones_own_is_named_by_dotted_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_leaves.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    text = """
datasets:
  new-leaves: {adapter: "own_leaves:Leaves", year: 2026}
tasks:
  - {task: zero_shot, datasets: [new-leaves, "own_leaves:Leaves"]}
"""
    suite = load(tmp_path, text)
    assert [definition.adapter for definition in suite.datasets.values()] == ["own_leaves:Leaves"] * 2
    assert suite.datasets["new-leaves"].arguments == {"year": 2026}


def test_same_data_set_with_other_prompts_split_or_limit_is_another_job(tmp_path: Path) -> None:
    others = ("prompts: photo", "split: train", "limit: 10")
    text = DIGITS + "".join(f"  - {{task: zero_shot, datasets: digits, {other}}}\n" for other in others)
    assert len(load(tmp_path, text).tasks) == 4


def test_python_tags_run_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    user_error(load, tmp_path, 'tasks: !!python/object/apply:os.system ["touch run"]\n')
    assert not (tmp_path / "run").exists()


# Parts of a suite.


def test_only_keeps_the_named_data_sets_and_drops_empty_tasks() -> None:
    quickstart = load_suite("quickstart")
    suite = quickstart.only(["scenes-shape", "digits"])
    assert [(settings.task, names_of(settings)) for settings in suite.tasks] == [
        ("zero_shot", ["digits", "scenes-shape"]),
        ("robustness", ["scenes-shape"]),
        ("prompt_sensitivity", ["digits"]),
        ("linear_probe", ["digits"]),
    ]
    assert set(suite.datasets) == {"digits", "scenes-shape"}
    error = user_error(quickstart.only, ["digits", "scene-shape"])
    assert (error.where, error.fix) == (str(quickstart.path), "did you mean 'scenes-shape'?")


def test_limit_is_set_on_every_task(tmp_path: Path) -> None:
    suite = load(tmp_path, DIGITS.replace("digits", "digits, limit: 5"))
    assert [settings.limit for settings in suite.with_limit(20).tasks] == [20]
    assert [settings.limit for settings in suite.tasks] == [5]
    assert "a limit of 0" in user_error(suite.with_limit, 0).problem


def test_loading_a_suite_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from clipbench.suite.loading import load_suite; load_suite('quickstart'); "
        "print(sorted({'torch', 'open_clip', 'pandas', 'sklearn', 'datasets', 'scipy', 'plotly'} & set(sys.modules)))"
    )
    assert printed_by(code, tmp_path) == "[]"


# The schema.


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return suite_schema()


def test_schema_is_json_of_a_stated_dialect_whose_references_lead_somewhere(schema: dict[str, Any]) -> None:
    text = json.dumps(schema, allow_nan=False)
    assert json.loads(text) == schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (schema["required"], schema["additionalProperties"]) == (["tasks"], False)
    references = re.findall(r'"\$ref": "#/\$defs/([^"]+)"', text)
    assert len(references) == text.count("$ref") > 0
    assert set(references) <= set(schema["$defs"])


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


def test_packaged_suites_are_valid_and_broken_ones_are_not(schema: dict[str, Any]) -> None:
    validator = pytest.importorskip("jsonschema").Draft202012Validator(schema)
    for name in packaged_files("suites"):
        validator.validate(yaml.safe_load(find_suite(name).read_text(encoding="utf-8")))
    broken = [BROKEN[name][0] for name in ("unknown_task", "wrong_type", "unknown_argument", "no_tasks")]
    for text in (EXACT["unknown_key"].read_text(), *broken):
        assert not validator.is_valid(yaml.safe_load(text)), text
