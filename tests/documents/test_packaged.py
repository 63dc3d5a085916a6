"""Packaged suites and prompt sets are found in a checkout and in an installed wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import clipbench.documents.packaged
from clipbench.documents.packaged import find_suite, packaged_folder, prompt_files, suite_names
from clipbench.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[2]


def message(name: str | Path) -> str:
    with pytest.raises(UserError) as caught:
        find_suite(name)
    return str(caught.value)


def test_checkout_holds_them_beside_the_package() -> None:
    assert packaged_folder("suites") == REPOSITORY / "suites"
    assert packaged_folder("prompts") == REPOSITORY / "prompts"
    assert "quickstart" in suite_names()
    assert prompt_files()["photo"] == REPOSITORY / "prompts" / "photo.yaml"


def test_wheel_holds_them_inside_the_package(tmp_path: Path) -> None:
    package = tmp_path / "site" / "clipbench"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    for name in ("packaged.py", "errors.py"):
        shutil.copy(Path(clipbench.documents.packaged.__file__).with_name(name), package / name)
    for kind, stem in (("suites", "inside"), ("prompts", "wording")):
        (package / "_packaged" / kind).mkdir(parents=True)
        (package / "_packaged" / kind / f"{stem}.yaml").touch()
    (tmp_path / "site" / "suites").mkdir()
    (tmp_path / "site" / "suites" / "stranger.yaml").touch()
    code = (
        "from clipbench.documents.packaged import *; "
        "print(suite_names(), list(prompt_files()), find_suite('inside').name, find_suite('suites/inside.yaml').name)"
    )
    environment = {"PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "('inside',) ['wording'] inside.yaml inside.yaml"


@pytest.mark.parametrize("name", ["quickstart", "suites/quickstart.yaml"])
def test_packaged_suite_is_found_from_anywhere(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_suite(name) == packaged_folder("suites") / "quickstart.yaml"


def test_file_of_ones_own_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "quickstart.yaml").touch()
    assert find_suite("suites/quickstart.yaml") == Path("suites/quickstart.yaml")


def test_folder_of_the_same_name_does_not_hide_a_packaged_suite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quickstart").mkdir()
    assert find_suite("quickstart").parent == packaged_folder("suites")


def test_unknown_suite_gives_the_nearest_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert message("quickstrat") == "there is no suite 'quickstrat'; did you mean 'quickstart'?"
    assert message("suites/quickstrat.yaml") == "there is no suite 'suites/quickstrat.yaml'; did you mean 'quickstart'?"
    assert message("xyz") == (
        f"there is no suite 'xyz'; one of: {', '.join(suite_names())}; or give the path of a YAML file"
    )


def test_path_without_its_ending_or_misspelt_gives_the_file(tmp_path: Path) -> None:
    (tmp_path / "leaves.yaml").touch()
    assert message(tmp_path / "leaves").endswith(f"; did you mean '{tmp_path / 'leaves.yaml'}'?")
    assert message(tmp_path / "leavs.yaml").endswith(f"; did you mean '{tmp_path / 'leaves.yaml'}'?")


def test_packaged_suite_is_not_found_below_a_path_of_ones_own(tmp_path: Path) -> None:
    assert "there is no suite" in message(tmp_path / "quickstart.yaml")


def test_folder_is_no_suite(tmp_path: Path) -> None:
    (tmp_path / "leaves.yaml").touch()
    assert message(tmp_path) == f"{tmp_path}: is a folder, not a suite; give one of its files: {tmp_path}/leaves.yaml"
