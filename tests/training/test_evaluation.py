"""Scores during a training: those of a run on the written model, and nothing of the training changes by them."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path

import PIL.Image
import pytest
import torch
from safetensors.torch import load_file

from clipbench.errors import UserError
from clipbench.results.records import JobResult
from clipbench.runs.runner import Runner
from clipbench.tasks.classify.zero_shot import ZeroShot
from clipbench.training.loop import Progress
from clipbench.training.monitor.evaluation import Evaluations, Score
from clipbench.training.recipe import load_recipe
from clipbench.training.start import build
from clipbench.training.start import train as train_model

from ..conftest import command_environment, user_error

DATASETS = "{pictures: {adapter: table, path: captions.csv, image: file, caption: text}}"
RECIPE = f"""
name: small
datasets: {DATASETS}
data: [{{dataset: digits, split: train}}]
towers:
  config:
    embed_dim: 16
    vision_cfg: {{image_size: 16, patch_size: 8, width: 64, layers: 1, patch_dropout: 0.5}}
    text_cfg: {{context_length: 16, vocab_size: 49408, width: 64, heads: 1, layers: 1}}
optimiser: {{rate: 1.0e-2}}
schedule: {{batch: 16, steps: 4}}
"""
RESNET = """towers={config: {embed_dim: 16,
  vision_cfg: {image_size: 32, layers: [1, 1, 1, 1], width: 16},
  text_cfg: {context_length: 16, vocab_size: 49408, width: 64, heads: 1, layers: 1}}}"""
BOTH = "evaluate=[{dataset: digits, limit: 100}, {dataset: pictures}]"

Train = Callable[..., list[Progress]]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recipe, and pictures with two captions each, of which one is broken."""
    (tmp_path / "small.yaml").write_text(RECIPE)
    with (tmp_path / "captions.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "text"])
        for number in range(24):
            image = PIL.Image.effect_mandelbrot((40 + number, 30), (-2 + number / 20, -1, 1, 1), 20 + number)
            image.convert("RGB").save(tmp_path / f"{number}.png")
            rows.writerows([[f"{number}.png", f"picture {number}"], [f"{number}.png", f"a drawing of {number} things"]])
    (tmp_path / "23.png").write_bytes(b"no image")
    return tmp_path


@pytest.fixture
def trained(folder: Path) -> Train:
    def train(*settings: str, output: str = "model", resume: bool = False) -> list[Progress]:
        seen: list[Progress] = []
        loaded = load_recipe(folder / "small.yaml", settings)
        train_model(loaded, folder / output, resume=resume, progress=seen.append)
        return seen

    return train


def scores(seen: Sequence[Progress]) -> list[Score]:
    return [score for progress in seen for score in progress.scores]


SUITE = f"""
name: same
datasets: {DATASETS}
max_broken: 0.1
tasks:
  - {{task: zero_shot, datasets: [digits], limit: 100}}
  - {{task: retrieval, datasets: [pictures]}}
"""


def assert_same(found: Score, job: JobResult) -> None:
    assert job.main is not None
    assert (found.dataset, found.split, found.task) == (job.dataset, job.split, job.task)
    assert found.metrics == pytest.approx({record.metric: record.value for record in job.records}, abs=1e-6)
    assert (found.metric, found.unit, found.low, found.high) == (
        job.main.metric,
        job.main.unit,
        job.main.low,
        job.main.high,
    )
    assert (found.n, found.broken) == (job.main.n, job.n_broken)


def test_scores_of_a_good_model_are_those_of_a_run(make_runner: Callable[..., Runner]) -> None:
    """clip-tiny, put into the towers that a training begins with."""
    evaluate = "evaluate=[{dataset: digits, limit: 100}, {dataset: scenes-captions, limit: 100}]"
    loaded = load_recipe("clip-tiny", [evaluate])
    model = build(loaded)
    packaged = files("clipbench.models.reference").joinpath("clip-tiny", "model.safetensors")
    model.model.load_state_dict(load_file(str(packaged)), strict=False)
    digits, captions = Evaluations(loaded, model).at(1, 1)
    asked = (
        "{task: zero_shot, datasets: [digits], limit: 100}",
        "{task: retrieval, datasets: [scenes-captions], limit: 100}",
    )
    run = make_runner(f"name: same\ntasks: [{', '.join(asked)}]\n", models=["clip-tiny"]).run()
    for found, job in zip((digits, captions), run.jobs(), strict=True):
        assert_same(found, job)
        assert (found.value or 0) > 0.5
    assert model.model.training


@pytest.mark.slow
@pytest.mark.parametrize("towers", [(), (RESNET,)])
def test_scores_are_those_of_a_run_on_the_written_model(
    trained: Train, folder: Path, make_runner: Callable[..., Runner], towers: Sequence[str]
) -> None:
    digits, pictures = scores(trained(BOTH, *towers))
    run = make_runner(SUITE, models=[f"open_clip:local-dir:{folder / 'model'}"]).run()
    for found, job in zip((digits, pictures), run.jobs(), strict=True):
        assert_same(found, job)
    assert (digits.task, digits.n, digits.broken, digits.label) == ("zero_shot", 100, 0, "top-1")
    assert (pictures.task, pictures.n, pictures.broken) == ("retrieval", 23, 1)


@pytest.mark.slow
def test_scores_of_a_model_trained_on_photographs_are_those_of_a_run(
    trained: Train, folder: Path, shared_data: Path, make_runner: Callable[..., Runner]
) -> None:
    flickr = f"{{adapter: webdataset, path: {shared_data / 'flickr8k_sample'}}}"
    settings = [
        f"datasets={{flickr: {flickr}}}",
        "data=[{dataset: flickr, split: test}]",
        "evaluate=[{dataset: flickr}]",
    ]
    (found,) = scores(trained(*settings))
    suite = f"name: same\ndatasets: {{flickr: {flickr}}}\ntasks: [{{task: retrieval, datasets: [flickr]}}]\n"
    (job,) = make_runner(suite, models=[f"open_clip:local-dir:{folder / 'model'}"]).run().jobs()
    # A pair of 500 images or 2,500 captions whose scores differ by rounding alone may change places.
    expected = {record.metric: record.value for record in job.records}
    assert found.metrics == pytest.approx(expected, rel=1e-3, abs=1 / 2500)
    assert (found.n, found.trained_on) == (500, True)


@pytest.mark.parametrize("towers", [(), pytest.param((RESNET,), marks=pytest.mark.slow)])
def test_a_training_has_the_same_losses_with_and_without_scores(trained: Train, towers: Sequence[str]) -> None:
    """The image tower drops patches at random and, of the other kind, has batch statistics: both would show."""
    alone = [progress.loss for progress in trained(*towers, output="alone")]
    seen = trained(BOTH, "evaluate_every=1", *towers, output="evaluated")
    assert [progress.loss for progress in seen] == alone
    assert [len(progress.scores) for progress in seen] == [2, 2, 2, 2]


def test_scores_come_every_so_many_steps_and_at_the_end(trained: Train) -> None:
    evaluate = "evaluate=[{dataset: digits, limit: 20, prompts: 'the number {}'}]"
    seen = trained(evaluate, "evaluate_every=3")
    assert [progress.step for progress in seen if progress.scores] == [3, 4]
    assert {score.prompts for score in scores(seen)} == {"the number {}"}


def test_a_task_that_fails_costs_its_score_and_not_the_training(
    trained: Train, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("no luck")

    monkeypatch.setattr(ZeroShot, "evaluate", broken)
    seen = trained(BOTH)
    digits, pictures = scores(seen)
    assert (digits.value, digits.problem) == (None, "unexpected ZeroDivisionError: no luck")
    assert pictures.value is not None
    assert (folder / "model" / "open_clip_model.safetensors").exists()
    written = json.loads((folder / "model" / "log.jsonl").read_text().splitlines()[-1])["scores"][0]
    assert written["problem"] == digits.problem


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("evaluate=[{dataset: digitz}]", r"evaluate\[0\].dataset: unknown data set 'digitz'; did you mean 'digits'"),
        ("evaluate_every=2", "no effect without `evaluate`"),
        ("evaluate=[{dataset: digits, split: tset}]", "there is no split 'tset'; it has: test, train"),
        ("evaluate=[{dataset: digits, task: retrieval}]", "has no captions"),
        ("evaluate=[{dataset: pictures, task: zero_shot}]", "has no classes"),
        ("evaluate=[{dataset: pictures, prompts: a {}}]", r"evaluate\[0\].*takes no prompts"),
        ("evaluate=[{dataset: digits, prompts: nonesuch}]", "nonesuch"),
    ],
)
def test_what_cannot_be_evaluated_is_told_before_the_training(
    trained: Train, folder: Path, setting: str, told: str
) -> None:
    setting = setting.replace("a {}", "'a {}'")
    with pytest.raises(UserError, match=told):
        trained(setting)
    assert not (folder / "model").exists()


