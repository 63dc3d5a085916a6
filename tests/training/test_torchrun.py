"""Trainings that torchrun starts: one that is killed goes on with any number of processes, and errors are told once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from clipbench.training.recipe import load_recipe
from clipbench.training.start import train

from ..conftest import REPOSITORY, command_environment

RECIPE = """
name: small
data: [{dataset: digits, split: train}]
towers:
  config:
    embed_dim: 16
    vision_cfg: {image_size: 16, patch_size: 8, width: 64, layers: 1}
    text_cfg: {context_length: 16, vocab_size: 49408, width: 32, heads: 1, layers: 1}
optimiser: {rate: 1.0e-3}
schedule: {batch: 12, steps: 60, warmup: 5}
save_every: 2
seed: 5
"""
TRAIN = ("-m", "clipbench", "train", "small.yaml", "--device", "cpu", "--workers", "0", "--threads", "1")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
SCRIPT = """
import sys
import torch
from clipbench.cli.main import app, main
from clipbench.errors import UserError
from clipbench.training.processes import processes

@app.command()
def fail():
    with processes("cpu") as here:
        if here.rank == 1:
            raise UserError("the data are bad", fix="mend them")
        here.average(torch.ones(1))

main()
"""


def started(folder: Path, *command: str) -> subprocess.Popen[str]:
    """Start Python in a folder."""
    (folder / "small.yaml").write_text(RECIPE)
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    environment = {**command_environment(folder), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, *command], cwd=folder, env=environment, text=True, **pipes)


def checkpoints(output: Path) -> Sequence[int]:
    return sorted(int(path.stem.removeprefix("step-")) for path in (output / "checkpoints").glob("step-*.pt"))


def pid_of(rank: int, launcher: int) -> int:
    """The process of a rank among those that torchrun started."""
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    wanted = f"RANK={rank}".encode()
    return next(int(pid) for pid in children if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))


def killed(process: subprocess.Popen[str], output: Path, step: int, rank: int | None) -> tuple[str, float]:
    """Kill a training, or one of its processes, once it has written the checkpoint of a step.

    Returns what it said, and after how many seconds it had ended.
    """
    while process.poll() is None and not [done for done in checkpoints(output) if done >= step]:
        time.sleep(0.01)
    os.kill(process.pid if rank is None else pid_of(rank, process.pid), signal.SIGKILL)
    began = time.monotonic()
    _, told = process.communicate(timeout=120)
    return told, time.monotonic() - began


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the processes in /proc")
def test_a_training_that_lost_a_process_goes_on_with_another_number_of_them(tmp_path: Path) -> None:
    output, given = tmp_path / "two", (*TRAIN, "--output", "two", "--resume", "auto")
    process = started(tmp_path, *TORCHRUN, *given)
    told, seconds = killed(process, output, 10, rank=1)
    assert process.returncode != 0
    assert seconds < 60
    assert "SIGKILL" in told
    assert "clipbench itself failed" not in told
    assert 10 <= checkpoints(output)[-1] < 60

    process = started(tmp_path, *given, "--set", "part=5")
    killed(process, output, 30, rank=None)
    assert 30 <= checkpoints(output)[-1] < 60

    process = started(tmp_path, *TORCHRUN, *given)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    losses: list[float] = []
    loaded = load_recipe(tmp_path / "small.yaml")
    train(loaded, tmp_path / "one", progress=lambda progress: losses.append(progress.loss))
    torch.set_num_threads(threads)
    log = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == list(range(1, 61))
    assert [line["loss"] for line in log] == pytest.approx(losses, rel=1e-3)
    weights, expected = (load_file(tmp_path / name / "open_clip_model.safetensors") for name in ("two", "one"))
    for name, weight in weights.items():
        assert (weight - expected[name]).abs().max() < 1e-3, name


ERRORS = {
    "7 pairs cannot be shared by 2 processes": (*TRAIN, "--output", "two", "--set", "schedule.batch=7"),
    "unknown key; did you mean 'rate'?": (*TRAIN, "--output", "two", "--set", "optimiser.rat=1"),
    "the data are bad; mend them": ("script.py", "fail"),
}


@pytest.mark.slow
@pytest.mark.parametrize("error", ERRORS)
def test_an_error_of_all_processes_or_of_one_is_told_once(tmp_path: Path, error: str) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    process = started(tmp_path, *TORCHRUN, *ERRORS[error])
    _, told = process.communicate(timeout=240)
    errors = [line for line in told.splitlines() if line.startswith("error: ")]
    assert process.returncode == 1
    assert len(errors) == 1, told
    assert error in errors[0]


SLURM = REPOSITORY / "examples" / "train_slurm.sh"
FAKES = {
    "scontrol": 'if [ "$1" = show ]; then echo node1; echo node2; else echo "$@" >> scontrol.log; fi',
    "srun": 'echo "$@" > srun.log; touch begun; sleep "${SLEEP:-0}"; exit "${STATUS:-0}"',
}


def slurm(folder: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Start the script of the examples where scontrol and srun only note how they are called."""
    for name, body in FAKES.items():
        (folder / name).write_text(f"#!/bin/bash\n{body}\n")
        (folder / name).chmod(0o755)
    job = {"SLURM_JOB_ID": "77", "SLURM_JOB_NODELIST": "node[1-2]", "SLURM_NNODES": "2", "SLURM_CPUS_PER_TASK": "96"}
    command = ["bash", str(SLURM), "vit-b-32", "out put", "--set", "seed=1"]
    given = {**os.environ, **job, **environment, "PATH": f"{folder}:{os.environ['PATH']}"}
    return subprocess.Popen(command, cwd=folder, env=given, stdout=subprocess.DEVNULL)


def test_the_slurm_example_starts_a_training_that_goes_on(tmp_path: Path) -> None:
    assert slurm(tmp_path).wait(30) == 0
    told = (tmp_path / "srun.log").read_text()
    assert "--nnodes=2 --nproc-per-node=8" in told
    assert "--rdzv-endpoint=node1:20077" in told
    assert "clipbench train vit-b-32 --output out put --resume auto --workers 11 --set seed=1" in told
    assert not (tmp_path / "scontrol.log").exists()


def test_the_slurm_example_is_queued_again_when_its_time_is_up_and_not_for_a_mistake(tmp_path: Path) -> None:
    assert slurm(tmp_path, STATUS="2").wait(30) == 2
    assert not (tmp_path / "scontrol.log").exists()
    (tmp_path / "begun").unlink()
    job = slurm(tmp_path, SLEEP="3")
    while not (tmp_path / "begun").exists():
        time.sleep(0.01)
    job.send_signal(signal.SIGUSR1)
    assert job.wait(30) == 0
    assert (tmp_path / "scontrol.log").read_text() == "requeue 77\n"
