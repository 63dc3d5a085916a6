"""A built wheel works outside the checkout: command line, suites, prompt sets, weights."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from .commands import run_anew
from .conftest import REPOSITORY, command_environment


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but what the wheel holds."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(REPOSITORY)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_anew(arguments, folder, command_environment(folder) | {"PYTHONPATH": str(installed)})


@pytest.mark.slow
def test_packaged_suites_and_prompts_run_by_bare_name(installed: Path, tmp_path: Path):
    where = subprocess.run(
        [sys.executable, "-c", "import clipbench; print(clipbench.__file__)"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(installed))
    done = run(installed, tmp_path, "run", "quickstart", "--model", "clip-tiny", "--only", "digits", "--limit", "50")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "results" / "quickstart" / "report.html").exists()
    listed = run(installed, tmp_path, "list", "prompts").stdout
    assert "imagenet-80" in listed
    assert "suites/zeroshot.yaml" not in listed
    assert "no such model" in run(installed, tmp_path, "run", "suites/zeroshot.yaml", "--model", "nosuch").stderr


def test_the_wheel_is_small_and_holds_no_tests(installed: Path):
    # Other tests may have run it, and Python may have compiled it.
    files = [path for path in installed.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    size = sum(path.stat().st_size for path in files)
    assert size < 5_000_000
    assert not (installed / "tests").exists()
    (notice,) = installed.glob("clipbench-*.dist-info/licenses/NOTICE")
    tables = sorted(path.name for path in installed.glob("clipbench/reference/*.csv"))
    assert all(f"clipbench/reference/{name}" in notice.read_text() for name in tables)
    weights = list(installed.rglob("*.safetensors"))
    assert len(weights) == 1
    assert weights[0].stat().st_size <= 3_000_000