def test_a_broken_set_is_told_before_the_training(trained: Train, folder: Path) -> None:
    for picture in folder.glob("*.png"):
        picture.write_bytes(b"no image")
    error = user_error(trained, BOTH)
    assert error.where == "recipe small: evaluate[1]: pictures/test"
    assert "none of its first images can be decoded" in error.problem
    assert not (folder / "model").exists()


def test_a_training_that_goes_on_may_be_evaluated_otherwise(trained: Train, folder: Path) -> None:
    """Its time left is that of the steps since it went on, and its log has the scores that a crash has left."""

    def stop(progress: Progress) -> None:
        if progress.step == 3:
            raise KeyboardInterrupt

    few = "evaluate=[{dataset: digits, limit: 20}]"
    settings = ("save_every=2", "evaluate_every=1")
    with pytest.raises(KeyboardInterrupt):
        train_model(load_recipe(folder / "small.yaml", [few, *settings]), folder / "model", progress=stop)
    assert (folder / "model" / "curves.html").exists()
    third, last = trained(f"datasets={DATASETS}", "evaluate=[{dataset: pictures}]", *settings, resume=True)
    assert (third.step, third.seconds_left) == (3, pytest.approx(third.seconds))
    assert (last.step, last.seconds_left) == (4, 0.0)
    lines = [json.loads(line) for line in (folder / "model" / "log.jsonl").read_text().splitlines()]
    logged = [(line["step"], line["scores"][0]["dataset"]) for line in lines]
    assert logged == [(1, "digits"), (2, "digits"), (3, "pictures"), (4, "pictures")]


