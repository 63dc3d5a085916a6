"""Suites: what a user writes becomes frozen settings, and what is wrong gets one exact message."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from clipbench.documents.packaged import suite_names
from clipbench.errors import UserError
from clipbench.prompts.sets import PromptSet
from clipbench.suite.loading import Suite, load_suite

BROKEN = sorted((Path(__file__).parent / "suites_broken").glob("*.yaml"))


def write(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def load(folder: Path, text: str) -> Suite:
    return load_suite(write(folder, text))


def message(folder: Path, text: str) -> str:
    path = write(folder, text)
    with pytest.raises(UserError) as caught:
        load_suite(path)
    return str(caught.value).replace(str(path), "mine.yaml")


@pytest.mark.parametrize("path", BROKEN, ids=[path.stem for path in BROKEN])
def test_broken_suite_gives_exactly_its_message(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parents[1])
    with pytest.raises(UserError) as caught:
        load_suite(f"suites_broken/{path.name}")
    assert str(caught.value) == path.with_suffix(".txt").read_text(encoding="utf-8").rstrip("\n")


def test_python_tags_run_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    message(tmp_path, 'tasks: !!python/object/apply:os.system ["touch run"]\n')
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", suite_names())
def test_packaged_suite_loads_by_its_name(name: str) -> None:
    suite = load_suite(name)
    assert suite.name == name
    assert suite.description
    assert set(suite.datasets) == {dataset for settings in suite.tasks for _, dataset in settings.named()}


def test_quickstart_shows_the_tasks_on_trained_and_unseen_pictures() -> None:
    suite = load_suite("quickstart")
    tasks = [settings.task for settings in suite.tasks]
    assert tasks == ["zero_shot", "robustness", "prompt_sensitivity", "retrieval", "linear_probe", "few_shot"]
    assert {"digits", "scenes-shape", "scenes-sketch", "scenes-captions"} <= set(suite.datasets)
    assert {definition.adapter for definition in suite.datasets.values()} == {"digits", "scenes"}


LEARNT = [name for name in suite_names() if {"linear_probe", "few_shot"} & {t.task for t in load_suite(name).tasks}]


def by_task(name: str) -> dict[str, set[str]]:
    sets: dict[str, set[str]] = {}
    for settings in load_suite(name).tasks:
        sets.setdefault(settings.task, set()).update(name for _, name in settings.named())
    return sets


def test_suites_with_heads() -> None:
    assert LEARNT == ["few_shot", "linear_probe", "quickstart"]


@pytest.mark.parametrize("name", LEARNT)
def test_what_is_learnt_has_zero_shot_and_a_probe_beside_it(name: str) -> None:
    sets = by_task(name)
    assert sets["linear_probe"] <= sets["zero_shot"]
    assert sets.get("few_shot", set()) <= sets["linear_probe"]


def test_the_linear_probe_suite_holds_those_of_the_papers_27_sets_that_have_a_train_split() -> None:
    sets = by_task("linear_probe")
    assert sets["linear_probe"] == sets["zero_shot"]
    assert len(sets["linear_probe"]) == 27 - len({"birdsnap", "ucf101", "kinetics700", "hateful memes", "sun397"})
    shifts = {name for name, entry in load_suite("linear_probe").datasets.items() if entry.info.regime != "benchmark"}
    assert not shifts
    # What takes longest stands last.
    assert [settings.datasets for settings in load_suite("linear_probe").tasks][-2:] == [("imagenet",)] * 2


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


def test_paths_start_from_the_suites_folder_and_nothing_is_opened(tmp_path: Path) -> None:
    text = """
datasets:
  leaves: {adapter: folder, path: no/such/folder, regime: field}
tasks:
  - {task: zero_shot, datasets: leaves}
"""
    suite = load(tmp_path, text)
    definition = suite.datasets["leaves"]
    assert definition.arguments["path"] == tmp_path / "no/such/folder"
    assert definition.info.regime == "field"
    assert definition.where == f"{suite.path}:3: datasets.leaves"


def test_defaults(tmp_path: Path) -> None:
    suite = load(tmp_path, "tasks:\n  - {task: zero_shot, datasets: digits}\n")
    assert (suite.name, suite.description, suite.max_broken) == ("mine", "", 0.01)
    assert [settings.limit for settings in suite.tasks] == [None]


def test_suite_and_settings_are_frozen(tmp_path: Path) -> None:
    suite = load(tmp_path, "tasks:\n  - {task: zero_shot, datasets: digits}\n")
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


def test_prompt_file_is_found_beside_the_suite(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    write(tmp_path / "prompts", "name: wording\nsource: ours\ntemplates: ['the {}.']\n", "mine.yaml")
    suite = load(tmp_path, "tasks:\n  - {task: zero_shot, datasets: digits, prompts: [photo, ./prompts/mine.yaml]}\n")
    _, mine = suite.tasks[0].variants()
    (choice,) = mine.prompt_choices()
    assert isinstance(choice, PromptSet)
    assert (mine.variant, choice.templates, choice.source) == ("wording", ("the {}.",), "ours")


def test_data_set_may_name_a_prompt_file(tmp_path: Path) -> None:
    write(tmp_path, "name: wording\nsource: ours\ntemplates: ['the {}.']\n", "wording.yaml")
    text = """
