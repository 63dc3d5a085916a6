"""On a full and on a read-only disk a run says what to do, leaves nothing half-written and uses what is there."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..conftest import CommandLine, output_of, skip_or_fail

SUITE = """
name: few
datasets:
  few: {adapter: scenes, by: colour, n: 300}
tasks:
  - {task: zero_shot, datasets: [few]}
"""
Mount = Callable[[str], Path]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Mount]:
    """disk("size=1m"): mount a disk in memory with these options, or mount it again with others."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options: str) -> Path:
        again = ["-o", "remount"] if folder.is_mount() else []
        command = ["mount", "-t", "tmpfs", *again, "-o", options, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            skip_or_fail("mount", f"disks cannot be mounted here ({done.stderr.strip()})")
        return folder

    yield mount
    if folder.is_mount():
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def run(clipbench: CommandLine, tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    (tmp_path / "suite.yaml").write_text(SUITE)
    environment = {"CLIPBENCH_CACHE": str(tmp_path / "disk" / "cache")}
    return lambda *arguments: clipbench(*(arguments or ("run", "suite.yaml", "-m", "clip-tiny")), env=environment)


@pytest.mark.slow
def test_a_full_disk_costs_its_jobs_and_says_what_to_do(disk: Mount, run):
    folder = disk("size=100k")
    done = run()
    assert done.returncode == 1
    for part in ("No space left on device", f"MB are free in {folder}", "clipbench cache prune", "CLIPBENCH_CACHE="):
        assert part in done.stdout.replace("\n", ""), done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not list(folder.rglob("*.part"))
    disk("size=8m")
    output_of(run())


@pytest.mark.slow
def test_a_read_only_cache_that_holds_everything_is_enough(disk: Mount, run):
    folder = disk("size=8m")
    output_of(run())
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    disk("ro")
    output_of(run("run", "suite.yaml", "-m", "clip-tiny", "-o", "again"))
    assert run("cache", "prune").returncode == 0
    pruned = run("cache", "prune", "--all")
    assert (pruned.returncode, "Read-only file system" in pruned.stderr) == (2, True)
    assert "Traceback" not in pruned.stderr
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.slow
def test_an_empty_read_only_cache_says_so(disk: Mount, run):
    disk("size=1m,ro")
    done = run()
    assert done.returncode == 1
    assert "its file system is read-only" in done.stdout.replace("\n", "")
    assert "Traceback" not in done.stdout + done.stderr