@pytest.mark.slow
def test_of_two_processes_the_first_evaluates(trained: Train, folder: Path) -> None:
    evaluate = "evaluate=[{dataset: digits, limit: 100}]"
    # Nothing drops out: that is drawn anew in each process.
    towers = "towers.config.vision_cfg.patch_dropout=0.0"
    expected = scores(trained(evaluate, "evaluate_every=2", towers, output="one"))
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "clipbench", "train"]
    given = ["--device", "cpu", "--threads", "1", "--output", str(folder / "two")]
    settings = [part for setting in (evaluate, "evaluate_every=2", towers) for part in ("--set", setting)]
    done = subprocess.run(
        [sys.executable, *command, str(folder / "small.yaml"), *given, *settings],
        check=True,
        capture_output=True,
        text=True,
        env=command_environment(folder),
    )
    lines = [json.loads(line) for line in (folder / "two" / "log.jsonl").read_text().splitlines()]
    found = [score["value"] for line in lines for score in line.get("scores", ())]
    assert found == pytest.approx([score.value for score in expected], abs=0.011)
    assert done.stdout.count("digits test, zero_shot") == 2


def test_images_that_are_trained_on_are_marked_whatever_the_set_is_called(trained: Train) -> None:
    named = (
        "{dataset: digits, limit: 9}",
        "{dataset: digits, split: train, limit: 9}",
        "{dataset: same, split: train}",
    )
    evaluate = f"evaluate=[{', '.join(named)}]"
    seen = scores(trained("datasets={same: {adapter: digits}}", evaluate, "schedule.steps=1"))
    assert [score.trained_on for score in seen] == [False, True, True]
