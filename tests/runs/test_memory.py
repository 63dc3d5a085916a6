"""A job that cannot fit into memory is refused with the figure, in the plan and before anything is embedded."""

from __future__ import annotations

import os
from io import StringIO
from pathlib import Path

import pytest
import torch
from rich.console import Console

from clipbench.cli.plan import print_plan
from clipbench.embed.encode import EncodeSettings
from clipbench.runs.jobs import PreparedJob
from clipbench.runs.runner import Runner

SUITE = """
name: large
datasets:
  few: {adapter: scenes, by: colour, n: 60}
tasks:
  - {task: linear_probe, datasets: [few], C: 1}
  - {task: knn, datasets: [few], k: 5}
  - {task: zero_shot, datasets: [few]}
"""
MESSAGE = (
    "few: linear_probe needs 0.4 GB of memory, this machine has 0.3 GB; use fewer examples (--limit), or more memory"
)


@pytest.fixture
def runner(make_runner) -> Runner:
    return make_runner(SUITE)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """machine(bytes): let this machine have so much memory."""
    asked = os.sysconf

    def have(size: int) -> None:
        pages = size // asked("SC_PAGE_SIZE")
        monkeypatch.setattr(os, "sysconf", lambda name: pages if name == "SC_PHYS_PAGES" else asked(name))

    return have


def test_a_job_that_cannot_fit_fails_before_anything_is_embedded(runner: Runner, machine, make_runner):
    machine(300_000_000)
    probe, knn, zero_shot = runner.plan().jobs
    assert probe.problem == MESSAGE
    assert (knn.problem, zero_shot.problem) == ("", "")
    alone = make_runner(SUITE[: SUITE.index("  - {task: knn")])
    assert [job.error for job in alone.run().jobs()] == [MESSAGE]
    assert not list(alone.options.cache.rglob("*.safetensors"))
    jobs = {job.task: job for job in runner.run().jobs()}
    assert (jobs["linear_probe"].status, jobs["linear_probe"].error) == ("failed", MESSAGE)
    assert {jobs["knn"].status, jobs["zero_shot"].status} == {"done"}


def test_the_plan_states_what_each_job_holds_at_once(runner: Runner):
    probe, knn, zero_shot = runner.plan().jobs
    assert probe.memory_bytes == pytest.approx(0.4e9, rel=0.1)
    assert knn.memory_bytes == pytest.approx(0.27e9, rel=0.1)
    assert zero_shot.memory_bytes is None
    console = Console(file=StringIO(), width=200)
    print_plan(console, runner.plan())
    assert "402.7 MB" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_limit_needs_less(runner: Runner, make_runner):
    whole = runner.plan().jobs[0].memory_bytes
    limited = make_runner(SUITE.replace("[few],", "[few], limit: 16,")).plan().jobs[0].memory_bytes
    # Train and val, 44 images less of each, 12 float32 numbers an image.
    assert whole - limited == 4 * 2 * 44 * 12


def test_a_containers_share_counts(runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    share = tmp_path / "memory.max"
    monkeypatch.setattr("clipbench.embed.device._CGROUP", share)
    share.write_text("300000000\n")
    assert runner.plan().jobs[0].problem == MESSAGE
    share.write_text("max\n")
    assert runner.plan().jobs[0].problem == ""


def test_of_a_gpu_what_is_free_counts(runner: Runner, monkeypatch: pytest.MonkeyPatch):
    """What torch has reserved and does not use is free for the task."""
    plan = runner.plan().jobs[0]
    assert plan.memory_bytes is not None
    free = plan.memory_bytes - 1000
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 80_000_000_000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 1500)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 600)
    for _, prepared in runner.jobs:
        assert isinstance(prepared, PreparedJob)
        object.__setattr__(prepared.model, "settings", EncodeSettings("cuda"))
    assert "0.4 GB of memory, free on the GPU are 0.4 GB" in runner.plan().jobs[0].problem
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 0)
    assert runner.plan().jobs[0].problem == ""
