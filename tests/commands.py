"""The command line in processes of its own, without the seconds that each new Python needs to import torch.

They are forked from a process that has imported the large libraries, nothing of clipbench, and has done nothing else.
Where it matters how Python starts, `run_anew` starts one.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

LIBRARIES = ["torch", "open_clip", "pandas", "pyarrow.parquet", "scipy.stats", "sklearn.linear_model", "plotly"]


@cache
def _context() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    # The libraries look at these as they are imported.
    offline = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TOKENIZERS_PARALLELISM": "false"}
    with TemporaryDirectory() as nothing, patch.dict(os.environ, {**offline, "HF_HOME": nothing}):
        forkserver.ensure_running()
    return context


def start(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], output: Path, errors: Path | None = None
) -> ForkServerProcess:
    """Start the command line in a folder; what it prints is added to two files, or to one."""
    given = (list(arguments), str(folder), dict(environment), str(output), str(errors or output))
    process = _context().Process(target=_become, args=given)
    process.start()
    return process


def run(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run the command line as `subprocess.run` would."""
    with TemporaryDirectory() as scratch:
        output, errors = Path(scratch, "stdout"), Path(scratch, "stderr")
        process = start(arguments, folder, environment, output, errors)
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(arguments, timeout, output.read_text(), errors.read_text())
        return subprocess.CompletedProcess(arguments, process.exitcode, output.read_text(), errors.read_text())


def run_anew(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line with a Python of its own."""
    command = [sys.executable, "-m", "clipbench", *arguments]
    given = {"cwd": folder, "env": environment, "timeout": timeout}
    return subprocess.run(command, capture_output=True, text=True, check=False, **given)


def _become(arguments: list[str], folder: str, environment: dict[str, str], output: str, errors: str) -> None:
    for number, path in ((1, output), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path[:0] = [folder, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv = ["clipbench", *arguments]
    runpy.run_module("clipbench", run_name="__main__", alter_sys=True)
