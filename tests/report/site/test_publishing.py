"""The board of this repository: built by one command, checked without secrets, published from main alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from clipbench.cli.main import app
from clipbench.report.site import PUBLISHED

from ...conftest import REPOSITORY


def workflow(name: str) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load((REPOSITORY / ".github" / "workflows" / name).read_text("utf-8"))
    return found


def test_pull_requests_get_no_secret_and_no_right_and_are_never_published() -> None:
    board, text = workflow("board.yml"), (REPOSITORY / ".github" / "workflows" / "board.yml").read_text("utf-8")
    # YAML reads the key `on` as true.
    assert set(board[True]) == {"push", "pull_request"}
    assert board[True]["push"] == {"branches": ["main"]}
    assert board["permissions"] == {"contents": "read"}
    assert "secrets." not in text
    # An expression in a command could run what a pull request is called.
    commands = [step["run"] for job in board["jobs"].values() for step in job["steps"] if "run" in step]
    assert not any("${{" in command for command in commands)
    writing = {name for name, job in board["jobs"].items() if "permissions" in job}
    assert writing == {"deploy"}
    assert board["jobs"]["deploy"]["if"] == "github.event_name == 'push' && github.ref == 'refs/heads/main'"


@pytest.mark.parametrize("name", ["board.yml", "check.yml"])
def test_actions_are_pinned(name: str) -> None:
    used = [step["uses"] for job in workflow(name)["jobs"].values() for step in job["steps"] if "uses" in step]
    assert used
    assert [action for action in used if not re.fullmatch(r"actions/[\w-]+@(v\d+|[0-9a-f]{40})", action)] == []


def test_the_command_of_the_board_names_what_there_is(tmp_path: Path) -> None:
    commands = re.findall(r"^\tclipbench (.*)$", (REPOSITORY / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert [command.split()[:3] for command in commands] == [
        ["site", "--check", "reports/submissions/*"],
        ["site", "reports/submissions/*", "--published"],
    ]
    assert commands[1].split()[3].split(",") == list(PUBLISHED)
    runs = (REPOSITORY / ".github" / "workflows" / "board.yml", REPOSITORY / ".ci" / "run")
    assert all("make board" in path.read_text("utf-8") for path in runs)


def test_the_help_names_the_tables_and_a_wrong_one_its_neighbour(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["site", "--help"], env={"COLUMNS": "200"}).output
    assert all(name in told for name in PUBLISHED)
    wrong = CliRunner().invoke(app, ["site", "--published", "open-clip,imagenet-testbet", "-o", str(tmp_path / "site")])
    assert str(wrong.exception).endswith("did you mean 'imagenet-testbed'?")
    assert not (tmp_path / "site").exists()
