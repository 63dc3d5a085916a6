"""Fixtures that many tests share."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import PIL.Image
import pytest

from clipbench.errors import UserError

from .commands import run, run_anew

if TYPE_CHECKING:
    from clipbench.runs.runner import Runner

if "PYTEST_XDIST_WORKER" in os.environ:
    # Two processes with a thread for every core each would wait for one another.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

for name in ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS"):
    # Each makes rich or typer colour what is read here as text.
    os.environ.pop(name, None)
# Servers of tests are on this machine, whatever proxy leads out of it.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

REPOSITORY = Path(__file__).resolve().parents[1]


def skip_or_fail(what: str, reason: str) -> NoReturn:
    """Skip, unless CLIPBENCH_TESTS_REQUIRE names what is missing, as continuous integration does."""
    if what in os.environ.get("CLIPBENCH_TESTS_REQUIRE", "").split(","):
        pytest.fail(f"required, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images, a small trained CLIP and published tables; the test skips without it."""
    folder = Path(os.environ.get("CLIPBENCH_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        skip_or_fail("data", f"the development data are absent: {folder} (set CLIPBENCH_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium; the test skips without one."""
    named = os.environ.get("CLIPBENCH_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        skip_or_fail("browser", "no Chromium was found (set CLIPBENCH_CHROMIUM)")
    return found


def png(image: PIL.Image.Image) -> bytes:
    """Encode an image without loss."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def write_shard(folder: Path, samples: Iterable[Mapping[str, bytes]]) -> None:
    """Write samples of a webdataset, each content by its ending, as the one shard of a split's folder."""
    folder.mkdir(parents=True)
    (folder / "nshards.txt").write_text("1")
    with tarfile.open(folder / "0.tar", "w") as archive:
        for number, sample in enumerate(samples):
            for ending, content in sample.items():
                member = tarfile.TarInfo(f"{number:07d}.{ending}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


@pytest.fixture
def make_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Runner]:
    """Make what runs the text of a suite over the colour words model of the examples, into folders of the test."""
    from clipbench.runs.options import RunOptions
    from clipbench.runs.runner import Runner
    from clipbench.suite.loading import load_suite

    monkeypatch.syspath_prepend(str(REPOSITORY / "examples"))
    folders = {"output": tmp_path / "results", "cache": tmp_path / "cache"}

    def make(
        suite: str,
        progress: object = None,
        models: Sequence[object] = ("colour_words_model:ColourWords",),
        **options: object,
    ) -> Runner:
        (tmp_path / "suite.yaml").write_text(suite)
        chosen = RunOptions(**{"device": "cpu", "workers": 0, **folders, **options})  # type: ignore[arg-type]
        return Runner(load_suite(tmp_path / "suite.yaml"), models, chosen, progress)  # type: ignore[arg-type]

    return make


CommandLine = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def clipbench(tmp_path: Path) -> CommandLine:
    """Run the command line in a folder and a cache of the test's own, as a user would, offline."""

    def call(*arguments: object, env: Mapping[str, str] = {}, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        # What speaks to Python itself, or to the hub's library as it is imported, is heard by a new one alone.
        anew = (tmp_path / "hub").exists() or any(name.startswith("PYTHON") for name in env)
        how = run_anew if anew else run
        return how([*map(str, arguments)], tmp_path, command_environment(tmp_path) | dict(env), timeout)

    return call


def command_environment(folder: Path) -> dict[str, str]:
    """The environment of a command that a test runs in a folder: its own cache, no network, two threads at most."""
    return {
        **os.environ,
        "CLIPBENCH_CACHE": str(folder / "cache"),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder / "hub"),
        "PYTHONPATH": str(REPOSITORY),
        "COLUMNS": "160",
    }


def user_error(function: Callable[..., object], *arguments: object, **options: object) -> UserError:
    """Call a function that has to raise a UserError, and return that."""
    with pytest.raises(UserError) as caught:
        function(*arguments, **options)
    return caught.value


def output_of(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that has to succeed printed."""
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def printed_by(code: str, folder: Path) -> str:
    """What a Python of its own prints that runs code in a folder, as commands are run there."""
    command, environment = [sys.executable, "-c", code], command_environment(folder)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()
