"""The plan says what would be embedded, what is there already and how long it takes; it fetches and writes nothing."""

from __future__ import annotations

import errno
import os
from io import StringIO

import pytest
from rich.console import Console

from clipbench import Example, IndexedDataset
from clipbench.cli.console import format_bytes, format_seconds
from clipbench.cli.plan import print_plan
from clipbench.models.base import Availability
from clipbench.results.records import JobResult
from clipbench.runs.progress import ProgressListener
from clipbench.runs.runner import Runner

SUITE = """
name: planned
datasets:
  few: {adapter: scenes, by: colour, n: 30}
  gone: {adapter: folder, path: nowhere}
tasks:
  - task: zero_shot
    datasets: [few, gone]
    prompts: ["a {} thing.", own]
"""


@pytest.fixture
def runner(make_runner) -> Runner:
    return make_runner(SUITE)


def printed(runner: Runner) -> str:
    console = Console(file=StringIO(), width=200)
    print_plan(console, runner.plan(), problems=True)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_shared_images_and_texts_are_counted_for_the_first_job_that_needs_them(runner: Runner):
    first, own, gone, _ = runner.plan().jobs
    assert (first.images, first.new_images, own.new_images) == (30, 30, 0)
    assert (first.texts, first.new_texts) == (8, 8)
    assert own.texts == 40
    assert own.new_texts == 32, "'a {} thing.' is among the data set's own templates"
    assert "nowhere" in gone.problem


def test_one_model_under_two_names_is_embedded_once(make_runner):
    suite = SUITE.replace("few, gone", "few").replace(", own]", "]")
    first, second = make_runner(suite, models=["clip-tiny", "mine=clip-tiny"]).plan().jobs
    assert (first.new_images, first.new_texts) == (30, 8)
    assert (second.new_images, second.new_texts) == (0, 0)


def test_what_is_done_and_what_is_stored_is_not_planned_again(runner: Runner):
    runner.run()
    again = runner.plan()
    assert [job.done for job in again.jobs] == [True, True, False, False]
    assert again.seconds == 0.0
    for path in (runner.results.folder / "jobs").glob("*.json"):
        path.unlink()
    stored = runner.plan().jobs[0]
    assert (stored.done, stored.new_images, stored.new_texts) == (False, 0, 0)


def test_a_plan_writes_no_embedding_and_no_result(runner: Runner):
    runner.plan()
    assert not runner.results.folder.exists()
    assert not list(runner.options.cache.rglob("*.safetensors"))


def test_a_long_plan_suggests_to_do_less(runner: Runner, make_runner):
    assert "--limit" not in printed(runner)
    model = runner.models[0]
    model.store.keep_measured(model.fingerprint, "rate-cpu-64", {"images": 0.01, "texts": 1.0})
    text = printed(make_runner(SUITE))
    assert "estimated time 51 min" in text
    assert "--only NAME" in text
    assert "--limit N" in text


def test_retrieval_on_a_set_without_captions_is_known_to_fail(make_runner):
    suite = "datasets: {few: {adapter: scenes, by: colour, n: 30}}\ntasks: [{task: retrieval, datasets: [few]}]"
    (job,) = make_runner(suite).plan().jobs
    assert job.problem == "few: has no captions; retrieval needs them"


def test_a_job_that_will_fail_says_why(runner: Runner):
    text = printed(runner)
    assert "fails" in text
    assert "nowhere: is not a folder" in text


class Opened(IndexedDataset):
    """A data set that counts how often it is opened, and fails to say how long it is."""

    classes = ("red", "blue")
    times = 0

    def __init__(self) -> None:
        type(self).times += 1

    def __len__(self) -> int:
        raise ZeroDivisionError("a bug of the user's own")

    def __getitem__(self, index: int) -> Example:
        raise NotImplementedError


def test_a_data_set_with_a_bug_fails_its_own_jobs_and_is_opened_once_for_plan_and_run(make_runner, monkeypatch):
    monkeypatch.setattr(Opened, "times", 0)
    name = f"{__name__}:Opened"
    runner = make_runner(SUITE.replace("few, gone", f"few, {name}").replace(", own]", "]"))
    few, broken = runner.plan().jobs
    assert (few.problem, few.new_images) == ("", 30)
    assert broken.problem == "unexpected ZeroDivisionError: a bug of the user's own"
    jobs = {job.dataset: job for job in runner.run().jobs()}
    assert (jobs["few"].status, jobs[name].status, jobs[name].error) == ("done", "failed", broken.problem)
    assert Opened.times == 1


def test_what_a_model_says_of_itself_once_it_is_fetched_is_what_the_run_goes_by(make_runner, monkeypatch):
    runner = make_runner(SUITE.partition("tasks")[0] + "tasks: [{task: knn, datasets: few, k: 5}]")
    absent = Availability(local=False, where="elsewhere", download_bytes=5_000)
    monkeypatch.setattr(type(runner.models[0].source), "look", lambda source: absent)
    (cost,) = runner.plan().jobs
    assert (cost.problem, cost.new_images, cost.seconds, cost.memory_bytes) == ("", 60, None, None)
    # Before the fetch it may have features before a projection, which are then taken; it has none.
    assert [job.status for job in runner.run().jobs()] == ["done"]


def test_a_listener_hears_of_every_step(make_runner):
    heard: list[str] = []

    class Ear(ProgressListener):
        def started(self, job: object, total: int | None, unit: str) -> None:
            heard.append(f"started {total} {unit}")

        def advanced(self, count: int) -> None:
            heard.append(f"advanced {count}")

        def finished(self, result: JobResult, again: bool) -> None:
            heard.append(f"finished {result.status}")

    make_runner(SUITE.replace("[few, gone]", "[few]").replace(", own", ""), Ear()).run()
    assert heard == ["started 30 images", "advanced 30", "started 8 texts", "advanced 0", "advanced 8", "finished done"]


@pytest.mark.parametrize(("size", "text"), [(None, "unknown"), (0, "–"), (999, "999 bytes"), (605_100_000, "605.1 MB")])
def test_sizes_are_readable(size: float | None, text: str):
    assert format_bytes(size) == text


@pytest.mark.parametrize(("seconds", "text"), [(None, "unknown"), (12.3, "12 s"), (200, "3 min"), (7500, "2 h 5 min")])
def test_times_are_readable(seconds: float | None, text: str):
    assert format_seconds(seconds) == text


def test_the_first_rates_are_a_guess_and_later_ones_those_of_the_last_run(make_runner):
    large = SUITE.replace("n: 30", "n: 300")
    runner = make_runner(large)
    (model,) = runner.models
    assert model.rates()["guess"] is True
    runner.run()
    rates = dict(model.rates())
    assert rates == {**rates, "guess": False, "images": pytest.approx(model.images.encoded / model.images.seconds)}
    assert dict(make_runner(large).models[0].rates()) == rates
    assert make_runner(large, batch_size=8).models[0].rates()["guess"] is True


def test_rates_are_known_for_a_run_whose_cache_cannot_keep_them(make_runner, monkeypatch):
    (model,) = make_runner(SUITE).models

    def refuse(file: int) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "fsync", refuse)
    rates = model.rates()
    assert rates["images"] > 0
    assert model.rates() is rates
    assert model.widths["projected"] == 12