datasets:
  leaves: {adapter: folder, path: leaves, prompts: wording.yaml}
tasks:
  - {task: zero_shot, datasets: leaves}
"""
    assert load(tmp_path, text).datasets["leaves"].info.prompts == str(tmp_path / "wording.yaml")


LEAVES = """
from clipbench.extend import Example, IndexedDataset

class Leaves(IndexedDataset):
    classes = ("oak", "ash")

    def __init__(self, *, year: int = 2025) -> None:
        self.year = year

    def __len__(self) -> int:
        return 0

    def __getitem__(self, index: int) -> Example:
        raise IndexError(index)
"""


def test_data_set_of_ones_own_is_named_by_dotted_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, LEAVES, "own_leaves.py")
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


def test_data_set_by_a_dotted_path_that_leads_nowhere(tmp_path: Path) -> None:
    text = "tasks:\n  - {task: zero_shot, datasets: 'no_such_package:Leaves'}\n"
    assert message(tmp_path, text).startswith("mine.yaml:2: tasks[0].datasets: cannot import 'no_such_package'")


def test_broken_data_set_is_one_problem_not_two(tmp_path: Path) -> None:
    text = """
datasets:
  leaves: {adapter: folder, pth: leaves}
tasks:
  - {task: zero_shot, datasets: [leaves]}
"""
    assert message(tmp_path, text) == "mine.yaml:3: datasets.leaves.pth: unknown key; did you mean 'path'?"


def test_bare_word_that_yaml_does_not_read_as_text_is_explained_in_a_data_set(tmp_path: Path) -> None:
    text = "datasets:\n  leaves: {adapter: folder, path: off}\ntasks:\n  - {task: zero_shot, datasets: leaves}\n"
    assert message(tmp_path, text).endswith("; YAML reads off as false: write 'off' in quotes")


def test_same_data_set_with_other_prompts_split_or_limit_is_another_job(tmp_path: Path) -> None:
    text = """
tasks:
  - {task: zero_shot, datasets: digits}
  - {task: zero_shot, datasets: digits, prompts: photo}
  - {task: zero_shot, datasets: digits, split: train}
  - {task: zero_shot, datasets: digits, limit: 10}
"""
    assert len(load(tmp_path, text).tasks) == 4


@pytest.mark.parametrize("name", ["..", ".hidden", "", " ", "a\\b"])
def test_name_must_fit_a_folder(tmp_path: Path, name: str) -> None:
    text = f"name: '{name}'\ntasks:\n  - {{task: zero_shot, datasets: digits}}\n"
    assert "cannot be the name of a results folder" in message(tmp_path, text)


@pytest.mark.parametrize("share", ["-0.1", "1.5", ".nan", ".inf"])
def test_max_broken_is_a_share(tmp_path: Path, share: str) -> None:
    text = f"max_broken: {share}\ntasks:\n  - {{task: zero_shot, datasets: digits}}\n"
    assert message(tmp_path, text).startswith("mine.yaml:1: max_broken: ")


def test_only_keeps_the_named_data_sets_and_drops_empty_tasks() -> None:
    suite = load_suite("quickstart").only(["scenes-shape", "digits"])
    tasks = [(settings.task, [name for _, name in settings.named()]) for settings in suite.tasks]
    assert tasks == [
        ("zero_shot", ["digits", "scenes-shape"]),
        ("robustness", ["scenes-shape"]),
        ("prompt_sensitivity", ["digits"]),
        ("linear_probe", ["digits"]),
    ]
    assert set(suite.datasets) == {"digits", "scenes-shape"}


def test_only_with_an_unknown_name_gives_the_nearest() -> None:
    suite = load_suite("quickstart")
    with pytest.raises(UserError) as caught:
        suite.only(["digits", "scene-shape"])
    assert str(caught.value) == (
        f"{suite.path}: the suite uses no data set 'scene-shape'; did you mean 'scenes-shape'?"
    )


def test_limit_is_set_on_every_task(tmp_path: Path) -> None:
    suite = load(tmp_path, "tasks:\n  - {task: zero_shot, datasets: digits, limit: 5}\n")
    assert [settings.limit for settings in suite.with_limit(20).tasks] == [20]
    assert [settings.limit for settings in suite.tasks] == [5]
    with pytest.raises(UserError, match="a limit of 0 leaves nothing to evaluate"):
        suite.with_limit(0)


def test_loading_a_suite_imports_nothing_heavy() -> None:
    code = (
        "import sys; from clipbench.suite.loading import load_suite; load_suite('quickstart'); "
        "print(sorted({'torch', 'open_clip', 'pandas', 'sklearn', 'datasets', 'scipy', 'plotly'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
