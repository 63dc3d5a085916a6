"""Tasks are found by name, by dotted path and in installed packages, and imported only when asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clipbench.errors import UserError
from clipbench.suite.loading import load_suite
from clipbench.tasks.registry import TASKS, load_task, task_names

PLUGIN = """
from typing import Literal
from clipbench.extend import TaskSettings

class CountSettings(TaskSettings):
    task: Literal["count_images"]
    step: int = 1

class CountImages:
    name = "count_images"
    protocol = 1
    Settings = CountSettings

    def needs(self, settings, dataset, model, prompts):
        raise NotImplementedError

    def evaluate(self, inputs, settings, prompts):
        raise NotImplementedError

class Nothing:
    name = "nothing"
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make an installed package that adds a task."""
    (tmp_path / "counting_task.py").write_text(PLUGIN, encoding="utf-8")
    metadata = tmp_path / "counting-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: counting\nVersion: 1.0\n", encoding="utf-8")
    points = "[clipbench.tasks]\ncount_images = counting_task:CountImages\nzero_shot = counting_task:CountImages\n"
    (metadata / "entry_points.txt").write_text(points, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize("name", TASKS)
def test_task_bears_its_name(name: str) -> None:
    task = load_task(name)
    assert task.name == name
    assert task.protocol >= 1


def test_unknown_task_gives_the_nearest() -> None:
    with pytest.raises(UserError) as caught:
        load_task("zeroshot", where="a.yaml:3")
    assert str(caught.value) == "a.yaml:3: unknown task 'zeroshot'; did you mean 'zero_shot'?"


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("datasets", ["[digits]", "digits"])
def test_installed_package_adds_a_task_to_suites(tmp_path: Path, datasets: str) -> None:
    assert "count_images" in task_names()
    suite = tmp_path / "mine.yaml"
    suite.write_text(f"tasks:\n  - {{task: count_images, datasets: {datasets}, step: 2}}\n", encoding="utf-8")
    (settings,) = load_suite(suite).tasks
    assert (settings.model_dump()["step"], settings.datasets) == (2, ("digits",))


@pytest.mark.usefixtures("plugin")
def test_installed_package_cannot_take_over_a_name() -> None:
    assert type(load_task("zero_shot")).__module__ == "clipbench.tasks.classify.zero_shot"


@pytest.mark.usefixtures("plugin")
def test_dotted_path() -> None:
    assert load_task("counting_task:CountImages").name == "count_images"
    with pytest.raises(UserError) as caught:
        load_task("counting_task:Nothing")
    assert str(caught.value).startswith(
        "'counting_task:Nothing' is not a task: it lacks protocol, Settings, needs, evaluate; see"
    )


def test_listing_tasks_imports_none() -> None:
    code = (
        "import sys; from clipbench.tasks.registry import task_names; task_names(); "
        "print([name for name in sys.modules if name in ('clipbench.tasks.classify.zero_shot', 'torch', 'pandas')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
