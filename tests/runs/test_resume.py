"""A run that is killed at any moment, or made again elsewhere, gives the same records, bit for bit."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clipbench.tasks.registry import task_names

from ..commands import start
from ..conftest import CommandLine, command_environment, output_of

SUITE = """
name: interrupted
datasets:
  many-scenes: {adapter: scenes, by: shape, n: 2500}
  told-scenes: {adapter: scenes, by: caption, n: 1200, seed: 7}
tasks:
  - task: zero_shot
    datasets: [many-scenes, digits]
    prompts: [own, "a picture of a {}."]
  - task: retrieval
    datasets: [told-scenes]
"""


def arguments(suite: Path, output: Path) -> list[str]:
    return ["run", str(suite), "--model", "clip-tiny", "--output", str(output), "--workers", "0"]


def records(output: Path) -> dict[str, Any]:
    """All that a run found, without when and how fast."""
    jobs = {}
    for path in sorted((output / "jobs").glob("*.json")):
        document = json.loads(path.read_text())
        document.pop("run_metadata")
        jobs[path.name] = document
    examples = {path.name: path.read_bytes() for path in sorted((output / "examples").glob("*.parquet"))}
    return {"jobs": jobs, "examples": examples}


def kill_when(folder: Path, command: list[str], moment: Callable[[], bool]) -> bool:
    """Start a run and kill it at a moment; False if it ended before."""
    process = start(command, folder, command_environment(folder), folder / "printed")
    while process.is_alive():
        if moment():
            process.kill()
            process.join()
            return True
        time.sleep(0.002)
    return False


@pytest.mark.slow
def test_a_run_killed_at_several_moments_gives_the_same_records(tmp_path: Path, clipbench: CommandLine):
    suite = tmp_path / "suite.yaml"
    suite.write_text(SUITE)
    elsewhere = {"CLIPBENCH_CACHE": str(tmp_path / "other")}
    output_of(clipbench(*arguments(suite, tmp_path / "undisturbed"), env=elsewhere))

    cache, output = tmp_path / "cache", tmp_path / "killed"
    moments: dict[str, Callable[[], bool]] = {
        "one part is stored": lambda: len(list(cache.glob("embeddings/*/*.safetensors"))) >= 1,
        "two parts are stored": lambda: len(list(cache.glob("embeddings/*/*.safetensors"))) >= 2,
        "a table is stored": lambda: any((cache / "data").glob("*.parquet")),
        "texts are stored": lambda: any(cache.glob("texts/*/*.safetensors")),
        "a job's examples are there, its records are not": lambda: any((output / "examples").glob("*")),
        "one job is done": lambda: any((output / "jobs").glob("*.json")),
        "captions are being embedded": lambda: len(list(cache.glob("texts/*/*.safetensors"))) >= 5,
    }
    for name, moment in moments.items():
        assert kill_when(tmp_path, arguments(suite, output), moment), f"the run ended before {name}"

    output_of(clipbench(*arguments(suite, output)))
    assert records(output) == records(tmp_path / "undisturbed")
    assert len(records(output)["jobs"]) == 5


@pytest.mark.slow
def test_two_interruptions_leave_no_worker_and_no_draft(tmp_path: Path):
    suite = tmp_path / "suite.yaml"
    suite.write_text(SUITE)
    process = subprocess.Popen(
        [sys.executable, "-m", "clipbench", *arguments(suite, tmp_path / "results"), "--workers", "2"],
        cwd=tmp_path,
        env=command_environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while not any((tmp_path / "cache").glob("embeddings/*/*.safetensors")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    # The output ends when the last process that could write to it has gone.
    process.communicate(timeout=30)
    assert process.returncode in (130, -signal.SIGINT)
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.slow
def test_two_processes_may_share_cache_and_results(tmp_path: Path, clipbench: CommandLine):
    suite = tmp_path / "suite.yaml"
    suite.write_text(SUITE.replace("2500", "1100").replace("1200", "100"))
    environment, printed = command_environment(tmp_path), tmp_path / "printed"
    command = arguments(suite, tmp_path / "shared")
    together = [start(command, tmp_path, environment, printed) for _ in range(2)]
    for process in together:
        process.join(300)
    assert [process.exitcode for process in together] == [0, 0], printed.read_text()
    output_of(clipbench(*arguments(suite, tmp_path / "alone"), env={"CLIPBENCH_CACHE": str(tmp_path / "other")}))
    assert records(tmp_path / "shared") == records(tmp_path / "alone")


EVERY_TASK = """
name: every-task
datasets:
  told-scenes: {adapter: scenes, by: caption, n: 60}
tasks:
  - {task: zero_shot, datasets: [digits], prompts: [own, "a picture of a {}."]}
  - {task: robustness, reference: scenes-shape, shifts: [scenes-sketch, scenes-noise]}
  - task: prompt_sensitivity
    datasets: [scenes-shape]
    prompts:
      name: shared-names
      templates: ["a {}", "a picture of a {}."]
      families: {article: ["a {}", "the {}", "{}"], noise: ["a picture of a {}.", "a picutre of a {}."]}
      controls: [noise]
      synonyms: {circle: [round, thing, shape], square: [shape, round, thing]}
  - {task: linear_probe, datasets: [digits]}
  - {task: few_shot, datasets: [digits], shots: [1, 2]}
  - {task: knn, datasets: [digits]}
  - {task: wise_ft, datasets: [digits]}
  - {task: corruptions, datasets: [digits], protocol: adapted, corruptions: [gaussian_noise, contrast]}
  - {task: retrieval, datasets: [told-scenes]}
  - {task: pairing, datasets: [told-scenes]}
"""


@pytest.mark.slow
def test_the_order_of_sets_in_memory_changes_no_record_and_no_page(tmp_path: Path, clipbench: CommandLine):
    suite = tmp_path / "suite.yaml"
    suite.write_text(EVERY_TASK)
    found, pages = [], []
    for seed in ("1", "2"):  # of Python's hash of strings, and so of the order in which a set gives them
        output, page = tmp_path / f"seed{seed}", tmp_path / f"{seed}.html"
        output_of(clipbench(*arguments(suite, output), "--limit", 80, env={"PYTHONHASHSEED": seed}))
        found.append(records(output))
        output_of(clipbench("report", tmp_path / "seed1", "--output", page, env={"PYTHONHASHSEED": seed}))
        pages.append(re.sub(r"Made by clipbench, [-0-9]+ [:0-9]+ UTC", "Made", page.read_text(encoding="utf-8")))
    assert found[0] == found[1]
    assert {job["task"] for job in found[0]["jobs"].values()} == set(task_names())
    assert pages[0] == pages[1]
