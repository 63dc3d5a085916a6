"""One part of a run that is broken costs its own jobs: whatever it raises, in planning as in running."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipbench import load_results
from clipbench.errors import UnknownName

from ..conftest import CommandLine

PARTS = """
import sys
from typing import ClassVar

import torch
from clipbench import Example, IndexedDataset
from clipbench.datasets.adapters.scenes.scenes import Scenes
from clipbench.extend import TaskSettings
from clipbench.tasks.classify.zero_shot import ZeroShot, ZeroShotSettings
from colour_words_model import ColourWords


class Ends(IndexedDataset):
    classes = ("red", "blue")

    def __len__(self):
        sys.exit(0)

    def __getitem__(self, index):
        raise NotImplementedError


class Raises(IndexedDataset):
    classes = ("red", "blue")

    def __init__(self):
        raise RecursionError("too deep \\ud800")

    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise NotImplementedError


class NoModel:
    def __init__(self):
        sys.exit("no licence for this model")


class NoTokens(ColourWords):
    def tokenize(self, texts):
        raise ZeroDivisionError("no tokens")


class NoImages(ColourWords):
    def encode_images(self, pixels):
        raise SystemExit(0)


class NoPixels(ColourWords):
    def __init__(self, device):
        super().__init__(device)
        self.transform = broken_transform


def broken_transform(image):
    raise GeneratorExit("no pixels")


class OwnSettings(ZeroShotSettings):
    task: str


class BrokenTask(ZeroShot):
    name: ClassVar[str] = "broken_task"
    Settings = OwnSettings

    def evaluate(self, inputs, settings, prompts):
        sys.exit(0)


class BrokenSettings(OwnSettings):

    def jobs(self):
        raise KeyError("no jobs")


class BadSettings(ZeroShot):
    name: ClassVar[str] = "bad_settings"
    Settings = BrokenSettings


class NotANumber(ZeroShot):
    name: ClassVar[str] = "not_a_number"
    Settings = OwnSettings

    def evaluate(self, inputs, settings, prompts):
        from dataclasses import replace
        outcome = super().evaluate(inputs, settings, prompts)
        return replace(outcome, metrics=tuple(replace(m, value=float("nan")) for m in outcome.metrics))
"""
SUITE = """
name: mixed
datasets:
  one: {adapter: scenes, by: colour, n: 16}
  two: {adapter: scenes, by: colour, n: 24}
  three: {adapter: scenes, by: colour, n: 32}
  four: {adapter: scenes, by: colour, n: 40}
  ends: {adapter: "parts:Ends"}
  raises: {adapter: "parts:Raises"}
tasks:
  - {task: zero_shot, datasets: [one, ends, two, raises, three, four], prompts: "a {} thing."}
