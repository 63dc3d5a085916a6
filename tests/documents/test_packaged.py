"""Packaged suites and prompt sets are found in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipbench.documents.packaged import find_suite, packaged_files, packaged_folder, prompt_files

from ..conftest import REPOSITORY, user_error


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_checkout_holds_them_beside_the_package() -> None:
    assert packaged_folder("suites") == REPOSITORY / "suites"
    assert packaged_folder("prompts") == REPOSITORY / "prompts"
    assert "quickstart" in packaged_files("suites")
    assert prompt_files()["photo"] == REPOSITORY / "prompts" / "photo.yaml"


def test_wheel_holds_them_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "clipbench"
    inside, wording = package / "_packaged/suites/inside.yaml", package / "_packaged/prompts/wording.yaml"
    for file in (inside, wording, tmp_path / "site/suites/stranger.yaml"):
        file.parent.mkdir(parents=True)
        file.touch()
    monkeypatch.setattr("clipbench.documents.packaged.__file__", str(package / "documents" / "packaged.py"))
    assert (packaged_files("suites"), prompt_files()) == ({"inside": inside}, {"wording": wording})
    assert find_suite("inside") == find_suite("suites/inside.yaml") == inside


@pytest.mark.parametrize("name", ["quickstart", "suites/quickstart.yaml"])
def test_packaged_suite_is_found_from_anywhere_even_beside_a_folder_of_its_name(name: str) -> None:
    assert find_suite(name) == packaged_folder("suites") / "quickstart.yaml"
    Path("quickstart").mkdir()
    assert find_suite(name) == packaged_folder("suites") / "quickstart.yaml"
    Path("suites").mkdir()
    Path("suites/quickstart.yaml").touch()  # one's own file comes first
    assert find_suite("suites/quickstart.yaml") == Path("suites/quickstart.yaml")


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("quickstrat", "did you mean 'quickstart'?"),
        ("suites/quickstrat.yaml", "did you mean 'quickstart'?"),
        ("xyz", f"one of: {', '.join(packaged_files('suites'))}; or give the path of a YAML file"),
        ("mine/leaves", "did you mean 'mine/leaves.yaml'?"),
        ("mine/leavs.yaml", "did you mean 'mine/leaves.yaml'?"),
    ],
)
def test_what_is_no_suite_gives_the_nearest(name: str, fix: str) -> None:
    Path("mine").mkdir()
    Path("mine/leaves.yaml").touch()
    error = user_error(find_suite, name)
    assert (error.problem, error.fix) == (f"there is no suite {name!r}", fix)


def test_neither_a_packaged_name_below_another_path_nor_a_folder_is_a_suite(tmp_path: Path) -> None:
    assert "there is no suite" in user_error(find_suite, tmp_path / "quickstart.yaml").problem
    (tmp_path / "leaves.yaml").touch()
    assert user_error(find_suite, tmp_path).fix == f"give one of its files: {tmp_path}/leaves.yaml"
