"""What a run says while it goes, where there is a terminal and where there is none."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from clipbench import load_results
from clipbench.cli.console import RunConsole, print_rows

from ..conftest import command_environment

SLOW = """
import time
from colour_words_model import ColourWords

class Slow(ColourWords):
    def encode_images(self, pixels):
        time.sleep(0.3)
        return super().encode_images(pixels)
"""
SUITE = """
name: slow
datasets:
  few: {adapter: scenes, by: colour, n: 16}
  many: {adapter: scenes, by: colour, n: 1000}
tasks:
  - {task: zero_shot, datasets: [few, many], prompts: "a {} thing."}
"""
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_without_a_terminal_there_is_a_line_now_and_then(make_runner):
    console = Console(file=StringIO(), width=80)
    make_runner(SUITE.replace("1000", "200"), RunConsole(console, every=0.0), batch_size=50).run()
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert re.search(
        r"\d\d:\d\d:\d\d  colour_words_model:ColourWords · many · zero_shot · a {} thing\.: 100 of 200 images"
        r" \([\d,]+/s, \d+ s left\)",
        text,
    )
    assert "\x1b" not in text


def test_tracebacks_of_failed_jobs_are_shown_on_demand(make_runner):
    for debug in (True, False):
        console = Console(file=StringIO(), width=80)
        runner = make_runner(SUITE.replace("[few, many]", "[few]"), RunConsole(console, debug=debug))
        runner.models[0].source.fetch = lambda: 1 / 0
        assert [job.error for job in runner.run().jobs()] == ["unexpected ZeroDivisionError: division by zero"]
        assert ("Traceback (most recent call last)" in console.file.getvalue()) is debug  # type: ignore[attr-defined]


def test_names_send_no_command_to_a_terminal_and_break_no_row():
    for terminal in (True, False):
        console = Console(file=StringIO(), width=200, force_terminal=terminal, no_color=True)
        print_rows(("name", "n"), [("a\x1b[2J\nb\tc", "=1+1")], console)
        text = console.file.getvalue()  # type: ignore[attr-defined]
        assert r"a\x1b[2J\nb\tc" in text
        assert "\x1b[2J" not in text
        assert ("'=1+1" in text) is not terminal


@pytest.fixture
def slow(tmp_path: Path) -> list[str]:
    (tmp_path / "slow_model.py").write_text(SLOW)
    (tmp_path / "colour_words_model.py").write_text((EXAMPLES / "colour_words_model.py").read_text())
    (tmp_path / "slow.yaml").write_text(SUITE)
    options = ["-m", "slow_model:Slow", "--device", "cpu", "--batch-size", "8"]
    return [sys.executable, "-m", "clipbench", "run", "slow.yaml", *options]


def read_until(terminal: int, words: str, text: str = "") -> str:
    deadline = time.monotonic() + 120
    while words not in text and time.monotonic() < deadline:
        try:
            text += os.read(terminal, 4096).decode(errors="replace")
        except OSError:
            break
    return text


@pytest.mark.parametrize("workers", [pytest.param(0, marks=pytest.mark.slow), 2])
@pytest.mark.parametrize("interrupts", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_control_c_gives_the_cursor_back_and_says_what_is_kept(tmp_path: Path, slow, workers, interrupts):
    terminal, inner = pty.openpty()
    process = subprocess.Popen(
        [*slow, "--workers", str(workers)],
        cwd=tmp_path,
        env=command_environment(tmp_path) | {"TERM": "xterm"},
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
    )
    os.close(inner)
    text = read_until(terminal, "n=16")
    text += read_until(terminal, "images/s")
    for _ in range(interrupts):
        # As a terminal does: to all processes of the command.
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.05)
    text += read_until(terminal, "\0")
    assert process.wait(60) == 130, text
    os.close(terminal)
    kept = "interrupted: 1 of 2 jobs are done and kept in results/slow; run the same command again to go on"
    assert kept in text
    assert "Traceback" not in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert [job.dataset for job in load_results(tmp_path / "results" / "slow").jobs()] == ["few"]


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_a_batch_job_that_is_ended_says_what_is_kept_without_control_sequences(tmp_path: Path, slow, number):
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            slow, cwd=tmp_path, env=command_environment(tmp_path), stdout=log, stderr=subprocess.STDOUT
        )
        deadline = time.monotonic() + 120
        while "done    " not in (tmp_path / "log").read_text() and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(number)
        assert process.wait(60) == 128 + number
    text = (tmp_path / "log").read_text()
    assert "interrupted: 1 of 2 jobs are done" in text
    assert "\x1b" not in text
    assert "Traceback" not in text