"""
REPOSITORY = Path(__file__).resolve().parents[2]
WITH_EXAMPLES = {"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'examples'}"}


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    (tmp_path / "parts.py").write_text(PARTS)
    return tmp_path


def test_two_broken_data_sets_and_a_broken_model_cost_their_own_jobs(clipbench: CommandLine, parts: Path):
    (parts / "mixed.yaml").write_text(SUITE)
    models = ["-m", "clip-tiny", "-m", "parts:NoModel", "-m", "words=colour_words_model:ColourWords"]
    run = clipbench("run", "mixed.yaml", *models, env=WITH_EXAMPLES)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr
    assert "10 jobs failed; the same command runs them again" in run.stdout
    jobs = load_results(parts / "results" / "mixed").jobs()
    done = {(job.model, job.dataset) for job in jobs if job.status == "done"}
    assert done == {(model, name) for model in ("clip-tiny", "words") for name in ("one", "two", "three", "four")}
    errors = {(job.model, job.dataset): job.error for job in jobs if job.status == "failed"}
    assert errors["clip-tiny", "ends"] == "unexpected SystemExit: 0"
    assert errors["words", "raises"] == r"unexpected RecursionError: too deep \ud800"
    assert {error for (model, _), error in errors.items() if model == "parts:NoModel"} == {
        "unexpected SystemExit: no licence for this model"
    }
    assert len(errors) == 10
    page = (parts / "results" / "mixed" / "report.html").read_text()
    assert "no licence for this model" in page
    assert "words" in page


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("parts:NoTokens", "unexpected ZeroDivisionError: no tokens"),
        ("parts:NoImages", "unexpected SystemExit: 0"),
        ("parts:NoPixels", "unexpected GeneratorExit: no pixels"),
    ],
)
def test_a_model_that_breaks_while_it_encodes_fails_its_own_jobs(make_runner, parts, monkeypatch, model, error):
    monkeypatch.syspath_prepend(str(parts))
    runner = make_runner(SUITE.replace(", ends, two, raises, three, four", ""), models=[model, "clip-tiny"])
    plan = runner.plan()
    assert [job.problem for job in plan.jobs] == [error, ""]
    assert {job.model: (job.status, job.error) for job in runner.run().jobs()} == {
        model: ("failed", error),
        "clip-tiny": ("done", ""),
    }


@pytest.mark.parametrize(
    ("task", "error"),
    [
        ("BrokenTask", "unexpected SystemExit: 0"),
        ("BadSettings", "unexpected KeyError: 'no jobs'"),
        ("NotANumber", "unexpected ValueError: Out of range float values are not JSON compliant: nan"),
    ],
)
def test_a_task_that_breaks_fails_its_own_jobs(make_runner, parts, monkeypatch, task, error):
    monkeypatch.syspath_prepend(str(parts))
    one = SUITE.replace(", ends, two, raises, three, four", "")
    settings = f"  - {{task: 'parts:{task}', datasets: [one], prompts: 'a {{}} thing.'}}\n"
    results = make_runner(one + settings).run()
    assert sorted((job.status, job.error) for job in results.jobs()) == [("done", ""), ("failed", error)]


def test_a_setting_that_is_no_number_is_refused_in_the_suite(clipbench: CommandLine, tmp_path: Path):
    (tmp_path / "mixed.yaml").write_text("tasks: [{task: linear_probe, datasets: digits, C: .inf}]")
    run = clipbench("run", "mixed.yaml", "-m", "clip-tiny")
    assert run.returncode == 2
    assert "mixed.yaml:1: tasks[0].C: inf is not allowed" in run.stderr


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("parts:Missing", "module 'parts' has no 'Missing'"),
        ("nowhere_at_all:Model", "cannot import 'nowhere_at_all' (No module named 'nowhere_at_all')"),
        ("raising:Model", "cannot import 'raising' (unexpected ValueError: a bug at import)"),
        ("ending:Model", "cannot import 'ending' (unexpected SystemExit: 0)"),
        ("open_clip:ViT-B-32/random", "metaclip_fullcc, openai"),
        ("local:nowhere", "nowhere: no such folder"),
        ("siglip", "did you mean 'vit-b-16-siglip'"),
        ("ViT-B-32/openai", "did you mean 'open_clip:ViT-B-32/openai'?"),
        ("openai/clip-vit-base-patch32", "did you mean 'hf:openai/clip-vit-base-patch32'?"),
    ],
)
def test_a_model_that_cannot_be_found_is_refused_with_what_is_near(make_runner, parts, monkeypatch, name, words):
    monkeypatch.syspath_prepend(str(parts))
    (parts / "raising.py").write_text("raise ValueError('a bug at import')")
    (parts / "ending.py").write_text("import sys; sys.exit(0)")
    suite = SUITE.replace(", ends, two, raises, three, four", "")
    with pytest.raises(UnknownName) as refused:
        make_runner(suite, models=["clip-tiny", name]).run()
    assert words in str(refused.value)
    assert not (parts / "results").exists()
